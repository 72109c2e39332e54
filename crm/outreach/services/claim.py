"""Takes a batch of due messages for one sender run, and frees those of a run that died.

A claim is one row with a lease and a fencing number. The gate is asked when an attempt is written, not here: one
question, at the last moment, under the recipients' row locks (see docs/decisions).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import ARRAY, DateTime, Uuid, any_, bindparam, case, func, literal_column, select, update
from sqlalchemy.orm import Session

from crm.accounts.rules import Actor
from crm.contacts.models import Contact
from crm.db import after_commit, new_id
from crm.outreach import handover
from crm.outreach.domain_pace import is_any_slow, slow_since
from crm.outreach.kinds import MessageState
from crm.outreach.models import Claim, FrozenContent, Message
from crm.outreach.pace import UNLIMITED, room
from crm.outreach.services import statements
from crm.outreach.services.transitions import Moved, move
from crm.roundtrip import Step, array, sql_of, together
from crm.settings import current

#: Messages taken at once: first, and then by a run that got through those.
BATCH, MORE = 64, 384
#: Only above this many due messages may attempts be written ahead of the free connections.
BACKLOG = 500


# One is made for each message that leaves; a frozen one takes three times as long to make.
@dataclass(slots=True)
class Sendable:
    """A claimed message with its frozen words, ready for an attempt; the fields are in the order of their columns."""

    message_id: UUID
    author_id: UUID | None
    contact_id: UUID | None
    company_id: UUID | None
    conversation_id: UUID | None
    handle_id: UUID | None
    channel: str
    purpose: str
    reference: str
    content_hash: str
    from_address: str
    from_name: str
    to_address: str
    to_name: str
    subject: str
    text: str
    html: str
    headers: Mapping[str, Any]
    #: Belongs to a batch, carries a code, or has conditions of its own.
    has_parts: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Claimed:
    """What a run holds: its claim, and what it may try. `attended_since` belongs to the account, for the gate."""

    claim_id: UUID
    fencing: int
    account_id: UUID
    items: tuple[Sendable, ...]
    attended_since: datetime | None
    is_backlog: bool
    is_capped: bool
    #: Whether recipient domains have a pace of their own just now, and the account's cap for each.
    is_domain_paced: bool = False
    domain_cap: int | None = None
    last_ok_at: datetime | None = None


def claim(
    session: Session,
    actor: Actor,
    *,
    account_id: UUID,
    claim_id: UUID | None = None,
    worker: str,
    lease: timedelta,
    now: datetime,
) -> Claimed | None:
    """Take up to `BATCH` due messages of an account, as far as its pace has room.

    `claim_id` adds them to a claim that the run holds already and renews its lease. None when nothing is due, the
    account may not send, another run took everything, or the claim was taken away.
    """
    given = {"account_id": account_id, "now": now}
    gap = timedelta(seconds=current().late_after_seconds)
    looked_after, slow, due = together(
        session,
        Step(statements.ATTEND, given | {"gone": now - gap}),
        Step(_SLOW, {"account_id": account_id, "since": slow_since(now)}),
        Step(_FIRST if claim_id is None else _MORE, given),
    )
    if not looked_after:
        return None
    (attended,) = looked_after
    most = room(session, account_id=account_id, now=now) if attended.is_capped else UNLIMITED
    if most <= 0:
        return None
    ids = [row.id for row in due[:most]]
    if not ids:
        return None
    known = {"claim_id": claim_id or new_id(), "lease": f"{lease.total_seconds()} seconds"}
    new = known | {"workspace_id": actor.workspace_id, "account_id": account_id, "worker": worker}
    held, _, words, behind = together(
        session,
        Step(statements.CLAIM, new) if claim_id is None else Step(statements.RENEW, known),
        Step(statements.TAKE, {"claim_id": known["claim_id"], "ids": array(ids), "now": now}),
        Step(_SENDABLE, {"ids": array(ids)}),
        Step(_BEHIND, given),
    )
    if not held:
        return None
    return Claimed(
        claim_id=known["claim_id"],
        fencing=held[0].fencing,
        account_id=account_id,
        items=_in_order(ids, words),
        attended_since=attended.attended_since,
        is_capped=most < UNLIMITED,
        is_domain_paced=attended.per_domain is not None or bool(slow),
        domain_cap=attended.per_domain,
        last_ok_at=attended.last_ok_at,
        is_backlog=bool(behind),
    )


_SENDABLE = sql_of(
    select(
        Message.id,
        Message.created_by_id,
        Message.contact_id,
        Contact.company_id,
        Message.conversation_id,
        Message.handle_id,
        Message.channel,
        Message.purpose,
        func.coalesce(Message.reference, literal_column("''")).label("reference"),
        FrozenContent.hash,
        FrozenContent.from_address,
        FrozenContent.from_name,
        FrozenContent.to_address,
        FrozenContent.to_name,
        FrozenContent.subject,
        FrozenContent.text,
        FrozenContent.html,
        FrozenContent.headers,
        (
            func.num_nonnulls(Message.batch_id, Message.voucher_id, Message.stop_if_replied_since) > literal_column("0")
        ).label("has_parts"),
    )
    .outerjoin(Contact, Contact.id == Message.contact_id)
    .join(FrozenContent, (FrozenContent.message_id == Message.id) & (FrozenContent.hash == Message.approved_hash))
    .where(Message.id == any_(bindparam("ids", type_=ARRAY(Uuid()))))
)
_SLOW = sql_of(
    select(literal_column("1")).where(
        is_any_slow(
            account_id=bindparam("account_id", type_=Uuid()), since=bindparam("since", type_=DateTime(timezone=True))
        )
    )
)
_FIRST, _MORE = (statements.DUE.format(limit=limit) for limit in (BATCH, MORE))
_BEHIND = statements.BEHIND.format(backlog=BACKLOG)


def sendable(session: Session, message_ids: Sequence[UUID]) -> tuple[Sendable, ...]:
    """The frozen words of messages, in the given order; a message without approved words is left out."""
    if not message_ids:
        return ()
    (words,) = together(session, Step(_SENDABLE, {"ids": array(message_ids)}))
    return _in_order(message_ids, words)


def _in_order(message_ids: Sequence[UUID], words: Sequence[tuple[Any, ...]]) -> tuple[Sendable, ...]:
    # The columns come in the order of the fields.
    found = {row[0]: Sendable(*row) for row in words}
    return tuple(found[message_id] for message_id in message_ids if message_id in found)


def renew(session: Session, *, claim_id: UUID, lease: timedelta) -> bool:
    """Keep a claim for another lease; False when it was taken away."""
    renewed = session.execute(
        update(Claim)
        .where(Claim.id == claim_id, Claim.finished_at.is_(None))
        .values(leased_until=func.now() + lease)
        .returning(Claim.id)
        .execution_options(synchronize_session=False)
    )
    return renewed.scalar() is not None


def finish(session: Session, actor: Actor, *, claim_id: UUID, now: datetime) -> int:
    """End a claim; what was claimed and not tried is due again. Returns how many that were.

    An attempt that nobody waits for, because the answer to its commit came too late, keeps the claim open until its
    lease is over: it is settled then as after a crash.
    """
    is_under_way = select(Message.id).where(Message.claim_id == claim_id, Message.state == MessageState.SENDING)
    ended = session.execute(
        update(Claim)
        .where(Claim.id == claim_id, Claim.finished_at.is_(None))
        .values(finished_at=case((is_under_way.exists(), None), else_=now))
        .returning(Claim.finished_at)
        .execution_options(synchronize_session=False)
    ).one_or_none()
    if ended is None:
        return 0
    if ended.finished_at is not None:
        after_commit(session, lambda: handover.forget(claim_id))
    return len(unclaim(session, actor, claim_id, now=now))


def unclaim(session: Session, actor: Actor, claim_id: UUID, *, now: datetime) -> list[Moved]:
    """Make due again what a claim holds and has not tried."""
    return move(
        session,
        actor,
        message_ids=None,
        when=[MessageState.CLAIMED],
        to=MessageState.SCHEDULED,
        now=now,
        where=[Message.claim_id == claim_id],
        claim_id=None,
    )


def release_held(session: Session, actor: Actor, *, now: datetime) -> int:
    """Give held messages whose time has come back to the schedule; returns how many."""
    return len(
        move(
            session,
            actor,
            message_ids=None,
            when=[MessageState.HELD],
            to=MessageState.SCHEDULED,
            now=now,
            where=[Message.held_until.is_not(None), Message.held_until <= now],
            due_at=now,
            held_until=None,
            reason="",
        )
    )
