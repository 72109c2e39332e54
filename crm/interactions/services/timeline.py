"""Owns writing the timeline: logging what happened once, taking it back, and the contact's last-exchange dates."""

from collections.abc import Iterable, Sequence
from dataclasses import asdict
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

from sqlalchemy import and_, func, literal_column, or_, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from crm.accounts.kinds import ActorKind, Permission
from crm.accounts.rules import Actor
from crm.channels.sentences import N_
from crm.clock import is_near
from crm.contacts import queries as contact_queries
from crm.contacts.models import Company, Contact, Handle
from crm.db import new_id
from crm.errors import ForbiddenError, InvalidInputError
from crm.events import InteractionLogged, InteractionRemoved, publish
from crm.interactions import queries, rules
from crm.interactions.kinds import Direction, InteractionKind, Sentiment, Visibility
from crm.interactions.models import Interaction, InteractionBody
from crm.interactions.services.entries import Entry
from crm.interactions.services.judging import judged, put_labels, settle, watch
from crm.interactions.services.recounting import redate, rewarm
from crm.interactions.services.warming import warm

#: Clocks of people and platforms differ; what lies further ahead has not happened.
FUTURE_TOLERANCE: Final = timedelta(minutes=5)


def log(
    session: Session,
    actor: Actor,
    *,
    kind: str,
    happened_at: datetime,
    now: datetime,
    contact_id: UUID | None = None,
    company_id: UUID | None = None,
    handle_id: UUID | None = None,
    direction: Direction | None = None,
    channel: str | None = None,
    subject: str = "",
    body: str = "",
    external_id: str | None = None,
    source_kind: str | None = None,
    source_id: UUID | None = None,
    is_automatic: bool = False,
    points: int | None = None,
    amount_minor: int | None = None,
    duration_minutes: int | None = None,
    sentiment: Sentiment | None = None,
    visibility: Visibility = Visibility.TEAM,
    post_url: str = "",
    label_ids: Sequence[UUID] = (),
) -> Interaction:
    """Put one thing that happened on the timeline and tell everybody (`InteractionLogged`).

    `happened_at` is when it happened, not when it was logged; a moment ahead of `now` is refused. The direction
    follows from the kind when nobody gives one. With `external_id` (the platform's id on `channel`) the same event
    logged twice is one row, and nothing is told again. Genuine exchanges move the contact's last-exchange dates and,
    when they are ours, end what the person complained about before. Where no `sentiment` is given the keyword rules may
    say one. Raises `InvalidInputError` and the contact's not-found error.
    """
    entry = Entry(
        kind=kind,
        happened_at=happened_at,
        contact_id=contact_id,
        company_id=company_id,
        handle_id=handle_id,
        direction=direction,
        channel=channel,
        subject=subject,
        body=body,
        external_id=external_id,
        source_kind=source_kind,
        source_id=source_id,
        is_automatic=is_automatic,
        points=points,
        amount_minor=amount_minor,
        duration_minutes=duration_minutes,
        sentiment=sentiment,
        visibility=visibility,
        post_url=post_url,
        label_ids=tuple(label_ids),
    )
    return log_many(session, actor, entries=[entry], now=now)[0]


def log_many(session: Session, actor: Actor, *, entries: Sequence[Entry], now: datetime) -> list[Interaction]:
    """`log` for many at once with the same few statements; the rows are in the order of `entries`."""
    if not entries:
        return []
    if not (actor.may(Permission.EDIT) or actor.may(Permission.WRITE)):
        actor.require(Permission.EDIT)
    for entry in entries:
        _check(entry, now=now)
    check_contacts(session, actor, {entry.contact_id for entry in entries if entry.contact_id})
    _check_places(session, actor, entries)
    entries = judged(session, entries)
    ids = [new_id() for _ in entries]
    made = session.scalars(
        insert(Interaction)
        .values([row_of(actor, key, entry, now=now) for key, entry in zip(ids, entries, strict=True)])
        .on_conflict_do_nothing(
            index_elements=["workspace_id", "channel", "external_id"],
            index_where=Interaction.external_id.is_not(None),
        )
        .returning(Interaction)
    ).all()
    fresh = {row.id: row for row in made}
    bodies = [
        {
            "id": new_id(),
            "workspace_id": actor.workspace_id,
            "interaction_id": key,
            "subject": entry.subject,
            "body": entry.body,
        }
        for key, entry in zip(ids, entries, strict=True)
        if key in fresh and (entry.subject or entry.body)
    ]
    if bodies:
        session.execute(insert(InteractionBody), bodies)
    put_labels(
        session, actor, [(key, one) for key, e in zip(ids, entries, strict=True) if key in fresh for one in e.label_ids]
    )
    touch_contacts(session, made)
    warm(session, made, now=now)
    settle(session, made)
    for row in made:
        publish(session, _logged(row, now=now))
    watch(session, actor, made, now=now)
    known = _known(session, [entry for key, entry in zip(ids, entries, strict=True) if key not in fresh])
    return [
        fresh[key] if key in fresh else known[entry.channel, entry.external_id]
        for key, entry in zip(ids, entries, strict=True)
    ]


