"""Owns reading consents and suppressed addresses."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import Row, Select, Uuid, cast, literal, null, select, tuple_, union_all
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from crm.accounts.models import User
from crm.accounts.queries import workspace
from crm.accounts.rules import Actor
from crm.channels.sentences import N_
from crm.consent.kinds import Basis, ConsentAction, ConsentPurpose
from crm.consent.models import AddressKey, ConsentEvent, ConsentEvidence, ConsentState, Suppression
from crm.consent.rules import Policy, State, address_hash, policy_of
from crm.contacts import queries as contact_queries
from crm.contacts.models import Contact
from crm.db import among, new_id
from crm.errors import NotFoundError
from crm.web.paging import Page, decode_cursor, page_of

HISTORY: Final = 200


class SuppressionNotFoundError(NotFoundError):
    """No such suppressed address."""

    code = "suppression_not_found"


def states(
    session: Session, actor: Actor, *, contact_ids: Collection[UUID]
) -> dict[UUID, dict[tuple[ConsentPurpose, str], State]]:
    """What holds for each contact, by (purpose, channel or '' for all); contacts never asked have an empty dict."""
    return _states(session.execute(_held(actor, contact_ids)), contact_ids)


def standing(
    session: Session, actor: Actor, *, contact_ids: Collection[UUID], pairs: Collection[tuple[str, str]]
) -> tuple[dict[UUID, dict[tuple[ConsentPurpose, str], State]], set[tuple[str, str]]]:
    """`states` of the contacts and `suppressed` of the pairs, with one statement."""
    if not pairs:
        return states(session, actor, contact_ids=contact_ids), set()
    hashed = _hashed(session, actor, pairs)
    nobody, nothing = cast(null(), Uuid()), literal("")
    gone = _gone(pairs, hashed).with_only_columns(
        nobody, nothing, Suppression.address_hash, nothing, nothing, Suppression.at
    )
    rows = session.execute(union_all(_held(actor, contact_ids), gone)).all()
    held = [row for row in rows if row.contact_id is not None]
    return _states(held, contact_ids), {hashed[row.channel] for row in rows if row.contact_id is None}


def _held(actor: Actor, contact_ids: Collection[UUID]) -> Select[*tuple[Any, ...]]:
    return select(
        ConsentState.contact_id,
        ConsentState.purpose,
        ConsentState.channel,
        ConsentState.action,
        ConsentState.basis,
        ConsentState.since,
    ).where(among(ConsentState.contact_id, contact_ids), ConsentState.workspace_id == actor.workspace_id)


def _states(
    rows: Iterable[Row[*tuple[Any, ...]]], contact_ids: Collection[UUID]
) -> dict[UUID, dict[tuple[ConsentPurpose, str], State]]:
    found: dict[UUID, dict[tuple[ConsentPurpose, str], State]] = {contact_id: {} for contact_id in contact_ids}
    for row in rows:
        found[row.contact_id][ConsentPurpose(row.purpose), row.channel] = State(
            action=ConsentAction(row.action), basis=Basis(row.basis), since=row.since
        )
    return found


def policy(session: Session, actor: Actor) -> Policy:
    """The workspace's policy: which basis carries which purpose on which channel."""
    return policy_of(workspace(session, actor).basis_policy)


@dataclass(frozen=True, slots=True, kw_only=True)
class EventView:
    """One event of consent with its evidence and who recorded it."""

    id: UUID
    contact_id: UUID
    purpose: ConsentPurpose
    channel: str | None
    action: ConsentAction
    basis: Basis
    source: str
    wording: str
    wording_version: str
    note: str
    happened_at: datetime
    recorded_at: datetime
    user_name: str


def history(
    session: Session, actor: Actor, *, contact_id: UUID, after: str | None = None, limit: int = 50
) -> Page[EventView]:
    """A page of a contact's consent events, newest first, with those of whoever was merged into it.

    Raises `ContactNotFoundError`.
    """
    contact_queries.require_contact(session, actor, contact_id=contact_id)
    mine = select(Contact.id).where(Contact.merged_into_id == contact_id).union_all(select(literal(contact_id)))
    wanted = (
        select(ConsentEvent, ConsentEvidence.wording, ConsentEvidence.note, User.name)
        .outerjoin(ConsentEvidence, ConsentEvidence.event_id == ConsentEvent.id)
        .outerjoin(User, User.id == ConsentEvent.user_id)
        .where(ConsentEvent.contact_id.in_(mine))
    )
    if after:
        at, last_id = decode_cursor(after, datetime, UUID)
        wanted = wanted.where(tuple_(ConsentEvent.happened_at, ConsentEvent.id) < (at, last_id))
    wanted = wanted.order_by(ConsentEvent.happened_at.desc(), ConsentEvent.id.desc()).limit(limit + 1)
    rows = [_event(row, wording, note, name) for row, wording, note, name in session.execute(wanted)]
    return page_of(rows, limit=limit, key=lambda row: (row.happened_at, row.id))


