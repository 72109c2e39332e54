"""Owns answering in private what was said in public: by which channel, and under which purpose."""

from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from crm.accounts.kinds import Permission
from crm.accounts.models import Workspace
from crm.accounts.rules import Actor
from crm.channels.base import ChannelKind
from crm.channels.sentences import N_
from crm.consent.kinds import Purpose
from crm.contacts import queries as contacts
from crm.errors import InvalidInputError
from crm.interactions.kinds import Visibility
from crm.outreach.models import Conversation, Message
from crm.outreach.queries.conversations import ConversationLine, conversation
from crm.outreach.services.compose import language_of
from crm.outreach.services.conversations import load
from crm.outreach.services.write import write

#: The subject of a mail that answers a public comment, in the language of whoever made it.
_SUBJECTS: Final = {"it": "A proposito del commento", "en": "About your comment"}


@dataclass(frozen=True, slots=True)
class PrivateWay:
    """By which channel, and whether as the answer to something they wrote there."""

    channel: ChannelKind
    purpose: Purpose


def private_way(session: Session, actor: Actor, *, line: ConversationLine) -> PrivateWay | None:
    """How a person can be answered in private: where they wrote to us last, else by mail; None when there is no way."""
    if line.contact_id is None:
        return None
    written = session.scalars(
        select(Conversation.channel)
        .where(
            Conversation.contact_id == line.contact_id,
            Conversation.visibility != Visibility.PUBLIC,
            Conversation.last_inbound_at.is_not(None),
            Conversation.merged_into_id.is_(None),
        )
        .order_by(Conversation.last_at.desc())
        .limit(1)
    ).one_or_none()
    if written is not None:
        return PrivateWay(ChannelKind(written), Purpose.REPLY)
    handles = contacts.handles_of(session, actor, contact_ids=[line.contact_id]).get(line.contact_id, [])
    reachable = {handle.channel for handle in handles}
    if ChannelKind.EMAIL in reachable:
        return PrivateWay(ChannelKind.EMAIL, Purpose.PERSONAL)
    return None


def reply_privately(
    session: Session, actor: Actor, *, conversation_id: UUID, body: str, send_at: datetime | None = None, now: datetime
) -> Message:
    """Write to whoever said something in public, in private. Raises `InvalidInputError` when there is no way."""
    actor.require(Permission.WRITE)
    line = conversation(session, actor, conversation_id=conversation_id)
    way = private_way(session, actor, line=line)
    if way is None or line.contact_id is None:
        raise InvalidInputError(N_("There is no private way to this person yet."), code="no_private_way")
    load(session, conversation_id, lock=True)
    person = contacts.contact(session, actor, contact_id=line.contact_id)
    house = session.get(Workspace, actor.workspace_id)
    return write(
        session,
        actor,
        contact_id=line.contact_id,
        channel=way.channel,
        subject=_SUBJECTS[language_of(person, house)] if way.channel is ChannelKind.EMAIL else "",
        body=body,
        purpose=way.purpose,
        send_at=send_at,
        now=now,
    )
