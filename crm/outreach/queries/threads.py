"""Reads the thread of a conversation: messages of both sides with the team's notes between, a page at a time."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import func, select, tuple_
from sqlalchemy.orm import Session

from crm.accounts.models import User
from crm.accounts.rules import Actor
from crm.channels.base import ChannelKind
from crm.contacts import queries as contacts
from crm.interactions import queries as interactions
from crm.interactions.kinds import Sentiment
from crm.outreach.content import write_out
from crm.outreach.kinds import DeliveryState, MessageDirection, MessageState
from crm.outreach.models import Message, MessageText
from crm.outreach.queries.conversations import conversation
from crm.outreach.queries.files import FileLine, files_of, with_letter
from crm.web.paging import Page, decode_cursor, encode_cursor

THREAD_PAGE: Final = 40


@dataclass(frozen=True, slots=True, kw_only=True)
class ThreadEntry:
    """One message of a conversation, theirs or ours, or with `is_note` a note of the team.

    `entry_id` is its entry on the timeline, which holds its sentiment, labels and the post it stands below.
    """

    id: UUID
    direction: MessageDirection
    state: MessageState
    reason: str
    subject: str
    body: str
    at: datetime
    delivery: DeliveryState
    author_name: str
    author_id: UUID | None = None
    is_note: bool = False
    entry_id: UUID | None = None
    sentiment: Sentiment | None = None
    is_answered: bool = False
    post_url: str = ""
    labels: list[tuple[str, str]] = field(default_factory=list)
    has_letter: bool = False
    files: list[FileLine] = field(default_factory=list)


def _readable(message: Message, body: str) -> str:
    """The words as the other side reads them: what we write by e-mail is kept as Markdown."""
    is_markdown = message.direction == MessageDirection.OUTBOUND and message.channel == ChannelKind.EMAIL
    return write_out(body)[0] if is_markdown else body


def thread(
    session: Session,
    actor: Actor,
    *,
    conversation_id: UUID,
    before: str | None = None,
    limit: int = THREAD_PAGE,
) -> Page[ThreadEntry]:
    """The newest `limit` messages in order, oldest first, planned ones and notes included; `next` leads further back.

    Raises `NotFoundError`.
    """
    conversation(session, actor, conversation_id=conversation_id)
    wanted = (
        select(Message, MessageText, User.name)
        .outerjoin(MessageText, MessageText.message_id == Message.id)
        .outerjoin(User, User.id == Message.created_by_id)
        # A merge of two people that was undone may leave the words of one in a thread of the other.
        .where(Message.conversation_id == conversation_id, contacts.about_visible(actor, Message.contact_id))
        .order_by(Message.created_at.desc(), Message.id.desc())
        .limit(limit + 1)
    )
    until: datetime | None = None
    if before:
        until, last_id = decode_cursor(before, datetime, UUID)
        wanted = wanted.where(tuple_(Message.created_at, Message.id) < (until, last_id))
    rows = session.execute(wanted).all()
    shown = rows[:limit]
    has_more = len(rows) > limit
    since = shown[-1][0].created_at if has_more else None
    notes = interactions.notes_in(session, actor, conversation_id=conversation_id, since=since, before=until)
    told = interactions.told_of(session, actor, source_ids=[row[0].id for row in shown])
    ids = [row[0].id for row in shown]
    letters, files = with_letter(session, message_ids=ids), files_of(session, message_ids=ids)
    entries = [
        (row[0].created_at, _entry(row, told.get(row[0].id), files[row[0].id], has_letter=row[0].id in letters))
        for row in reversed(shown)
    ]
    entries += [(note.at, _note(note)) for note in notes]
    # Stable: of a message and a note of one moment, the message first.
    entries.sort(key=lambda pair: pair[0])
    last = shown[-1][0] if has_more else None
    earlier = encode_cursor(last.created_at, last.id) if last is not None else None
    return Page([entry for _at, entry in entries], earlier)


def newest_message(session: Session, *, conversation_id: UUID) -> tuple[UUID, str, str] | None:
    """(id, direction, author's name) of the newest message of a conversation, for whoever has been typing since."""
    row = session.execute(
        select(Message.id, Message.direction, func.coalesce(User.name, ""))
        .outerjoin(User, User.id == Message.created_by_id)
        .where(Message.conversation_id == conversation_id)
        .order_by(Message.created_at.desc(), Message.id.desc())
        .limit(1)
    ).one_or_none()
    return (row[0], row[1], row[2]) if row else None


def _entry(row: Any, told: interactions.Told | None, files: list[FileLine], *, has_letter: bool) -> ThreadEntry:
    found, text, author = row
    return ThreadEntry(
        id=found.id,
        direction=MessageDirection(found.direction),
        state=MessageState(found.state),
        reason=found.reason,
        subject=text.subject if text else "",
        body=_readable(found, text.body) if text else "",
        at=found.sent_at or found.due_at or found.created_at,
        delivery=DeliveryState(found.delivery),
        author_name=author or "",
        author_id=found.created_by_id,
        entry_id=told.interaction_id if told else None,
        sentiment=told.sentiment if told else None,
        is_answered=told is not None and told.answered_at is not None,
        post_url=told.post_url if told else "",
        labels=told.labels if told else [],
        has_letter=has_letter,
        files=files,
    )


def _note(note: interactions.NoteLine) -> ThreadEntry:
    return ThreadEntry(
        id=note.id,
        direction=MessageDirection.OUTBOUND,
        state=MessageState.SENT,
        reason="",
        subject="",
        body=note.body,
        at=note.at,
        delivery=DeliveryState.NONE,
        author_name=note.author_name,
        is_note=True,
        entry_id=note.id,
    )
