"""Owns what only people can know about a message the machine handed over: whether an uncertain one arrived."""

from datetime import datetime
from enum import StrEnum
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from crm.accounts.kinds import Permission
from crm.accounts.rules import Actor
from crm.channels.base import OutcomeKind
from crm.channels.sentences import N_
from crm.db import new_id
from crm.errors import ConflictError
from crm.outreach.kinds import MessageState
from crm.outreach.models import Attempt, AttemptOutcome, Message
from crm.outreach.services.claim import sendable
from crm.outreach.services.drafts import load
from crm.outreach.services.outcomes import log_sent
from crm.outreach.services.transitions import give_back_budget, move

_S = MessageState


class Decision(StrEnum):
    """What a person says about a message that may or may not have left."""

    ARRIVED = "arrived"
    SEND_AGAIN = "send_again"


class NotWaitingError(ConflictError):
    """Somebody else has settled this already."""

    code = "other_state"

    def __init__(self) -> None:
        super().__init__(N_("Somebody else has decided this already."))


def resolve_uncertain(
    session: Session, actor: Actor, *, message_id: UUID, decision: Decision, now: datetime
) -> Message:
    """Settle an uncertain message: it arrived, or it shall go again. Raises `NotWaitingError` when it is settled."""
    actor.require(Permission.WRITE)
    load(session, actor, message_id, lock=True)
    _note_decision(session, actor, message_id, decision, now=now)
    if decision is Decision.ARRIVED:
        settled = mark_sent(session, actor, message_id, when=_S.UNCERTAIN, now=now)
    else:
        settled = bool(
            move(
                session,
                actor,
                message_ids=[message_id],
                when=[_S.UNCERTAIN],
                to=_S.SCHEDULED,
                now=now,
                due_at=now,
                reason="",
                late_accepted=True,
            )
        )
        give_back_budget(session, message_ids=[message_id])
    if not settled:
        raise NotWaitingError
    return session.get_one(Message, message_id, populate_existing=True)


def _note_decision(session: Session, actor: Actor, message_id: UUID, decision: Decision, *, now: datetime) -> None:
    attempt_id = session.scalars(
        select(Attempt.id).where(Attempt.message_id == message_id).order_by(Attempt.number.desc()).limit(1)
    ).one_or_none()
    if attempt_id is None:
        return
    kind = OutcomeKind.ACCEPTED if decision is Decision.ARRIVED else OutcomeKind.RETRY_LATER
    session.add(
        AttemptOutcome(
            id=new_id(),
            attempt_id=attempt_id,
            kind=kind,
            code=decision.value,
            stage="decided",
            decided_by_id=actor.user_id,
            at=now,
        )
    )
    session.flush()


def mark_sent(session: Session, actor: Actor, message_id: UUID, *, when: MessageState, now: datetime) -> bool:
    """Sent after all: final state, timeline, conversation. False when it was not in the state `when`."""
    moved = move(
        session,
        actor,
        message_ids=[message_id],
        when=[when],
        to=_S.SENT,
        now=now,
        reason="",
        sent_at=now,
        claim_id=None,
    )
    if not moved:
        return False
    items = sendable(session, [message_id])
    log_sent(session, actor, items, now=now)
    return True
