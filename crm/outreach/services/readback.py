"""Settles uncertain messages by what is known of them: a copy in the mailbox, or a receipt that came early.

Absence settles nothing: many servers file only what a mail program puts there. It is kept as evidence for the person
who decides.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from crm.accounts.rules import Actor
from crm.channels.base import Outcome, OutcomeKind
from crm.channels.imap import FOUND
from crm.db import among, new_id
from crm.outreach.kinds import DeliveryState, MessageState
from crm.outreach.models import Attempt, AttemptOutcome, Message
from crm.outreach.queries.messages import READ_BACK
from crm.outreach.services.settle import mark_sent

#: How long after the last news of a message the mailbox is asked again; afterwards it is left to a person.
PAUSES: Final = (
    timedelta(minutes=1),
    timedelta(minutes=5),
    timedelta(minutes=15),
    timedelta(hours=1),
    timedelta(hours=4),
    timedelta(hours=12),
    timedelta(days=1),
    timedelta(days=2),
)
#: The code of a receipt, bounce or answer that came before the end of the attempt was known.
EARLY_RECEIPT: Final = "early_receipt"
_MOST: Final = 200


@dataclass(frozen=True, slots=True)
class Doubt:
    """An uncertain message to look for, by the reference that never changes."""

    message_id: UUID
    attempt_id: UUID
    reference: str


def doubts(session: Session, actor: Actor, *, account_id: UUID, now: datetime) -> list[Doubt]:
    """The uncertain messages of an account whose next look is due, the longest waiting first."""
    last = (
        select(Attempt.id)
        .where(Attempt.message_id == Message.id)
        .order_by(Attempt.number.desc())
        .limit(1)
        .correlate(Message)
        .scalar_subquery()
    )
    rows = session.execute(
        select(
            Message.id,
            Message.reference,
            last.label("attempt_id"),
            func.max(AttemptOutcome.at).label("at"),
            func.count().filter(AttemptOutcome.stage == READ_BACK).label("looks"),
        )
        .join(AttemptOutcome, AttemptOutcome.attempt_id == last)
        .where(
            Message.workspace_id == actor.workspace_id,
            Message.account_id == account_id,
            Message.state == MessageState.UNCERTAIN,
            Message.is_assisted.is_(False),
            Message.reference.is_not(None),
        )
        .group_by(Message.id)
        .order_by(func.max(AttemptOutcome.at), Message.id)
    ).all()
    due = [row for row in rows if row.looks < len(PAUSES) and row.at + PAUSES[row.looks] <= now]
    return [Doubt(row.id, row.attempt_id, row.reference) for row in due[:_MOST]]


def settle_by_receipts(session: Session, actor: Actor, *, account_id: UUID, now: datetime) -> int:
    """Settle what a receipt, a bounce or an answer has told of already; returns how many messages that were.

    Such news can come while the attempt still runs, and its end may then be unknown, or look like a refusal.
    """
    rows = session.execute(
        select(Message.id, Message.state).where(
            Message.workspace_id == actor.workspace_id,
            Message.account_id == account_id,
            Message.state.in_([MessageState.UNCERTAIN, MessageState.SCHEDULED]),
            Message.tries > 0,
            Message.delivery != DeliveryState.NONE,
        )
    ).all()
    settled = [
        message_id
        for message_id, state in rows
        if mark_sent(session, actor, message_id, when=MessageState(state), now=now)
    ]
    _note(session, _last_attempts(session, settled), Outcome(kind=OutcomeKind.ACCEPTED, code=EARLY_RECEIPT), now=now)
    return len(settled)


def note_look(session: Session, actor: Actor, *, looked_for: Sequence[Doubt], outcome: Outcome, now: datetime) -> int:
    """Keep what a look has shown of messages that are still uncertain; returns how many it settled.

    A copy in the folder of sent mail says what a person would say: it arrived.
    """
    if outcome.kind is OutcomeKind.ACCEPTED:
        settled = [
            doubt
            for doubt in looked_for
            if mark_sent(session, actor, doubt.message_id, when=MessageState.UNCERTAIN, now=now)
        ]
        _note(session, [doubt.attempt_id for doubt in settled], outcome, now=now)
        return len(settled)
    still = set(
        session.scalars(
            select(Message.id)
            .where(Message.id.in_([doubt.message_id for doubt in looked_for]), Message.state == MessageState.UNCERTAIN)
            .with_for_update()
        )
    )
    # Whatever kept us from looking, nothing more is known of the message than before.
    unknown = Outcome(kind=OutcomeKind.UNKNOWN, code=outcome.code)
    _note(session, [doubt.attempt_id for doubt in looked_for if doubt.message_id in still], unknown, now=now)
    return 0


def settle_by_copies(session: Session, actor: Actor, *, references: Collection[str], now: datetime) -> int:
    """Settle uncertain messages whose copies lie among the sent mail that was just read; how many that were."""
    doubtful = session.execute(
        select(Message.id, Message.reference).where(
            among(Message.reference, references), Message.state == MessageState.UNCERTAIN
        )
    ).all()
    if not doubtful:
        return 0
    attempts = session.execute(
        select(Attempt.message_id, Attempt.id)
        .where(among(Attempt.message_id, [row.id for row in doubtful]))
        .order_by(Attempt.number)
    )
    last = {row.message_id: row.id for row in attempts}
    found = [Doubt(row.id, last[row.id], row.reference) for row in doubtful if row.id in last]
    outcome = Outcome(kind=OutcomeKind.ACCEPTED, code=FOUND)
    return note_look(session, actor, looked_for=found, outcome=outcome, now=now)


def _last_attempts(session: Session, message_ids: Sequence[UUID]) -> list[UUID]:
    rows = session.execute(
        select(Attempt.message_id, Attempt.id).where(Attempt.message_id.in_(message_ids)).order_by(Attempt.number)
    )
    return list({row.message_id: row.id for row in rows}.values())


def _note(session: Session, attempt_ids: Sequence[UUID], outcome: Outcome, *, now: datetime) -> None:
    session.add_all(
        AttemptOutcome(
            id=new_id(), attempt_id=attempt_id, kind=outcome.kind.value, code=outcome.code, stage=READ_BACK, at=now
        )
        for attempt_id in attempt_ids
    )
    session.flush()