def _check(entry: Entry, *, now: datetime) -> None:
    if entry.happened_at.tzinfo is None:
        raise InvalidInputError(N_("This time needs a time zone."), fields={"happened_at": N_("Add a time zone.")})
    if not is_near(entry.happened_at):
        sentence = N_("This day is too far away.")
        raise InvalidInputError(sentence, fields={"happened_at": sentence})
    if entry.happened_at > now + FUTURE_TOLERANCE:
        sentence = N_("This lies in the future. Make it a task instead.")
        raise InvalidInputError(sentence, fields={"happened_at": sentence})
    if entry.external_id is not None and not entry.channel:
        sentence = N_("An external id needs its channel.")
        raise InvalidInputError(sentence, fields={"channel": sentence})
    if not entry.kind or len(entry.kind) > 64:  # noqa: PLR2004 - a dotted name, not a text.
        sentence = N_("Name the kind of interaction in a few letters.")
        raise InvalidInputError(sentence, fields={"kind": sentence})


def check_contacts(session: Session, actor: Actor, contact_ids: set[UUID]) -> None:
    """A person may be logged about by those who may see them; the system also about deleted people."""
    if actor.kind is ActorKind.SYSTEM or not contact_ids:
        return
    found = session.scalars(select(Contact.id).where(Contact.id.in_(contact_ids), contact_queries.alive(actor)))
    if contact_ids - set(found):
        raise contact_queries.ContactNotFoundError(N_("There is no such person, or you may not see them."))


def _check_places(session: Session, actor: Actor, entries: Sequence[Entry]) -> None:
    """The companies and addresses that somebody names are there; the system names none that it hasn't read."""
    if actor.kind is ActorKind.SYSTEM:
        return
    companies = {entry.company_id for entry in entries if entry.company_id}
    if companies - set(session.scalars(select(Company.id).where(Company.id.in_(companies))) if companies else ()):
        raise contact_queries.CompanyNotFoundError(N_("There is no such company."))
    handles = {entry.handle_id for entry in entries if entry.handle_id}
    if handles - set(session.scalars(select(Handle.id).where(Handle.id.in_(handles))) if handles else ()):
        raise contact_queries.HandleNotFoundError(N_("There is no such address."))


def row_of(actor: Actor, key: UUID, entry: Entry, *, now: datetime) -> dict[str, Any]:
    values = asdict(entry)
    del values["subject"], values["body"], values["label_ids"]
    values["direction"] = entry.direction or rules.direction_of(entry.kind)
    values["author_id"] = entry.author_id or (None if entry.is_automatic else actor.user_id)
    return {"id": key, "workspace_id": actor.workspace_id, "created_at": now, **values}


def _known(session: Session, entries: Sequence[Entry]) -> dict[tuple[str | None, str | None], Interaction]:
    if not entries:
        return {}
    same = or_(
        *(and_(Interaction.channel == entry.channel, Interaction.external_id == entry.external_id) for entry in entries)
    )
    return {(row.channel, row.external_id): row for row in session.scalars(select(Interaction).where(same))}


def _logged(row: Interaction, *, now: datetime) -> InteractionLogged:
    return InteractionLogged(
        workspace_id=row.workspace_id,
        now=now,
        interaction_id=row.id,
        contact_id=row.contact_id,
        kind=row.kind,
        channel=row.channel,
        direction=row.direction,
        happened_at=row.happened_at,
    )


