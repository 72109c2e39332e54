"""Owns conversations: finding or opening the one a message belongs to, and who has to answer."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from crm.accounts.kinds import Permission
from crm.accounts.rules import Actor
from crm.channels.base import ChannelKind
from crm.channels.sentences import N_
from crm.db import among
from crm.errors import InvalidInputError, NotFoundError, worded
from crm.interactions.kinds import Visibility
from crm.outreach.inbox_models import ConversationSeen
from crm.outreach.kinds import ConversationState
from crm.outreach.models import Conversation


class ConversationNotFoundError(NotFoundError):
    """No such conversation in this workspace."""

    code = "conversation_not_found"


def load(session: Session, conversation_id: UUID, *, lock: bool = False) -> Conversation:
    """The conversation; raises `ConversationNotFoundError`. Locked, it is as the last one who held it left it."""
    wanted = select(Conversation).where(Conversation.id == conversation_id)
    if lock:
        wanted = wanted.with_for_update().execution_options(populate_existing=True)
    found = session.scalars(wanted).one_or_none()
    if found is None:
        raise ConversationNotFoundError(N_("There is no such conversation."))
    return found


def load_kept(session: Session, conversation_id: UUID) -> Conversation:
    """The conversation, locked; of one that has gone up in another, the one that has its messages now."""
    found = load(session, conversation_id, lock=True)
    while found.merged_into_id is not None:
        found = load(session, found.merged_into_id, lock=True)
    return found


def ensure(
    session: Session,
    *,
    channel: ChannelKind,
    account_id: UUID | None,
    contact_id: UUID | None,
    handle_id: UUID | None,
    subject: str,
    post_url: str = "",
    at: datetime | None = None,
    now: datetime,
) -> Conversation:
    """The newest conversation with this person (or stranger's handle) on this channel and account, else a new one.

    One with a `post_url` is public and takes place below that post, apart from what is said in private. `at` is when
    the first word of a new one was written, None for now.
    """
    if contact_id is None and handle_id is None:
        raise InvalidInputError(worded("A conversation needs somebody."))
    who = Conversation.contact_id == contact_id if contact_id else Conversation.handle_id == handle_id
    found = session.scalars(
        select(Conversation)
        .where(
            who,
            Conversation.channel == channel,
            Conversation.account_id == account_id,
            Conversation.post_url == post_url,
            Conversation.merged_into_id.is_(None),
        )
        .order_by(Conversation.last_at.desc(), Conversation.id.desc())
        .limit(1)
        .with_for_update()
    ).one_or_none()
    if found is None:
        found = Conversation(
            channel=channel.value,
            account_id=account_id,
            contact_id=contact_id,
            handle_id=handle_id,
            subject=subject,
            visibility=(Visibility.PUBLIC if post_url else Visibility.TEAM).value,
            post_url=post_url,
            last_at=at or now,
            created_at=now,
            state=ConversationState.WAITING.value,
        )
        session.add(found)
        session.flush()
    return found


def note_inbound(conversation: Conversation, *, at: datetime) -> None:
    """They wrote at `at`: it is open again, and since then our answer is due."""
    conversation.last_inbound_at = max(conversation.last_inbound_at or at, at)
    conversation.last_at = max(conversation.last_at, at)
    conversation.unanswered_since = conversation.unanswered_since or at
    conversation.state, conversation.snoozed_until = ConversationState.OPEN.value, None


def close(session: Session, actor: Actor, *, conversation_id: UUID) -> Conversation:
    """Nothing more to answer."""
    actor.require(Permission.WRITE)
    found = load(session, conversation_id, lock=True)
    found.state, found.unanswered_since, found.snoozed_until = ConversationState.CLOSED.value, None, None
    session.flush()
    return found


def reopen(session: Session, actor: Actor, *, conversation_id: UUID, now: datetime) -> Conversation:
    """It does need an answer."""
    actor.require(Permission.WRITE)
    found = load(session, conversation_id, lock=True)
    found.state, found.snoozed_until = ConversationState.OPEN.value, None
    found.unanswered_since = found.unanswered_since or now
    session.flush()
    return found


def snooze(session: Session, actor: Actor, *, conversation_id: UUID, until: datetime, now: datetime) -> Conversation:
    """Out of sight until a moment ahead; the person still waits, so promotions stay away."""
    actor.require(Permission.WRITE)
    if until <= now:
        sentence = N_("Choose a time that is still to come.")
        raise InvalidInputError(sentence, fields={"until": sentence})
    found = load(session, conversation_id, lock=True)
    found.state, found.snoozed_until = ConversationState.SNOOZED.value, until
    session.flush()
    return found


def assign(session: Session, actor: Actor, *, conversation_id: UUID, assignee_id: UUID | None) -> Conversation:
    """Whose turn it is to answer."""
    actor.require(Permission.WRITE)
    found = load(session, conversation_id, lock=True)
    found.assignee_id = assignee_id
    session.flush()
    return found


def wake_snoozed(session: Session, actor: Actor, *, now: datetime, limit: int = 500) -> int:  # noqa: ARG001 - as every service.
    """Bring back what was put off until now; how many came back. They stand as unread again for their assignee."""
    due = session.scalars(
        select(Conversation)
        .where(Conversation.state == ConversationState.SNOOZED, Conversation.snoozed_until <= now)
        .order_by(Conversation.snoozed_until)
        .limit(limit)
        .with_for_update(skip_locked=True)
    ).all()
    for found in due:
        # `snoozed_until` stays: the page says that it came back, and when it was put off to.
        found.state, found.last_at = ConversationState.OPEN.value, now
    if due:
        ids = [row.id for row in due]
        session.execute(delete(ConversationSeen).where(among(ConversationSeen.conversation_id, ids)))
    session.flush()
    return len(due)
