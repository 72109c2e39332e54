"""Owns what outreach does when something happens elsewhere: messages that lost their ground are stopped at once."""

from sqlalchemy import or_, update
from sqlalchemy.orm import Session

from crm.accounts.rules import system_actor
from crm.consent.kinds import ConsentPurpose, Purpose
from crm.events import (
    ContactDeleted,
    HandleLinked,
    OfferWithdrawn,
    OptedOut,
    ProcessingLimited,
    ProcessingResumed,
    ReplyReceived,
    VoucherRedeemed,
)
from crm.outreach.kinds import MessageState
from crm.outreach.models import Conversation, Message
from crm.outreach.queries.gate import among
from crm.outreach.rules import Reason
from crm.outreach.services.mailbox_landing import answered_since
from crm.outreach.services.pauses import go_on
from crm.outreach.services.transitions import PENDING, move


def skip_after_opt_out(session: Session, event: OptedOut) -> None:
    """The person said no: what still waits for them is skipped; the gate stays as safety for what is under way."""
    if event.contact_id is None:
        return
    purposes = [Purpose.PROMOTIONAL.value]
    if event.purpose == ConsentPurpose.PERSONAL:
        purposes.append(Purpose.PERSONAL.value)
    where = [Message.contact_id == event.contact_id, Message.purpose.in_(purposes)]
    if event.channel:
        where.append(Message.channel == event.channel)
    move(
        session,
        system_actor(event.workspace_id),
        message_ids=None,
        when=PENDING,
        to=MessageState.SKIPPED,
        now=event.now,
        where=where,
        reason=Reason.CONSENT_WITHDRAWN.value,
        held_until=None,
    )


def cancel_after_delete(session: Session, event: ContactDeleted) -> None:
    """People were taken off every list: what still waits for them is cancelled and stays so after a restore."""
    move(
        session,
        system_actor(event.workspace_id),
        message_ids=None,
        when=PENDING,
        to=MessageState.CANCELLED,
        now=event.now,
        where=[among(Message.contact_id, event.contact_ids)],
        reason=Reason.DELETED.value,
        held_until=None,
    )


def hold_limited(session: Session, event: ProcessingLimited) -> None:
    """The person's data may only be kept: what is on the schedule waits until the limit is lifted."""
    by_itself = or_(Message.state == MessageState.SCHEDULED, Message.held_until.is_not(None))
    move(
        session,
        system_actor(event.workspace_id),
        message_ids=None,
        when=[MessageState.SCHEDULED, MessageState.HELD],
        to=MessageState.HELD,
        now=event.now,
        where=[Message.contact_id == event.contact_id, by_itself],
        reason=Reason.LIMITED.value,
        held_until=None,
    )


def go_on_after_limit(session: Session, event: ProcessingResumed) -> None:
    """The limit is gone: what it held goes back to the schedule, and a person decides about what is too late."""
    mine = [Message.contact_id == event.contact_id]
    go_on(session, system_actor(event.workspace_id), reason=Reason.LIMITED, where=mine, now=event.now)


def cancel_withdrawn_offer(session: Session, event: OfferWithdrawn) -> None:
    """The offer is gone: messages that carry its codes are cancelled."""
    if event.voucher_ids:
        move(
            session,
            system_actor(event.workspace_id),
            message_ids=None,
            when=PENDING,
            to=MessageState.CANCELLED,
            now=event.now,
            where=[among(Message.voucher_id, event.voucher_ids)],
            reason="offer_withdrawn",
            held_until=None,
        )


def skip_redeemed(session: Session, event: VoucherRedeemed) -> None:
    """The code was used: a further message with it has nothing to offer."""
    move(
        session,
        system_actor(event.workspace_id),
        message_ids=None,
        when=PENDING,
        to=MessageState.SKIPPED,
        now=event.now,
        where=[Message.voucher_id == event.voucher_id],
        reason=Reason.REDEEMED.value,
        held_until=None,
    )


def settle_answered(session: Session, event: ReplyReceived) -> None:
    """A colleague answered from another mail program before we read the question: nobody waits any more."""
    answered_since(session, conversation_id=event.conversation_id, contact_id=event.contact_id)


def adopt_exchange(session: Session, event: HandleLinked) -> None:
    """A stranger turned out to be somebody: their messages and conversations become that person's."""
    if event.contact_id is None:
        return
    for table in (Conversation, Message):
        session.execute(
            update(table)
            .where(table.handle_id == event.handle_id, table.contact_id.is_(None))
            .values(contact_id=event.contact_id)
            .execution_options(synchronize_session=False)
        )
