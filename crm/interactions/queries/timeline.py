"""Owns reading the timeline of a person or company, by key, and the newest exchange of many people."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import (
    ARRAY,
    ColumnElement,
    Select,
    Uuid,
    and_,
    any_,
    bindparam,
    false,
    func,
    lateral,
    literal,
    literal_column,
    or_,
    select,
    true,
    tuple_,
    union,
)
from sqlalchemy.orm import Session, aliased
from sqlalchemy.sql.selectable import LateralFromClause

from crm.accounts.models import User
from crm.accounts.rules import Actor
from crm.channels.sentences import N_
from crm.contacts import queries as contact_queries
from crm.contacts.models import Contact, Handle
from crm.db import among
from crm.errors import NotFoundError
from crm.interactions import rules
from crm.interactions.kinds import Visibility
from crm.interactions.models import Interaction, InteractionBody
from crm.interactions.queries.vocabulary import FileView, LabelView, beside_entries
from crm.interactions.timeline_models import LabelledEntry, OwnKind
from crm.web.paging import Page, decode_cursor, page_of


class InteractionNotFoundError(NotFoundError):
    """No such entry for this actor."""

    code = "interaction_not_found"


@dataclass(frozen=True, slots=True, kw_only=True)
class TimelineEntry:
    """One thing that happened, ready to be shown; `contact_name` is empty for a stranger's handle."""

    id: UUID
    kind: str
    channel: str | None
    direction: str
    happened_at: datetime
    subject: str
    body: str
    contact_id: UUID | None
    contact_name: str
    company_id: UUID | None
    handle_id: UUID | None
    address: str
    author_id: UUID | None
    author_name: str
    visibility: str
    sentiment: str | None
    is_automatic: bool
    answered_at: datetime | None
    source_kind: str | None
    source_id: UUID | None
    external_id: str | None
    post_url: str
    duration_minutes: int | None
    points: int | None
    amount_minor: int | None
    created_at: datetime
    edited_at: datetime | None = None
    own_name: str = ""
    own_icon: str = ""
    own_tone: str = ""
    labels: tuple[LabelView, ...] = ()
    files: tuple[FileView, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class TimelineFilter:
    """What a timeline is narrowed to; empty shows everything. `person_id` is one of a company's people."""

    kinds: Collection[str] = ()
    channel: str | None = None
    sentiment: str | None = None
    label_id: UUID | None = None
    person_id: UUID | None = None


EVERYTHING: Final = TimelineFilter()


def readable(actor: Actor) -> ColumnElement[bool]:
    """The condition that an entry is on the timeline for `actor`: not removed, and private ones their author's."""
    mine = Interaction.author_id == actor.user_id if actor.user_id else literal(value=False)
    return and_(Interaction.removed_at.is_(None), or_(Interaction.visibility != Visibility.PRIVATE, mine))


def interaction(session: Session, actor: Actor, *, interaction_id: UUID, lock: bool = False) -> Interaction:
    """The entry, removed or not; raises `InteractionNotFoundError` when the actor may not see its person."""
    wanted = (
        select(Interaction)
        .outerjoin(Contact, Contact.id == Interaction.contact_id)
        .where(Interaction.id == interaction_id, or_(Interaction.contact_id.is_(None), contact_queries.alive(actor)))
    )
    if lock:
        wanted = wanted.with_for_update(of=Interaction)
    row = session.scalars(wanted).one_or_none()
    hidden = row is not None and row.visibility == Visibility.PRIVATE and row.author_id != actor.user_id
    if row is None or hidden or contact_queries.scope(actor) is contact_queries.Scope.NOTHING:
        raise InteractionNotFoundError(N_("There is no such entry."))
    return row


def entry(session: Session, actor: Actor, *, interaction_id: UUID) -> TimelineEntry:
    """One entry as the timeline shows it; raises `InteractionNotFoundError`."""
    interaction(session, actor, interaction_id=interaction_id)
    return _entries(session, select(Interaction.id).where(Interaction.id == interaction_id))[0]


def timeline(
    session: Session,
    actor: Actor,
    *,
    contact_id: UUID | None = None,
    company_id: UUID | None = None,
    handle_id: UUID | None = None,
    where: TimelineFilter = EVERYTHING,
    after: str | None = None,
    limit: int = 50,
) -> Page[TimelineEntry]:
    """A page of what happened, newest first, with a person, a company and its visible people, or a stranger's address.

    A company's page shows what was logged about it and the whole history of the people it has now. Raises the
    not-found errors of contacts.
    """
    which = _Which(actor, where, decode_cursor(after, datetime, UUID) if after else None, limit)
    if contact_id is not None:
        contact_queries.require_contact(session, actor, contact_id=contact_id)
        entries = _entries(session, _keys(Interaction.contact_id == contact_id, which))
    elif company_id is not None:
        contact_queries.company(session, actor, company_id=company_id)
        entries = _entries(session, _company_keys(company_id, which))
    elif handle_id is not None:
        contact_queries.stranger(session, actor, handle_id=handle_id)
        whose = and_(Interaction.handle_id == handle_id, Interaction.contact_id.is_(None))
        entries = _entries(session, _keys(whose, which))
    else:
        raise ValueError("a timeline is of a contact, a company or a stranger's address")
    return page_of(entries, limit=limit, key=lambda row: (row.happened_at, row.id))


@dataclass(frozen=True, slots=True)
class _Which:
    """Which part of a timeline is asked for."""

    actor: Actor
    where: TimelineFilter
    cursor: list[Any] | None
    limit: int


def _keys(whose: ColumnElement[bool], which: _Which) -> Select[UUID, datetime]:
    """(id, happened_at) of the newest entries, in the order of an index that begins with the owner."""
    keys = select(Interaction.id, Interaction.happened_at).where(whose, readable(which.actor))
    keys = keys.where(*_narrowed(which.where))
    if which.cursor:
        keys = keys.where(tuple_(Interaction.happened_at, Interaction.id) < tuple(which.cursor))
    return keys.order_by(Interaction.happened_at.desc(), Interaction.id.desc()).limit(which.limit + 1)


def _narrowed(where: TimelineFilter) -> list[ColumnElement[bool]]:
    conditions: list[ColumnElement[bool]] = []
    if where.kinds:
        conditions.append(Interaction.kind.in_(list(where.kinds)))
    if where.channel:
        conditions.append(Interaction.channel == where.channel)
    if where.sentiment:
        conditions.append(Interaction.sentiment == where.sentiment)
    if where.label_id is not None:
        labelled = select(LabelledEntry.id).where(
            LabelledEntry.interaction_id == Interaction.id, LabelledEntry.label_id == where.label_id
        )
        conditions.append(labelled.exists())
    return conditions


def _company_keys(company_id: UUID, which: _Which) -> Select[UUID]:
    """The newest of each person by one index range each, merged; nobody's whole history is read."""
    about = and_(Interaction.company_id == company_id, Interaction.contact_id.is_(None))
    if which.where.person_id is not None:
        about = and_(about, false())
    own = _keys(about, which).subquery()
    whom = true() if which.where.person_id is None else Contact.id == which.where.person_id
    people = (
        select(Contact.id)
        .where(Contact.company_id == company_id, contact_queries.alive(which.actor), whom)
        .order_by(Contact.sort_name)
        .limit(contact_queries.SHORT_LIST)
        .subquery()
    )
    theirs = _keys(Interaction.contact_id == people.c.id, which).lateral()
    both = union(
        select(own.c.id, own.c.happened_at),
        select(theirs.c.id, theirs.c.happened_at).select_from(people).join(theirs, true()),
    ).subquery()
    return select(both.c.id).order_by(both.c.happened_at.desc(), both.c.id.desc()).limit(which.limit + 1)


def _entries(session: Session, keys: Select[UUID, *tuple[Any, ...]]) -> list[TimelineEntry]:
    """The entries of those `keys` (their first column) with words, names and address, newest first."""
    chosen = keys.subquery()
    wanted = (
        select(Interaction, InteractionBody, Contact.display_name, Handle.address, User.name, OwnKind)
        .join(chosen, chosen.c.id == Interaction.id)
        .outerjoin(InteractionBody, InteractionBody.interaction_id == Interaction.id)
        .outerjoin(Contact, Contact.id == Interaction.contact_id)
        .outerjoin(Handle, Handle.id == Interaction.handle_id)
        .outerjoin(User, User.id == Interaction.author_id)
        .outerjoin(OwnKind, OwnKind.key == Interaction.kind)
        .order_by(Interaction.happened_at.desc(), Interaction.id.desc())
    )
    rows = session.execute(wanted).all()
    labels, files = beside_entries(session, [row[0].id for row in rows]) if rows else ({}, {})
    return [
        TimelineEntry(
            id=row.id,
            kind=row.kind,
            channel=row.channel,
            direction=row.direction,
            happened_at=row.happened_at,
            subject=words.subject if words else "",
            body=words.body if words else "",
            contact_id=row.contact_id,
            contact_name=contact_name or "",
            company_id=row.company_id,
            handle_id=row.handle_id,
            address=address or "",
            author_id=row.author_id,
            author_name=author_name or "",
            visibility=row.visibility,
            sentiment=row.sentiment,
            is_automatic=row.is_automatic,
            answered_at=row.answered_at,
            source_kind=row.source_kind,
            source_id=row.source_id,
            external_id=row.external_id,
            post_url=row.post_url,
            duration_minutes=row.duration_minutes,
            points=row.points,
            amount_minor=row.amount_minor,
            created_at=row.created_at,
            edited_at=words.edited_at if words else None,
            own_name=own.name if own else "",
            own_icon=own.icon if own else "",
            own_tone=own.tone if own else "",
            labels=labels.get(row.id, ()),
            files=files.get(row.id, ()),
        )
        for row, words, contact_name, address, author_name, own in rows
    ]


@dataclass(frozen=True, slots=True, kw_only=True)
class Exchange:
    """The newest time two people had to do with each other."""

    kind: str
    channel: str | None
    direction: str
    happened_at: datetime


def _newest() -> LateralFromClause:
    one = aliased(Interaction)
    return lateral(
        select(one.kind, one.channel, one.direction, one.happened_at)
        .where(
            one.contact_id == Contact.id,
            one.removed_at.is_(None),
            one.is_automatic.is_(False),
            # What is private to a colleague shows in no date that everybody sees.
            one.visibility != Visibility.PRIVATE,
            one.kind.in_([kind.value for kind in rules.EXCHANGES]),
        )
        .order_by(one.happened_at.desc(), one.id.desc())
        .limit(1)
    )


#: The newest genuine exchange of each `Contact`; an alias of a wide table is made once, as it costs more than a query.
NEWEST: Final = _newest()


def last_exchanges(session: Session, actor: Actor, *, contact_ids: Iterable[UUID]) -> dict[UUID, Exchange]:
    """The newest genuine exchange by contact id, one index look-up each, in one statement."""
    ids = list(contact_ids)
    if not ids:
        return {}
    wanted = (
        select(Contact.id, NEWEST.c.kind, NEWEST.c.channel, NEWEST.c.direction, NEWEST.c.happened_at)
        .join(NEWEST, true())
        .where(among(Contact.id, ids), contact_queries.alive(actor))
    )
    return {
        row.id: Exchange(kind=row.kind, channel=row.channel, direction=row.direction, happened_at=row.happened_at)
        for row in session.execute(wanted)
    }


#: The predicate of `ix_interaction_complaint`, with constants, so that every plan may use it.
OPEN_COMPLAINT: Final = literal_column(
    "interaction.sentiment = 'negative' and interaction.direction = 'inbound' and interaction.answered_at is null"
    " and interaction.removed_at is null"
)


def open_complaints(
    session: Session,
    actor: Actor,
    *,
    contact_ids: Iterable[UUID],
) -> dict[UUID, datetime]:
    """Since when the oldest unanswered complaint of each person stands; whoever has none is left out.

    Also of people whom the actor may not see: nothing but the moment is told.
    """
    ids = list(contact_ids)
    if not ids:
        return {}
    rows = session.execute(
        select(Interaction.contact_id, func.min(Interaction.happened_at))
        .where(
            Interaction.workspace_id == actor.workspace_id,
            Interaction.contact_id == any_(bindparam(None, ids, ARRAY(Uuid()))),
            OPEN_COMPLAINT,
        )
        .group_by(Interaction.contact_id)
    )
    return {contact_id: since for contact_id, since in rows if contact_id is not None}
