"""Owns what only people can know: whether an uncertain message arrived, and whether they sent one by hand."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from crm.accounts.kinds import Permission
from crm.accounts.rules import Actor
from crm.channels.assisted import AssistedStep, prepare
from crm.channels.base import ChannelKind, OutcomeKind
from crm.channels.sentences import N_
from crm.contacts.models import Company, Contact, Handle
from crm.db import new_id
from crm.errors import ConflictError, InvalidInputError
from crm.loyalty import services as loyalty
from crm.outreach.kinds import MessageState
from crm.outreach.models import Attempt, AttemptOutcome, BudgetUse, FrozenContent, Message
from crm.outreach.queries.gate import Subject, house_policy, subjects
from crm.outreach.rules import PURPOSES, Binding, Verdict, judge
from crm.outreach.services.claim import sendable
from crm.outreach.services.drafts import load
from crm.outreach.services.outcomes import log_sent
from crm.outreach.services.transitions import give_back_budget, move
from crm.outreach.services.write import BlockedError

_S = MessageState


class Decision(StrEnum):
    """What a person says about a message that may or may not have left."""

    ARRIVED = "arrived"
    SEND_AGAIN = "send_again"


class AssistedAnswer(StrEnum):
    """What a person says after sending by hand."""

    DONE = "done"
    NOT_DONE = "not_done"
    UNSURE = "unsure"


class NotWaitingError(ConflictError):
    """Somebody else has settled this already."""

    code = "other_state"

    def __init__(self) -> None:
        super().__init__(N_("Somebody else has decided this already."))


@dataclass(frozen=True, slots=True)
class AssistedTask:
    """Everything to send one message by hand, and the gate's warnings."""

    message_id: UUID
    step: AssistedStep
    verdict: Verdict


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


def open_assisted(session: Session, actor: Actor, *, message_id: UUID, now: datetime) -> AssistedTask:
    """The ready text and its deep link. The gate is asked for real; from here on the code in the text works.

    Opening it again gives the same. Raises `BlockedError` with the gate's verdict.
    """
    actor.require(Permission.WRITE)
    message = load(session, actor, message_id, lock=True)
    if not message.is_assisted or message.state not in {_S.SCHEDULED, _S.SENDING}:
        raise InvalidInputError(N_("There is nothing to send by hand here."), code="other_state")
    _lock_recipient(session, message)
    house = house_policy(session, actor)
    subject = subjects(session, actor, message_ids=[message_id], house=house, at=now)[message_id]
    verdict = judge(subject.facts, purpose=subject.purpose, at=now, policy=house.gate)
    if message.state == _S.SCHEDULED:
        if not verdict.allowed:
            raise BlockedError(verdict)
        move(
            session,
            actor,
            message_ids=[message_id],
            when=[_S.SCHEDULED],
            to=_S.SENDING,
            now=now,
            tries=Message.tries + 1,
        )
        _take_budget(session, actor, subject, now=now)
        if subject.voucher_id is not None:
            loyalty.activate_vouchers(session, voucher_ids=[subject.voucher_id], now=now)
    return AssistedTask(message_id, _step(session, message), verdict)


def _lock_recipient(session: Session, message: Message) -> None:
    """Take the rows that senders take, in their order, so that nobody else uses the same budget meanwhile."""
    if message.contact_id is None:
        return
    person = select(Contact.company_id).where(Contact.id == message.contact_id)
    company_id = session.scalar(person.with_for_update(key_share=True))
    if company_id is not None:
        session.execute(select(Company.id).where(Company.id == company_id).with_for_update(key_share=True))


def _take_budget(session: Session, actor: Actor, subject: Subject, *, now: datetime) -> None:
    """Count a try for its person, as the sender does; a repeated one counts once, at its latest moment."""
    if subject.contact_id is None or PURPOSES[subject.purpose].budget is Binding.NONE:
        return
    row = {
        "id": new_id(),
        "workspace_id": actor.workspace_id,
        "message_id": subject.message_id,
        "contact_id": subject.contact_id,
        "company_id": subject.company_id,
        "purpose": subject.purpose.value,
        "at": now,
    }
    session.execute(
        insert(BudgetUse)
        .values(row)
        .on_conflict_do_update(index_elements=["workspace_id", "message_id"], set_={"at": now})
    )


def _step(session: Session, message: Message) -> AssistedStep:
    frozen = session.scalars(
        select(FrozenContent).where(FrozenContent.message_id == message.id, FrozenContent.hash == message.approved_hash)
    ).one()
    handle = session.get(Handle, message.handle_id) if message.handle_id else None
    return prepare(
        ChannelKind(message.channel),
        address_norm=handle.address_norm if handle else frozen.to_address,
        text=frozen.text,
        platform_id=handle.platform_id if handle else None,
    )


def settle_assisted(
    session: Session, actor: Actor, *, message_id: UUID, answer: AssistedAnswer, now: datetime
) -> Message:
    """Done, not done (it waits again), or unsure (it joins the uncertain ones)."""
    actor.require(Permission.WRITE)
    load(session, actor, message_id, lock=True)
    if answer is AssistedAnswer.DONE:
        settled = mark_sent(session, actor, message_id, when=_S.SENDING, now=now)
    elif answer is AssistedAnswer.UNSURE:
        settled = bool(
            move(
                session,
                actor,
                message_ids=[message_id],
                when=[_S.SENDING],
                to=_S.UNCERTAIN,
                now=now,
                reason="unsure",
            )
        )
    else:
        settled = bool(
            move(
                session,
                actor,
                message_ids=[message_id],
                when=[_S.SENDING],
                to=_S.SCHEDULED,
                now=now,
                reason="not_done",
                due_at=now,
            )
        )
        give_back_budget(session, message_ids=[message_id])
    if not settled:
        raise NotWaitingError
    return session.get_one(Message, message_id, populate_existing=True)