def events(session: Session, actor: Actor, *, event_ids: Iterable[UUID]) -> dict[UUID, ConsentEvent]:
    """Consent events by id, of contacts the actor may see: what the timeline's entries point at."""
    wanted = (
        select(ConsentEvent)
        .join(Contact, Contact.id == ConsentEvent.contact_id)
        .where(ConsentEvent.id.in_(list(event_ids)), contact_queries.alive(actor))
    )
    return {row.id: row for row in session.scalars(wanted)}


def event(session: Session, actor: Actor, *, event_id: UUID) -> EventView:
    """One consent event with its evidence; raises `NotFoundError`."""
    wanted = (
        select(ConsentEvent, ConsentEvidence.wording, ConsentEvidence.note, User.name)
        .join(Contact, Contact.id == ConsentEvent.contact_id)
        .outerjoin(ConsentEvidence, ConsentEvidence.event_id == ConsentEvent.id)
        .outerjoin(User, User.id == ConsentEvent.user_id)
        .where(ConsentEvent.id == event_id, contact_queries.alive(actor))
    )
    row = session.execute(wanted).one_or_none()
    if row is None:
        raise NotFoundError(N_("There is no such consent."))
    return _event(*row)


def _event(row: ConsentEvent, wording: str | None, note: str | None, user_name: str | None) -> EventView:
    return EventView(
        id=row.id,
        contact_id=row.contact_id,
        purpose=ConsentPurpose(row.purpose),
        channel=row.channel,
        action=ConsentAction(row.action),
        basis=Basis(row.basis),
        source=row.source,
        wording=wording or "",
        wording_version=row.wording_version,
        note=note or "",
        happened_at=row.happened_at,
        recorded_at=row.recorded_at,
        user_name=user_name or "",
    )


def key_of(session: Session, actor: Actor) -> str:
    """The workspace's key for address hashes, made on first use and read once a session."""
    held: dict[UUID, str] = session.info.setdefault("address_keys", {})
    if actor.workspace_id not in held:
        wanted = select(AddressKey.key)
        key = session.scalars(wanted).one_or_none()
        if key is None:
            made = insert(AddressKey).values(id=new_id(), workspace_id=actor.workspace_id)
            session.execute(made.on_conflict_do_nothing())
            key = session.scalars(wanted).one()
        held[actor.workspace_id] = key
    return held[actor.workspace_id]


def suppressed(session: Session, actor: Actor, *, pairs: Collection[tuple[str, str]]) -> set[tuple[str, str]]:
    """Those of the (channel, normalised address) pairs that must get nothing any more."""
    if not pairs:
        return set()
    hashed = _hashed(session, actor, pairs)
    return {hashed[found] for found in session.scalars(_gone(pairs, hashed))}


def _hashed(session: Session, actor: Actor, pairs: Collection[tuple[str, str]]) -> dict[str, tuple[str, str]]:
    key = key_of(session, actor)
    return {address_hash(key, channel, address): (channel, address) for channel, address in pairs}


def _gone(pairs: Collection[tuple[str, str]], hashes: Collection[str]) -> Select[str]:
    return select(Suppression.address_hash).where(
        among(Suppression.channel, {channel for channel, _ in pairs}),
        among(Suppression.address_hash, hashes),
        Suppression.lifted_at.is_(None),
    )


def suppressions(
    session: Session, actor: Actor, *, after: str | None = None, limit: int = 50
) -> Page[tuple[Suppression, str]]:
    """A page of (suppressed address, who put it there), newest first."""
    if contact_queries.scope(actor) is contact_queries.Scope.NOTHING:
        return Page([])
    wanted = (
        select(Suppression, User.name)
        .outerjoin(User, User.id == Suppression.user_id)
        .where(Suppression.lifted_at.is_(None))
    )
    if after:
        at, last_id = decode_cursor(after, datetime, UUID)
        wanted = wanted.where(tuple_(Suppression.at, Suppression.id) < (at, last_id))
    wanted = wanted.order_by(Suppression.at.desc(), Suppression.id.desc()).limit(limit + 1)
    rows = [(row, name or "") for row, name in session.execute(wanted)]
    return page_of(rows, limit=limit, key=lambda pair: (pair[0].at, pair[0].id))


def suppression(session: Session, actor: Actor, *, suppression_id: UUID, lock: bool = False) -> Suppression:
    """The suppressed address, lifted or not; raises `SuppressionNotFoundError`."""
    wanted = select(Suppression).where(Suppression.id == suppression_id)
    row = session.scalars(wanted.with_for_update() if lock else wanted).one_or_none()
    if row is None or contact_queries.scope(actor) is contact_queries.Scope.NOTHING:
        raise SuppressionNotFoundError(N_("There is no such suppressed address."))
    return row
