"""Owns messages that a person sends: whose hands they are in, what became of them, and why one did not go."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final
from uuid import UUID

from sqlalchemy import select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from crm.accounts.kinds import Permission
from crm.accounts.rules import Actor
from crm.channels.assisted import AssistedStep, prepare
from crm.channels.base import ChannelKind
from crm.channels.sentences import N_
from crm.contacts import services as contacts
from crm.contacts.kinds import HandleState
from crm.contacts.models import Company, Contact, Handle
from crm.db import new_id
from crm.errors import ConflictError, InvalidInputError
from crm.loyalty import services as loyalty
from crm.outreach.kinds import MessageState, NotSent
from crm.outreach.models import BudgetUse, FrozenContent, Message
from crm.outreach.queries.gate import Subject, house_policy, subjects
from crm.outreach.rules import PURPOSES, Binding, Verdict, judge
from crm.outreach.services.drafts import edit_draft, load, text_of
from crm.outreach.services.optout import said_no
from crm.outreach.services.review import approve, schedule
from crm.outreach.services.settle import NotWaitingError, mark_sent
from crm.outreach.services.transitions import give_back_budget, move, refuse
from crm.outreach.services.write import BlockedError

_S = MessageState
#: For so long an opened text is its opener's alone; later somebody may take it over, told whom to ask first.
IN_HAND: Final = timedelta(minutes=15)
#: How long "later" is.
A_WHILE: Final = timedelta(hours=2)
_READY: Final = (_S.SCHEDULED, _S.SENDING)


class AssistedAnswer(StrEnum):
    """What a person says after sending by hand."""

    DONE = "done"
    NOT_DONE = "not_done"
    UNSURE = "unsure"


class InOtherHandsError(ConflictError):
    """A colleague has the text open: two would send it twice."""

    code = "in_other_hands"

    def __init__(self) -> None:
        super().__init__(N_("A colleague is writing this one."))


@dataclass(frozen=True, slots=True)
class AssistedTask:
    """Everything to send one message by hand, and what the gate says about it now."""

    message_id: UUID
    step: AssistedStep
    verdict: Verdict


def is_in_other_hands(message: Message, actor: Actor, *, now: datetime) -> bool:
    """Whether somebody else opened it so lately that they are writing it."""
    if message.state != _S.SENDING or message.opened_by_id is None or message.opened_by_id == actor.user_id:
        return False
    return message.opened_at is not None and message.opened_at > now - IN_HAND


def open_assisted(session: Session, actor: Actor, *, message_id: UUID, now: datetime) -> AssistedTask:
    """The ready text and its deep link. The gate is asked for real; from here on the code in the text works.

    The text is in the actor's hands from now on. Opening it again gives the same. Raises `BlockedError` with the gate's
    verdict and `InOtherHandsError`.
    """
    actor.require(Permission.WRITE)
    message = _ready(session, actor, message_id, now=now)
    _lock_recipient(session, message)
    subject, verdict = _judged(session, actor, message_id, now=now)
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
            opened_by_id=actor.user_id,
            opened_at=now,
        )
        _take_budget(session, actor, subject, now=now)
        if subject.voucher_id is not None:
            loyalty.activate_vouchers(session, voucher_ids=[subject.voucher_id], now=now)
    else:
        session.execute(
            update(Message)
            .where(Message.id == message_id)
            .values(opened_by_id=actor.user_id, opened_at=now)
            .execution_options(synchronize_session=False)
        )
    return AssistedTask(message_id, step_of(session, message), verdict)


def settle_assisted(
    session: Session, actor: Actor, *, message_id: UUID, answer: AssistedAnswer, now: datetime
) -> Message:
    """Done, not done (it waits again), or unsure (it joins the uncertain ones). Raises `NotWaitingError`.

    What a sender has in hand is not a person's to settle: put back, it would leave twice.
    """
    actor.require(Permission.WRITE)
    if not load(session, actor, message_id, lock=True).is_assisted:
        raise NotWaitingError
    if answer is AssistedAnswer.DONE:
        settled = mark_sent(session, actor, message_id, when=_S.SENDING, now=now)
    elif answer is AssistedAnswer.UNSURE:
        moved = move(
            session, actor, message_ids=[message_id], when=[_S.SENDING], to=_S.UNCERTAIN, now=now, reason="unsure"
        )
        settled = bool(moved)
    else:
        settled = _put_back(session, actor, message_id, at=now, reason="not_done", now=now)
    if not settled:
        raise NotWaitingError
    return session.get_one(Message, message_id, populate_existing=True)


def not_sent(session: Session, actor: Actor, *, message_id: UUID, why: NotSent, now: datetime) -> Message:
    """It surely did not leave: it comes back later, or never, as `why` says.

    A wrong address is not tried again, and "no more" is the person's no to everything but answers on this channel.
    Raises `NotWaitingError` and `InOtherHandsError`.
    """
    actor.require(Permission.WRITE)
    message = load(session, actor, message_id, lock=True)
    if message.state not in _READY or not message.is_assisted:
        raise NotWaitingError
    if is_in_other_hands(message, actor, now=now):
        raise InOtherHandsError
    match why:
        case NotSent.LATER:
            _put_back(session, actor, message_id, at=now + A_WHILE, reason="not_done", now=now)
        case NotSent.TOMORROW:
            _put_back(session, actor, message_id, at=now + timedelta(days=1), reason="not_done", now=now)
        case NotSent.NOT_REACHED:
            _put_back(session, actor, message_id, at=now + timedelta(days=1), reason="not_reached", now=now)
        case NotSent.WRONG_ADDRESS:
            _drop(session, actor, message_id, reason="wrong_address", now=now)
            if message.handle_id is not None:
                contacts.set_handle_state(
                    session,
                    actor,
                    handle_id=message.handle_id,
                    state=HandleState.GONE,
                    reason="wrong_address",
                    now=now,
                )
        case NotSent.SKIP:
            _drop(session, actor, message_id, reason="by_hand", now=now)
        case NotSent.NO_MORE:
            _drop(session, actor, message_id, reason="said_no", now=now)
            said_no(
                session,
                actor,
                channel=ChannelKind(message.channel),
                contact_id=message.contact_id,
                handle_id=message.handle_id,
                source="by_hand",
                now=now,
            )
    return session.get_one(Message, message_id, populate_existing=True)


def set_aside(session: Session, actor: Actor, *, message_id: UUID, now: datetime) -> Verdict:
    """Give a message that may not go now what the gate says: skipped, held, or due again later.

    Where the gate has nothing against it any more, it stays where it is.
    """
    actor.require(Permission.WRITE)
    message = _ready(session, actor, message_id, now=now)
    _subject, verdict = _judged(session, actor, message_id, now=now)
    if not verdict.allowed:
        refuse(session, actor, refused={message_id: verdict}, when=MessageState(message.state), now=now)
        give_back_budget(session, message_ids=[message_id])
    return verdict


def reword(
    session: Session,
    actor: Actor,
    *,
    message_id: UUID,
    body: str,
    expected_version: int | None = None,
    now: datetime,
) -> Message:
    """Change the words of a message that waits for the hand, and approve the new ones where the actor may.

    Else it is in review and a colleague decides. Raises `InvalidInputError` by field, `InOtherHandsError`, and
    `ConflictError` when somebody changed it meanwhile.
    """
    actor.require(Permission.WRITE)
    message = _ready(session, actor, message_id, now=now)
    if expected_version is not None and message.version != expected_version:
        raise ConflictError(N_("Somebody else has changed this meanwhile."), code="changed")
    words = text_of(session, message_id)
    if body.strip() == words.body:
        return message
    due_at = message.due_at or now
    move(session, actor, message_ids=[message_id], when=_READY, to=_S.HELD, now=now, reason="")
    give_back_budget(session, message_ids=[message_id])
    edit_draft(session, actor, message_id=message_id, subject=words.subject, body=body, now=now)
    if actor.may(Permission.APPROVE):
        approved = approve(session, actor, message_ids=[message_id], now=now)
        schedule(session, actor, times=dict.fromkeys(approved.done, max(due_at, now)), now=now)
    return session.get_one(Message, message_id, populate_existing=True)


def step_of(session: Session, message: Message) -> AssistedStep:
    """The approved words of a message with the link that opens the chat."""
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


def _ready(session: Session, actor: Actor, message_id: UUID, *, now: datetime) -> Message:
    """The message with its row locked, where it waits for the hand and nobody else is writing it."""
    message = load(session, actor, message_id, lock=True)
    if not message.is_assisted or message.state not in _READY:
        raise InvalidInputError(N_("There is nothing to send by hand here."), code="other_state")
    if is_in_other_hands(message, actor, now=now):
        raise InOtherHandsError
    return message


def _judged(session: Session, actor: Actor, message_id: UUID, *, now: datetime) -> tuple[Subject, Verdict]:
    house = house_policy(session, actor)
    subject = subjects(session, actor, message_ids=[message_id], house=house, at=now)[message_id]
    return subject, judge(subject.facts, purpose=subject.purpose, at=now, policy=house.gate)


def _put_back(session: Session, actor: Actor, message_id: UUID, *, at: datetime, reason: str, now: datetime) -> bool:
    """It waits again until `at`; False when it was settled already."""
    moved = move(
        session,
        actor,
        message_ids=[message_id],
        when=_READY if at > now else [_S.SENDING],
        to=_S.SCHEDULED,
        now=now,
        reason=reason,
        due_at=at,
        # A person chose the time: that it is later than agreed holds nobody up.
        late_accepted=True,
    )
    give_back_budget(session, message_ids=[message_id])
    return bool(moved)


def _drop(session: Session, actor: Actor, message_id: UUID, *, reason: str, now: datetime) -> None:
    values = {"opened_by_id": actor.user_id, "opened_at": now}
    move(session, actor, message_ids=[message_id], when=_READY, to=_S.SKIPPED, now=now, reason=reason, **values)
    give_back_budget(session, message_ids=[message_id])


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
