"""Owns recording consent and its withdrawal, and suppressing addresses."""

from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from sqlalchemy import Text, and_, cast, literal, or_, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from crm.accounts.kinds import ActorKind, Permission
from crm.accounts.rules import Actor
from crm.accounts.services import audit
from crm.channels.base import ChannelKind
from crm.channels.sentences import N_
from crm.clock import is_near
from crm.consent import queries
from crm.consent.kinds import Basis, ConsentAction, ConsentPurpose, SuppressionReason
from crm.consent.merging import SOURCE as MERGE_SOURCE
from crm.consent.models import ConsentEvent, ConsentEvidence, ConsentState, Suppression
from crm.consent.rules import address_hash, hint
from crm.contacts import queries as contact_queries
from crm.contacts import services as contact_services
from crm.contacts.change_models import ChangeSet
from crm.contacts.kinds import ChangeSetState
from crm.db import new_id
from crm.errors import ConflictError, InvalidInputError
from crm.events import OptedOut, publish
from crm.interactions import services as interactions
from crm.interactions.kinds import Direction, InteractionKind

FUTURE_TOLERANCE: Final = timedelta(minutes=5)
#: The timeline's entries of consent point at the event by this.
SOURCE_KIND: Final = "consent_event"


def record(
    session: Session,
    actor: Actor,
    *,
    contact_id: UUID,
    purpose: ConsentPurpose,
    channel: ChannelKind | None,
    action: ConsentAction,
    basis: Basis,
    source: str,
    wording: str = "",
    wording_version: str = "",
    note: str = "",
    happened_at: datetime,
    now: datetime,
) -> ConsentEvent:
    """Note that a person agreed or objected, with its evidence; the newest event decides what holds.

    `channel` None speaks of every channel. An event of the past that an newer one has overtaken is kept and changes
    nothing. Publishes `OptedOut` when a withdrawal takes effect. Raises `InvalidInputError` and the not-found error.
    """
    if not (actor.may(Permission.EDIT) or actor.kind is ActorKind.MEMBER):
        actor.require(Permission.EDIT)
    if actor.kind not in {ActorKind.SYSTEM, ActorKind.MEMBER}:
        contact_queries.contact(session, actor, contact_id=contact_id)
    _check(action=action, basis=basis, source=source, happened_at=happened_at, now=now)
    event = ConsentEvent(
        workspace_id=actor.workspace_id,
        contact_id=contact_id,
        purpose=purpose,
        channel=channel,
        action=action,
        basis=basis,
        source=source.strip(),
        wording_version=wording_version,
        happened_at=happened_at,
        recorded_at=now,
        user_id=actor.user_id,
    )
    session.add(event)
    session.flush()
    if wording or note:
        session.add(ConsentEvidence(event_id=event.id, wording=wording, note=note))
    took_effect = _derive(session, actor, event)
    interactions.log(
        session,
        actor if actor.kind is not ActorKind.MEMBER else _on_behalf(actor),
        kind=InteractionKind.CONSENT_CHANGED,
        contact_id=contact_id,
        direction=Direction.NONE,
        channel=channel,
        happened_at=happened_at,
        source_kind=SOURCE_KIND,
        source_id=event.id,
        is_automatic=True,
        now=now,
    )
    if took_effect and action is ConsentAction.WITHDRAWN:
        publish(
            session,
            OptedOut(workspace_id=actor.workspace_id, now=now, contact_id=contact_id, purpose=purpose, channel=channel),
        )
    return event


def _on_behalf(actor: Actor) -> Actor:
    """A member's own click is written by the system: members hold no right to edit the timeline."""
    return Actor(workspace_id=actor.workspace_id, kind=ActorKind.SYSTEM, name=actor.name, time_zone=actor.time_zone)


def _check(*, action: ConsentAction, basis: Basis, source: str, happened_at: datetime, now: datetime) -> None:
    if not source.strip():
        sentence = N_("Say where this comes from: a form, a conversation, a contract.")
        raise InvalidInputError(sentence, fields={"source": sentence})
    if not is_near(happened_at):
        sentence = N_("This day is too far away.")
        raise InvalidInputError(sentence, fields={"happened_at": sentence})
    if happened_at > now + FUTURE_TOLERANCE:
        sentence = N_("This date is still to come.")
        raise InvalidInputError(sentence, fields={"happened_at": sentence})
    if action is ConsentAction.GRANTED and basis is Basis.UNKNOWN:
        sentence = N_("Say what it rests on; “unknown” allows nothing.")
        raise InvalidInputError(sentence, fields={"basis": sentence})


