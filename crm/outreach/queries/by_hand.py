"""Reads what waits to be sent by hand: the queue of one person or of all, and one card of it."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

from sqlalchemy import ColumnElement, Select, and_, func, or_, select, true
from sqlalchemy.orm import Session, aliased

from crm.accounts.models import User
from crm.accounts.rules import Actor
from crm.channels.base import ChannelKind
from crm.contacts.models import Company, Contact, Handle
from crm.contacts.queries import alive
from crm.outreach.kinds import MessageState
from crm.outreach.models import Batch, Conversation, FrozenContent, Message, MessageText
from crm.outreach.queries.messages import MessageLine, line_of, visible_to

#: A queue longer than this is shown by its beginning.
MOST: Final = 200
#: Answers to what one wrote by hand come within these days.
RECENT: Final = timedelta(days=30)


@dataclass(frozen=True, slots=True, kw_only=True)
class ByHand:
    """One message that waits to be sent by hand, with what its card says.

    `opener_name` has it in hand since `opened_at`, while it is being sent; `words` are the words as they are edited.
    """

    line: MessageLine
    text: str
    words: str
    company: str
    batch_name: str
    author_name: str
    opened_by_id: UUID | None
    opener_name: str
    opened_at: datetime | None
    answers_since: datetime | None

    @property
    def is_opened(self) -> bool:
        """Whether the text is in somebody's hands."""
        return self.line.state is MessageState.SENDING


def _waiting(now: datetime) -> ColumnElement[bool]:
    due = and_(Message.state == MessageState.SCHEDULED, Message.due_at <= now)
    return and_(Message.is_assisted, or_(due, Message.state == MessageState.SENDING))


def _mine(actor: Actor, *, is_mine: bool) -> ColumnElement[bool]:
    """What the actor wrote or whose person they look after, and what belongs to nobody."""
    if not is_mine:
        return true()
    nobody = and_(Message.created_by_id.is_(None), Contact.owner_id.is_(None))
    return or_(
        nobody,
        Message.created_by_id == actor.user_id,
        Contact.owner_id == actor.user_id,
        Message.opened_by_id == actor.user_id,
    )


def _cards() -> Select[*tuple[Any, ...]]:
    opener, author = aliased(User), aliased(User)
    frozen = and_(FrozenContent.message_id == Message.id, FrozenContent.hash == Message.approved_hash)
    return (
        select(
            Message,
            Contact.display_name,
            Handle.address,
            Handle.display_name,
            MessageText,
            FrozenContent.text,
            Company.name,
            Batch.name,
            author.name,
            opener.name,
            Conversation.unanswered_since,
        )
        .outerjoin(Contact, Contact.id == Message.contact_id)
        .outerjoin(Handle, Handle.id == Message.handle_id)
        .outerjoin(MessageText, MessageText.message_id == Message.id)
        .outerjoin(FrozenContent, frozen)
        .outerjoin(Company, Company.id == Contact.company_id)
        .outerjoin(Batch, Batch.id == Message.batch_id)
        .outerjoin(Conversation, Conversation.id == Message.conversation_id)
        .outerjoin(author, author.id == Message.created_by_id)
        .outerjoin(opener, opener.id == Message.opened_by_id)
        # Messages move by plain UPDATEs, which leave what a session holds as it was.
        .execution_options(populate_existing=True)
    )


def _card(row: Any) -> ByHand:
    message, text = row[0], row[4]
    return ByHand(
        line=line_of(row[:5]),
        text=row[5] or (text.body if text else ""),
        words=text.body if text else "",
        company=row[6] or "",
        batch_name=row[7] or "",
        author_name=row[8] or "",
        opened_by_id=message.opened_by_id,
        opener_name=row[9] or "",
        opened_at=message.opened_at,
        answers_since=row[10],
    )


def by_hand(session: Session, actor: Actor, *, is_mine: bool = True, now: datetime) -> list[ByHand]:
    """What is due to be sent by hand, the longest due first, at most `MOST`."""
    wanted = (
        _cards()
        .where(_waiting(now), visible_to(actor), _mine(actor, is_mine=is_mine))
        .order_by(Message.due_at, Message.id)
        .limit(MOST)
    )
    return [_card(row) for row in session.execute(wanted)]


def by_hand_card(session: Session, actor: Actor, *, message_id: UUID) -> ByHand | None:
    """One assisted message that waits, due or not; None when it is settled, not there or not for the actor."""
    waits = Message.state.in_([MessageState.SCHEDULED.value, MessageState.SENDING.value])
    wanted = _cards().where(Message.id == message_id, Message.is_assisted, waits, visible_to(actor))
    row = session.execute(wanted).one_or_none()
    return None if row is None else _card(row)


@dataclass(frozen=True, slots=True, kw_only=True)
class WrittenTo:
    """Somebody whom the reader wrote to by hand lately, and on which channel last."""

    contact_id: UUID
    name: str
    channel: ChannelKind
    at: datetime | None


def recent_by_hand(session: Session, actor: Actor, *, limit: int, now: datetime) -> list[WrittenTo]:
    """The people whom the actor wrote to by hand in the last days, the latest first: theirs are the likely answers."""
    rows = session.execute(
        select(Contact.id, Contact.display_name, Message.channel, Message.opened_at)
        .join(Contact, Contact.id == Message.contact_id)
        .where(Message.opened_by_id == actor.user_id, Message.opened_at > now - RECENT, alive(actor))
        .order_by(Message.opened_at.desc(), Message.id.desc())
        .limit(limit * 5)
    ).all()
    latest: dict[UUID, WrittenTo] = {}
    for contact_id, name, channel, at in rows:
        latest.setdefault(contact_id, WrittenTo(contact_id=contact_id, name=name, channel=ChannelKind(channel), at=at))
    return list(latest.values())[:limit]


def dealt_with(session: Session, actor: Actor, *, since: datetime) -> int:
    """How many messages the actor opened since a moment that wait for no hand any more."""
    wanted = select(func.count()).where(
        Message.opened_by_id == actor.user_id,
        Message.opened_at >= since,
        Message.state.not_in([MessageState.SCHEDULED.value, MessageState.SENDING.value]),
    )
    return session.scalars(wanted).one()
