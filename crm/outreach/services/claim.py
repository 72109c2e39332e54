"""Takes a batch of due messages for one sender run, and frees those of a run that died.

A claim is one row with a lease and a fencing number. The gate is asked when an attempt is written, not here: one
question, at the last moment, under the recipients' row locks (see docs/decisions).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import Row, case, func, literal_column, or_, select, update
from sqlalchemy.orm import Session

from crm.accounts.rules import Actor
from crm.channels.base import OutcomeKind
from crm.contacts.models import Contact
from crm.db import new_id
from crm.outreach.domain_pace import is_any_slow
from crm.outreach.kinds import AccountState, MessageState
from crm.outreach.models import Attempt, AttemptOutcome, Claim, FrozenContent, Message, SenderAccount
from crm.outreach.pace import UNLIMITED, room
from crm.outreach.queries.gate import among
from crm.outreach.services.transitions import Moved, move
from crm.settings import current

#: Messages taken at once. The LIMIT must be a literal: with a parameter the plan may change to a sequential scan.
BATCH = 64
#: Only above this many due messages may attempts be written ahead of the free connections.
BACKLOG = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class Sendable:
    """A claimed message with its frozen words, ready for an attempt."""

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
    actor: Actor,  # noqa: ARG001 - every service takes its actor; the workspace is the session's.
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
    attended = _attend(session, account_id, now=now)
    if attended is None:
        return None
    most = room(session, account_id=account_id, now=now)
    if most <= 0:
        return None
    due = (Message.account_id == account_id, Message.state == literal_column("'scheduled'"), Message.due_at <= now)
    ids = session.scalars(
        select(Message.id)
        .where(*due)
        .order_by(Message.due_at, Message.id)
        .limit(literal_column(str(min(BATCH, most))))
        .with_for_update(skip_locked=True)
    ).all()
    if not ids:
        return None
    held = _hold_claim(session, claim_id, account_id, worker=worker, lease=lease)
    if held is None:
        return None
    session.execute(
        update(Message)
        .where(among(Message.id, ids))
        .values(state=MessageState.CLAIMED.value, claim_id=held[0], updated_at=now)
        .execution_options(synchronize_session=False)
    )
    behind = select(literal_column("1")).where(*due).order_by(Message.due_at, Message.id)
    return Claimed(
        claim_id=held[0],
        fencing=held[1],
        account_id=account_id,
        items=tuple(sendable(session, list(ids))),
        attended_since=attended.attended_since,
        is_capped=most < UNLIMITED,
        is_domain_paced=attended.per_domain is not None or attended.has_slow_domains,
        domain_cap=attended.per_domain,
        last_ok_at=attended.last_ok_at,
        is_backlog=session.scalar(behind.offset(literal_column(str(BACKLOG))).limit(literal_column("1"))) is not None,
    )


def _hold_claim(
    session: Session, claim_id: UUID | None, account_id: UUID, *, worker: str, lease: timedelta
) -> tuple[UUID, int] | None:
    """(id, fencing number) of a new claim, or of the run's own, renewed; None when that was taken away."""
    if claim_id is None:
        row = Claim(id=new_id(), account_id=account_id, worker=worker, leased_until=func.now() + lease)
        session.add(row)
        session.flush()
        return row.id, row.fencing
    fencing = session.execute(
        update(Claim)
        .where(Claim.id == claim_id, Claim.finished_at.is_(None))
        .values(leased_until=func.now() + lease)
        .returning(Claim.fencing)
        .execution_options(synchronize_session=False)
    ).scalar()
    return None if fencing is None else (claim_id, fencing)


def _attend(
    session: Session, account_id: UUID, *, now: datetime
) -> Row[datetime | None, int | None, datetime | None, bool] | None:
    """Note that somebody looks after the account; since when without a gap, and what it says of recipient domains.

    None when it may not send. A hold whose time is over ends here.
    """
    gap = timedelta(seconds=current().late_after_seconds)
    is_new = or_(SenderAccount.attended_at.is_(None), SenderAccount.attended_at < now - gap)
    return session.execute(
        update(SenderAccount)
        .where(
            SenderAccount.id == account_id,
            SenderAccount.deleted_at.is_(None),
            or_(
                SenderAccount.state == AccountState.ACTIVE,
                (SenderAccount.state == AccountState.HELD) & (SenderAccount.hold_until <= now),
            ),
        )
        .values(
            state=AccountState.ACTIVE.value,
            hold_until=None,
            hold_reason="",
            attended_at=now,
            attended_since=case((is_new, now), else_=func.coalesce(SenderAccount.attended_since, now)),
        )
        .returning(
            SenderAccount.attended_since,
            SenderAccount.per_domain,
            SenderAccount.last_ok_at,
            is_any_slow(account_id=account_id, now=now).label("has_slow_domains"),
        )
        .execution_options(synchronize_session=False)
    ).one_or_none()


