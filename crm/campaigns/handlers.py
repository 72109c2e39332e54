"""Reacts to what happens elsewhere: an answer ends what still waits for that person, a won deal may count for it."""

from datetime import timedelta
from typing import Final
from uuid import UUID

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from crm.accounts.rules import system_actor
from crm.campaigns.models import Recipient
from crm.campaigns.services import guess_origin
from crm.events import DealWon, ReplyReceived
from crm.outreach import services as outreach
from crm.outreach.kinds import MessageState
from crm.outreach.models import Message
from crm.outreach.rules import Reason
from crm.outreach.services.transitions import PENDING

#: An answer that names no message counts for the newest one that was sent this recently.
ANSWERS_WITHIN: Final = timedelta(days=30)


def end_after_reply(session: Session, event: ReplyReceived) -> None:
    """Skip the person's waiting drafts of all campaigns, and note the answer with the campaign that it answers."""
    waiting = session.scalars(
        select(Recipient.message_id)
        .join(Message, Message.id == Recipient.message_id)
        .where(
            Recipient.contact_id == event.contact_id,
            Message.state.in_([state.value for state in PENDING]),
        )
    ).all()
    ids = [message_id for message_id in waiting if message_id is not None]
    if ids:
        outreach.skip(
            session, system_actor(event.workspace_id), message_ids=ids, reason=Reason.REPLIED.value, now=event.now
        )
    recipient_id = _answered(session, event)
    if recipient_id is not None:
        session.execute(
            update(Recipient)
            .where(Recipient.id == recipient_id, Recipient.replied_at.is_(None))
            .values(replied_at=event.now)
            .execution_options(synchronize_session=False)
        )


def _answered(session: Session, event: ReplyReceived) -> UUID | None:
    """The recipient whose message was answered: the one the answer names, else the newest sent one."""
    named = session.scalar(
        select(Recipient.id)
        .join(Message, Message.in_reply_to_id == Recipient.message_id)
        .where(Message.id == event.message_id)
    )
    if named is not None:
        return named
    return session.scalar(
        select(Recipient.id)
        .join(Message, Message.id == Recipient.message_id)
        .where(
            Recipient.contact_id == event.contact_id,
            Message.state == MessageState.SENT,
            Message.sent_at > event.now - ANSWERS_WITHIN,
        )
        .order_by(Message.sent_at.desc())
        .limit(1)
    )


def credit_won_deal(session: Session, event: DealWon) -> None:
    """Note which campaign a won deal may have come from, where nobody said; it counts once somebody confirms it."""
    guess_origin(session, deal_id=event.deal_id, contact_id=event.contact_id, now=event.now)
