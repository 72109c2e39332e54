"""Owns the numbers beside Today and Inbox."""

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from crm.accounts.rules import Actor
from crm.outreach.kinds import MessageState
from crm.outreach.models import Conversation, Message


def counts(session: Session, actor: Actor) -> dict[str, int]:
    """{navigation key: how many wait for somebody}: conversations unanswered, and drafts and decisions of today."""
    del actor
    waiting = select(func.count()).select_from(Conversation).where(Conversation.unanswered_since.is_not(None))
    decisions = (
        select(func.count())
        .select_from(Message)
        .where(Message.state.in_([MessageState.IN_REVIEW.value, MessageState.UNCERTAIN.value]))
    )
    inbox, review = session.execute(select(waiting.scalar_subquery(), decisions.scalar_subquery())).one()
    return {"inbox": inbox, "today": inbox + review}
