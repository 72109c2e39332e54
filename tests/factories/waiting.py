"""Builders of what waits on Today."""

from factories.contacts import interaction

from crm.channels.base import ChannelKind
from crm.interactions.kinds import Direction, Sentiment
from crm.outreach.kinds import MessageState
from crm.outreach.models import Conversation, Message, MessageText


def conversation(session, contact_id, *, words="Is the offer still good?", since, **fields):
    """A person who wrote and has no answer yet."""
    row = Conversation(
        channel=ChannelKind.EMAIL, contact_id=contact_id, subject="Offer", last_at=since, last_inbound_at=since,
        unanswered_since=since, **fields,
    )  # fmt: skip
    session.add(row)
    session.flush()
    received = Message(
        direction="inbound", channel=ChannelKind.EMAIL, purpose="reply", state=MessageState.RECEIVED,
        contact_id=contact_id, conversation_id=row.id, created_at=since,
    )  # fmt: skip
    session.add(received)
    session.flush()
    session.add(MessageText(message_id=received.id, subject="Offer", body=words))
    session.flush()
    return row


def complaint(session, actor, person, *, now, **fields):
    return interaction(
        session, actor, person.id, "comment", direction=Direction.INBOUND, channel=ChannelKind.INSTAGRAM,
        body="Never again.", sentiment=Sentiment.NEGATIVE, happened_at=now, now=now, **fields,
    )  # fmt: skip
