"""Reads conversations: the inbox by key, one of them, and its thread."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Select, select, tuple_
from sqlalchemy.orm import Session

from crm.accounts.models import User
from crm.accounts.rules import Actor
from crm.channels.base import ChannelKind
from crm.channels.sentences import N_
from crm.contacts import queries as contacts
from crm.contacts.models import Contact, Handle
from crm.errors import NotFoundError
from crm.outreach.content import write_out
from crm.outreach.kinds import ConversationState, DeliveryState, MessageDirection, MessageState
from crm.outreach.models import Conversation, Message, MessageText
from crm.web.paging import Page, decode_cursor, page_of


@dataclass(frozen=True, slots=True, kw_only=True)
class ConversationLine:
    """One conversation as the inbox shows it; `contact_id` None is somebody not yet known."""

    id: UUID
    channel: ChannelKind
    account_id: UUID | None
    contact_id: UUID | None
    handle_id: UUID | None
    name: str
    address: str
    subject: str
    state: ConversationState
    assignee_id: UUID | None
    assignee_name: str
    unanswered_since: datetime | None
    last_at: datetime
    snoozed_until: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ThreadEntry:
    """One message of a conversation, theirs or ours."""

    id: UUID
    direction: MessageDirection
    state: MessageState
    reason: str
    subject: str
    body: str
    at: datetime
    delivery: DeliveryState
    author_name: str


def _lines(actor: Actor) -> Select[*tuple[Any, ...]]:
    return (
        select(Conversation, Contact.display_name, Handle.address, Handle.display_name, User.name)
        .outerjoin(Contact, Contact.id == Conversation.contact_id)
        .outerjoin(Handle, Handle.id == Conversation.handle_id)
        .outerjoin(User, User.id == Conversation.assignee_id)
        .where(contacts.about_visible(actor, Conversation.contact_id))
    )


def _line(row: Any) -> ConversationLine:
    found, contact_name, address, handle_name, assignee_name = row
    return ConversationLine(
        id=found.id,
        channel=ChannelKind(found.channel),
        account_id=found.account_id,
        contact_id=found.contact_id,
        handle_id=found.handle_id,
        name=contact_name or handle_name or address or "",
        address=address or "",
        subject=found.subject,
        state=ConversationState(found.state),
        assignee_id=found.assignee_id,
        assignee_name=assignee_name or "",
        unanswered_since=found.unanswered_since,
        last_at=found.last_at,
        snoozed_until=found.snoozed_until,
    )


def conversations(
    session: Session,
    actor: Actor,
    *,
    state: ConversationState | None = None,
    contact_id: UUID | None = None,
    only_unanswered: bool = False,
    after: str | None = None,
    limit: int = 50,
) -> Page[ConversationLine]:
    """A page of the inbox, the newest exchange first."""
    wanted = _lines(actor)
    if state is not None:
        wanted = wanted.where(Conversation.state == state)
    if contact_id is not None:
        wanted = wanted.where(Conversation.contact_id == contact_id)
    if only_unanswered:
        wanted = wanted.where(Conversation.unanswered_since.is_not(None))
    if after:
        at, last_id = decode_cursor(after, datetime, UUID)
        wanted = wanted.where(tuple_(Conversation.last_at, Conversation.id) < (at, last_id))
    wanted = wanted.order_by(Conversation.last_at.desc(), Conversation.id.desc()).limit(limit + 1)
    rows = [_line(row) for row in session.execute(wanted)]
    return page_of(rows, limit=limit, key=lambda line: (line.last_at, line.id))


def conversation(session: Session, actor: Actor, *, conversation_id: UUID) -> ConversationLine:
    """One conversation; raises `NotFoundError`."""
    row = session.execute(_lines(actor).where(Conversation.id == conversation_id)).one_or_none()
    if row is None:
        raise NotFoundError(N_("There is no such conversation."), code="conversation_not_found")
    return _line(row)


def _readable(message: Message, body: str) -> str:
    """The words as the other side reads them: what we write by e-mail is kept as Markdown."""
    is_markdown = message.direction == MessageDirection.OUTBOUND and message.channel == ChannelKind.EMAIL
    return write_out(body)[0] if is_markdown else body


def thread(session: Session, actor: Actor, *, conversation_id: UUID) -> list[ThreadEntry]:
    """The messages of a conversation in order, theirs and ours, planned ones included."""
    conversation(session, actor, conversation_id=conversation_id)
    rows = session.execute(
        select(Message, MessageText, User.name)
        .outerjoin(MessageText, MessageText.message_id == Message.id)
        .outerjoin(User, User.id == Message.created_by_id)
        .where(Message.conversation_id == conversation_id)
        .order_by(Message.created_at, Message.id)
    )
    return [
        ThreadEntry(
            id=found.id,
            direction=MessageDirection(found.direction),
            state=MessageState(found.state),
            reason=found.reason,
            subject=text.subject if text else "",
            body=_readable(found, text.body) if text else "",
            at=found.sent_at or found.due_at or found.created_at,
            delivery=DeliveryState(found.delivery),
            author_name=author or "",
        )
        for found, text, author in rows
    ]
