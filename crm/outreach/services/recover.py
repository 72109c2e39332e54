"""Settles what a dead sender left behind, by what it had noted of each attempt in the memory of the machine."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from crm.accounts.rules import Actor
from crm.channels.base import OutcomeKind
from crm.db import after_commit, new_id
from crm.outreach import handover
from crm.outreach.kinds import DeliveryState, MessageState
from crm.outreach.models import Attempt, AttemptOutcome, Claim, Message
from crm.outreach.queries.gate import among
from crm.outreach.services import statements
from crm.outreach.services.claim import sendable, unclaim
from crm.outreach.services.outcomes import log_sent
from crm.outreach.services.transitions import Moved, give_back_budget, move
from crm.roundtrip import Step, array, together


@dataclass(frozen=True, slots=True)
class Recovered:
    """What a dead run left behind: how many go again, how many a person must decide about."""

    scheduled: int
    uncertain: int


def recover(session: Session, actor: Actor, *, claim_id: UUID, now: datetime) -> Recovered | None:
    """Settle a claim whose lease has lapsed; None when it has not, or somebody else does it.

    What was only claimed is due again: nothing left. Of what had an attempt the notes of the claim tell: what never
    left is due again, what the channel took is sent. The rest may have left: it is uncertain until the mailbox is
    asked, or a person decides with the evidence.
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
    under_way = _under_way(session, claim_id)
    # Without notes nobody can say of any that it stayed.
    known = handover.seal(claim_id) or handover.Known(doubtful=frozenset(under_way), taken=frozenset())
    after_commit(session, lambda: handover.forget(claim_id))
    taken = [under_way[attempt_id] for attempt_id in under_way.keys() & known.taken]
    stayed = [under_way[attempt_id] for attempt_id in under_way.keys() - known.taken - known.doubtful]
    _lock_people(session, taken)
    again = unclaim(session, actor, claim_id, now=now)
    _taken(session, actor, claim_id, taken, now=now)
    kept = _stayed(session, actor, claim_id, stayed, now=now)
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
    _note(session, claim_id, doubtful, OutcomeKind.UNKNOWN, code="worker_stopped", now=now)
    return Recovered(len(again) + len(kept), len(doubtful))


def _under_way(session: Session, claim_id: UUID) -> dict[UUID, UUID]:
    """{attempt: its message} of a claim, as far as nobody has said how it ended."""
    rows = session.execute(
        select(Attempt.id, Attempt.message_id)
        .join(Message, Message.id == Attempt.message_id)
        .outerjoin(AttemptOutcome, AttemptOutcome.attempt_id == Attempt.id)
        .where(Attempt.claim_id == claim_id, Message.claim_id == claim_id, AttemptOutcome.id.is_(None))
        .where(Message.state == MessageState.SENDING)
    )
    return {row.id: row.message_id for row in rows}


def _lock_people(session: Session, message_ids: Sequence[UUID]) -> None:
    """Hold the recipients, whose timelines are written; before any message, as everybody does who needs both."""
    if not message_ids:
        return
    people = session.scalars(select(Message.contact_id).where(among(Message.id, message_ids))).all()
    ids = array({contact_id for contact_id in people if contact_id is not None})
    together(session, Step(statements.LOCK_PEOPLE, {"ids": ids}))


def _taken(session: Session, actor: Actor, claim_id: UUID, message_ids: Sequence[UUID], *, now: datetime) -> None:
    """Sent: the channel had said so before the sender ended."""
    moved = move(
        session,
        actor,
        message_ids=message_ids,
        when=[MessageState.SENDING],
        to=MessageState.SENT,
        now=now,
        where=[Message.claim_id == claim_id],
        claim_id=None,
        reason="",
        sent_at=now,
    )
    if not moved:
        return
    _note(session, claim_id, moved, OutcomeKind.ACCEPTED, code="accepted", now=now)
    log_sent(session, actor, sendable(session, [row.message_id for row in moved]), now=now)


def _stayed(
    session: Session, actor: Actor, claim_id: UUID, message_ids: Sequence[UUID], *, now: datetime
) -> list[Moved]:
    """Back on the schedule: their attempt was written, and none of their people got anything."""
    kept = move(
        session,
        actor,
        message_ids=message_ids,
        when=[MessageState.SENDING],
        to=MessageState.SCHEDULED,
        now=now,
        # What a receipt or an answer has told of is there, whatever the channel said: it must not be due again.
        where=[Message.claim_id == claim_id, Message.delivery == DeliveryState.NONE],
        claim_id=None,
        reason="",
    )
    give_back_budget(session, message_ids=[row.message_id for row in kept])
    _note(session, claim_id, kept, OutcomeKind.RETRY_LATER, code="not_handed_over", now=now)
    return kept


def _note(
    session: Session, claim_id: UUID, settled: list[Moved], kind: OutcomeKind, *, code: str, now: datetime
) -> None:
    """Say of the attempts of a dead run what came of them."""
    if not settled:
        return
    attempts = session.scalars(
        select(Attempt.id)
        .outerjoin(AttemptOutcome, AttemptOutcome.attempt_id == Attempt.id)
        .where(Attempt.claim_id == claim_id, AttemptOutcome.id.is_(None))
        .where(among(Attempt.message_id, [row.message_id for row in settled]))
    ).all()
    session.add_all(
        AttemptOutcome(
            id=new_id(),
            attempt_id=attempt_id,
            kind=kind,
            code=code,
            stage="sending",
            at=now,
        )
        for attempt_id in attempts
    )
    session.flush()