def touch_contacts(session: Session, rows: Iterable[Interaction]) -> None:
    """Move last-exchange dates forward, never back: an entry of 2019 lands in 2019.

    A plain UPDATE on purpose: being written to is no edit, so the contact's version stays. Contacts are taken in one
    order, so that two batches can't wait for each other.
    """
    seen = rules.last_seen(
        (row.contact_id, row.kind, row.direction, row.is_automatic, row.happened_at)
        for row in rows
        # What nobody else may see must not show in a date that everybody sees.
        if row.visibility != Visibility.PRIVATE
    )
    for one in seen:
        session.execute(
            update(Contact)
            .where(Contact.id == one.contact_id)
            .values(
                last_outbound_at=func.greatest(Contact.last_outbound_at, one.outbound),
                last_inbound_at=func.greatest(Contact.last_inbound_at, one.inbound),
                last_interaction_at=func.greatest(Contact.last_interaction_at, one.any),
            ),
            execution_options={"synchronize_session": False},
        )
    _refresh(session, {one.contact_id for one in seen})


def _refresh(session: Session, contact_ids: set[UUID]) -> None:
    """Make contacts that this session holds read their dates again."""
    for held in session.identity_map.values():
        if isinstance(held, Contact) and held.id in contact_ids:
            session.expire(held, ["last_outbound_at", "last_inbound_at", "last_interaction_at"])


def remove(session: Session, actor: Actor, *, interaction_id: UUID, now: datetime) -> Interaction:
    """Take an entry off the timeline (`InteractionRemoved`); the last-exchange dates are read anew from the rest.

    People remove what they logged themselves; other people's entries need the right to edit in bulk. Twice is once.
    """
    actor.require(Permission.EDIT)
    row = queries.interaction(session, actor, interaction_id=interaction_id, lock=True)
    if row.author_id != actor.user_id and not actor.may(Permission.BULK_EDIT):
        raise ForbiddenError(N_("Only who logged this may remove it."), code="not_yours")
    if row.removed_at is not None:
        return row
    row.removed_at = now
    session.flush()
    if row.contact_id is not None and rules.is_exchange(row.kind, is_automatic=row.is_automatic):
        recompute(session, contact_ids=[row.contact_id])
    event = InteractionRemoved(workspace_id=row.workspace_id, now=now, interaction_id=row.id, contact_id=row.contact_id)
    publish(session, event)
    return row


def recompute(session: Session, *, contact_ids: Sequence[UUID]) -> None:
    """Set the last-exchange dates of contacts, their warmth and when they are due from their timeline."""
    redate(session, contact_ids=contact_ids)
    _refresh(session, set(contact_ids))
    rewarm(session, contact_ids=contact_ids)


def mark_answered(session: Session, actor: Actor, *, interaction_id: UUID, now: datetime) -> Interaction:
    """Note that somebody answered what a person wrote, so that it waits for nobody any more."""
    actor.require(Permission.EDIT)
    row = queries.interaction(session, actor, interaction_id=interaction_id, lock=True)
    row.answered_at = row.answered_at or now
    session.flush()
    return row


def set_sentiment(
    session: Session, actor: Actor, *, interaction_id: UUID, sentiment: Sentiment | None, now: datetime
) -> Interaction:
    """Say whether the words were positive, neutral or negative; None takes it back. No rule overrules it later."""
    actor.require(Permission.EDIT)
    row = queries.interaction(session, actor, interaction_id=interaction_id, lock=True)
    row.sentiment = sentiment
    session.flush()
    watch(session, actor, [row], now=now)
    return row


def adopt(session: Session, *, handle_id: UUID, contact_id: UUID | None, company_id: UUID | None = None) -> int:
    """Give the history of a stranger's handle to the person or company it turned out to be; how many entries moved."""
    moved = session.execute(
        update(Interaction)
        .where(Interaction.handle_id == handle_id, Interaction.contact_id.is_(None))
        .values({"contact_id": contact_id} if contact_id else {"company_id": company_id})
        .returning(literal_column("1")),
        execution_options={"synchronize_session": False},
    ).all()
    if moved and contact_id is not None:
        recompute(session, contact_ids=[contact_id])
    return len(moved)


__all__ = [
    "Entry",
    "InteractionKind",
    "adopt",
    "log",
    "log_many",
    "mark_answered",
    "recompute",
    "remove",
    "set_sentiment",
]