def sendable(session: Session, message_ids: list[UUID]) -> list[Sendable]:
    """The frozen words of messages, in the given order; a message without approved words is left out."""
    if not message_ids:
        return []
    rows = session.execute(
        select(
            Message.id,
            Message.created_by_id,
            Message.contact_id,
            Contact.company_id,
            Message.conversation_id,
            Message.handle_id,
            Message.channel,
            Message.purpose,
            Message.reference,
            FrozenContent.hash,
            FrozenContent.from_address,
            FrozenContent.from_name,
            FrozenContent.to_address,
            FrozenContent.to_name,
            FrozenContent.subject,
            FrozenContent.text,
            FrozenContent.html,
            FrozenContent.headers,
            func.num_nonnulls(Message.batch_id, Message.voucher_id, Message.stop_if_replied_since).label("parts"),
        )
        .outerjoin(Contact, Contact.id == Message.contact_id)
        .join(FrozenContent, (FrozenContent.message_id == Message.id) & (FrozenContent.hash == Message.approved_hash))
        .where(among(Message.id, message_ids))
    ).all()
    found = {
        row.id: Sendable(
            message_id=row.id,
            author_id=row.created_by_id,
            contact_id=row.contact_id,
            company_id=row.company_id,
            conversation_id=row.conversation_id,
            handle_id=row.handle_id,
            channel=row.channel,
            purpose=row.purpose,
            reference=row.reference or "",
            content_hash=row.hash,
            from_address=row.from_address,
            from_name=row.from_name,
            to_address=row.to_address,
            to_name=row.to_name,
            subject=row.subject,
            text=row.text,
            html=row.html,
            headers=row.headers,
            has_parts=row.parts > 0,
        )
        for row in rows
    }
    return [found[message_id] for message_id in message_ids if message_id in found]


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
    """End a claim; what was claimed and not tried is due again. Returns how many that were."""
    ended = session.execute(
        update(Claim)
        .where(Claim.id == claim_id, Claim.finished_at.is_(None))
        .values(finished_at=now)
        .returning(Claim.id)
        .execution_options(synchronize_session=False)
    ).scalar()
    return len(_unclaim(session, actor, claim_id, now=now)) if ended is not None else 0


def _unclaim(session: Session, actor: Actor, claim_id: UUID, *, now: datetime) -> list[Moved]:
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


@dataclass(frozen=True, slots=True)
class Recovered:
    """What a dead run left behind: how many go again, how many a person must decide about."""

    scheduled: int
    uncertain: int


def recover(session: Session, actor: Actor, *, claim_id: UUID, now: datetime) -> Recovered | None:
    """Settle a claim whose lease has lapsed; None when it has not, or somebody else does it.

    Claimed messages are due again: nothing left. Those in `sending` may have left: they are uncertain until the mailbox
    is asked, or a person decides with the evidence.
    """
    lapsed = session.scalars(
        select(Claim)
        .where(Claim.id == claim_id, Claim.finished_at.is_(None), Claim.leased_until < func.now())
        .with_for_update(skip_locked=True)
    ).one_or_none()
    if lapsed is None:
        return None
    lapsed.finished_at = now
    session.flush()
    again = _unclaim(session, actor, claim_id, now=now)
    doubtful = move(
        session,
        actor,
        message_ids=None,
        when=[MessageState.SENDING],
        to=MessageState.UNCERTAIN,
        now=now,
        where=[Message.claim_id == claim_id],
        claim_id=None,
        reason="worker_stopped",
    )
    _note_unknown(session, claim_id, doubtful, now=now)
    return Recovered(len(again), len(doubtful))


def _note_unknown(session: Session, claim_id: UUID, doubtful: list[Moved], *, now: datetime) -> None:
    if not doubtful:
        return
    attempts = session.scalars(
        select(Attempt.id).where(
            Attempt.claim_id == claim_id, among(Attempt.message_id, [row.message_id for row in doubtful])
        )
    ).all()
    session.add_all(
        AttemptOutcome(
            id=new_id(),
            attempt_id=attempt_id,
            kind=OutcomeKind.UNKNOWN,
            code="worker_stopped",
            stage="sending",
            at=now,
        )
        for attempt_id in attempts
    )
    session.flush()


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