def _derive(session: Session, actor: Actor, event: ConsentEvent) -> bool:
    """Bring the derived state in line with an event, in one statement that two writers can't confuse.

    Mirrors `rules.follows`. True when the event decides what holds now.
    """
    made = insert(ConsentState).values(
        id=new_id(),
        workspace_id=actor.workspace_id,
        contact_id=event.contact_id,
        purpose=event.purpose,
        channel=event.channel or "",
        action=event.action,
        basis=event.basis,
        since=event.happened_at,
    )
    newer = or_(
        ConsentState.since < made.excluded.since,
        and_(ConsentState.since == made.excluded.since, made.excluded.action == ConsentAction.WITHDRAWN),
    )
    changed = session.execute(
        made.on_conflict_do_update(
            index_elements=["workspace_id", "contact_id", "purpose", "channel"],
            set_={"action": made.excluded.action, "basis": made.excluded.basis, "since": made.excluded.since},
            where=newer,
        ).returning(ConsentState.id)
    ).all()
    return bool(changed)


def rebuild(session: Session, actor: Actor, *, contact_id: UUID) -> None:
    """Derive a contact's state anew from its events: a repair. What an undone merge wrote counts no more."""
    actor.require(Permission.EDIT)
    session.query(ConsentState).filter(ConsentState.contact_id == contact_id).delete(synchronize_session="fetch")
    undone = select(literal(MERGE_SOURCE) + cast(ChangeSet.id, Text)).where(ChangeSet.state == ChangeSetState.UNDONE)
    wanted = select(ConsentEvent).where(ConsentEvent.contact_id == contact_id, ConsentEvent.source.not_in(undone))
    for event in session.scalars(wanted.order_by(ConsentEvent.happened_at, ConsentEvent.id)).all():
        _derive(session, actor, event)


def suppress(
    session: Session,
    actor: Actor,
    *,
    channel: ChannelKind,
    address_norm: str,
    reason: SuppressionReason,
    now: datetime,
) -> Suppression:
    """Never write to this address again, whoever it belongs to; twice is one row and keeps the first reason."""
    actor.require(Permission.EDIT)
    hashed = address_hash(queries.key_of(session, actor), channel, address_norm)
    row = {
        "id": new_id(),
        "workspace_id": actor.workspace_id,
        "channel": channel,
        "address_hash": hashed,
        "hint": hint(address_norm),
        "reason": reason,
        "at": now,
        "user_id": actor.user_id,
    }
    live = Suppression.lifted_at.is_(None)
    session.execute(
        insert(Suppression)
        .values(**row)
        .on_conflict_do_nothing(index_elements=["workspace_id", "channel", "address_hash"], index_where=live)
    )
    wanted = select(Suppression).where(Suppression.channel == channel, Suppression.address_hash == hashed, live)
    return session.scalars(wanted).one()


def suppress_typed(
    session: Session, actor: Actor, *, channel: ChannelKind, address: str, reason: SuppressionReason, now: datetime
) -> Suppression:
    """`suppress` for an address as somebody typed it; raises `InvalidInputError` on `address`."""
    known = contact_services.normalised(session, actor, channel=channel, address=address)
    return suppress(session, actor, channel=channel, address_norm=known.address_norm, reason=reason, now=now)


def lift(session: Session, actor: Actor, *, suppression_id: UUID, now: datetime) -> Suppression:
    """Allow an address again. What the person asked for, a complaint and an erasure stay: only they can undo those."""
    actor.require(Permission.EDIT)
    row = queries.suppression(session, actor, suppression_id=suppression_id, lock=True)
    if row.reason in {SuppressionReason.ASKED, SuppressionReason.COMPLAINT, SuppressionReason.ERASED}:
        actor.require(Permission.ERASE)
    if row.reason == SuppressionReason.ERASED:
        raise ConflictError(N_("This person was erased. Only they can come back, by writing first."), code="erased")
    row.lifted_at = row.lifted_at or now
    session.flush()
    audit.record(session, actor, action="suppression.lifted", object_kind="suppression", object_id=row.id)
    return row
