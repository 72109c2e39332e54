"""Owns what a colleague does in the inbox beside answering: reading, unread again, drafts, notes, several at once."""

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Final
from uuid import UUID

from sqlalchemy import delete, func, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from crm.accounts.kinds import Permission
from crm.accounts.rules import Actor
from crm.channels.sentences import N_
from crm.contacts import queries as contacts
from crm.contacts import services as contact_services
from crm.db import among, new_id
from crm.errors import InvalidInputError
from crm.interactions import services as interactions
from crm.interactions.kinds import InteractionKind
from crm.interactions.models import Interaction
from crm.interactions.queries import CONVERSATION
from crm.outreach.content import MAX_TEMPLATE
from crm.outreach.inbox_models import ConversationDraft, ConversationSeen
from crm.outreach.kinds import ConversationState, ReplyMode
from crm.outreach.models import Conversation
from crm.outreach.services.conversations import load, load_kept

#: Conversations that one press of a button may change.
MOST_AT_ONCE: Final = 200


def mark_seen(session: Session, actor: Actor, *, conversation_id: UUID, now: datetime) -> None:
    """The actor has read the conversation until now."""
    if actor.user_id is None:
        return
    row = insert(ConversationSeen).values(
        id=new_id(),
        workspace_id=actor.workspace_id,
        conversation_id=conversation_id,
        user_id=actor.user_id,
        seen_at=now,
    )
    session.execute(
        row.on_conflict_do_update(
            index_elements=["workspace_id", "conversation_id", "user_id"],
            set_={"seen_at": func.greatest(ConversationSeen.seen_at, row.excluded.seen_at)},
        )
    )


def mark_unread(session: Session, actor: Actor, *, conversation_id: UUID) -> None:
    """As if the actor had never looked."""
    session.execute(
        delete(ConversationSeen).where(
            ConversationSeen.conversation_id == conversation_id, ConversationSeen.user_id == actor.user_id
        )
    )


def keep_draft(
    session: Session, actor: Actor, *, conversation_id: UUID, mode: ReplyMode, body: str, now: datetime
) -> None:
    """Keep what the actor has begun to write; nothing written is no draft. Raises `InvalidInputError` when too long."""
    actor.require(Permission.WRITE)
    if len(body) > MAX_TEMPLATE:
        raise InvalidInputError(N_("The text is too long."), fields={"body": N_("The text is too long.")})
    if not body.strip() or actor.user_id is None:
        drop_draft(session, actor, conversation_id=conversation_id)
        return
    row = insert(ConversationDraft).values(
        id=new_id(),
        workspace_id=actor.workspace_id,
        conversation_id=conversation_id,
        user_id=actor.user_id,
        mode=mode.value,
        body=body,
        updated_at=now,
    )
    session.execute(
        row.on_conflict_do_update(
            index_elements=["workspace_id", "conversation_id", "user_id"],
            set_={"mode": row.excluded.mode, "body": row.excluded.body, "updated_at": row.excluded.updated_at},
        )
    )


def drop_draft(session: Session, actor: Actor, *, conversation_id: UUID) -> None:
    """What was begun is sent or given up."""
    session.execute(
        delete(ConversationDraft).where(
            ConversationDraft.conversation_id == conversation_id, ConversationDraft.user_id == actor.user_id
        )
    )


def draft_of(session: Session, actor: Actor, *, conversation_id: UUID) -> ConversationDraft | None:
    """What the actor has begun to write here."""
    return session.scalars(
        select(ConversationDraft).where(
            ConversationDraft.conversation_id == conversation_id, ConversationDraft.user_id == actor.user_id
        )
    ).one_or_none()


def add_note(session: Session, actor: Actor, *, conversation_id: UUID, body: str, now: datetime) -> Interaction:
    """Leave a note between the messages, for the team alone; colleagues called by "@name" hear their bell."""
    actor.require(Permission.WRITE)
    if not body.strip():
        raise InvalidInputError(N_("Write a text."), fields={"body": N_("Write a text.")})
    if len(body) > interactions.MAX_TEXT:
        raise InvalidInputError(N_("The text is too long."), fields={"body": N_("The text is too long.")})
    found = load_kept(session, conversation_id)
    row = interactions.log(
        session,
        actor,
        kind=InteractionKind.NOTE,
        contact_id=found.contact_id,
        handle_id=None if found.contact_id else found.handle_id,
        body=body.strip(),
        source_kind=CONVERSATION,
        source_id=found.id,
        happened_at=now,
        now=now,
    )
    interactions.tell_mentioned(session, actor, row=row, body=body, now=now)
    return row


def close_several(session: Session, actor: Actor, *, conversation_ids: Collection[UUID]) -> int:
    """Close those of the given conversations that the actor may see; how many."""
    rows = _several(session, actor, conversation_ids)
    for found in rows:
        found.state, found.unanswered_since, found.snoozed_until = ConversationState.CLOSED.value, None, None
    session.flush()
    return len(rows)


def assign_several(
    session: Session, actor: Actor, *, conversation_ids: Collection[UUID], assignee_id: UUID | None
) -> int:
    """Hand those of the given conversations that the actor may see to one colleague; how many."""
    rows = _several(session, actor, conversation_ids)
    for found in rows:
        found.assignee_id = assignee_id
    session.flush()
    return len(rows)


def _several(session: Session, actor: Actor, conversation_ids: Collection[UUID]) -> Sequence[Conversation]:
    actor.require(Permission.WRITE)
    if len(conversation_ids) > MOST_AT_ONCE:
        raise InvalidInputError(N_("That is too many at once."), code="too_many")
    return session.scalars(
        select(Conversation)
        .where(among(Conversation.id, list(conversation_ids)), contacts.about_visible(actor, Conversation.contact_id))
        .order_by(Conversation.id)
        .with_for_update()
    ).all()


def link_stranger(
    session: Session, actor: Actor, *, conversation_id: UUID, contact_id: UUID, now: datetime
) -> Conversation:
    """The stranger is this person: the address, the whole thread and its notes become theirs."""
    found = load(session, conversation_id, lock=True)
    if found.contact_id is not None or found.handle_id is None:
        raise InvalidInputError(N_("This conversation is somebody’s already."), code="not_a_stranger")
    contact_services.link_handle(session, actor, handle_id=found.handle_id, contact_id=contact_id, now=now)
    session.refresh(found)
    return found


def ignore_stranger(session: Session, actor: Actor, *, conversation_id: UUID, now: datetime) -> Conversation:
    """Nobody we know or want to: the address leaves the list of strangers, its conversations are closed."""
    actor.require(Permission.WRITE)
    found = load(session, conversation_id, lock=True)
    if found.contact_id is not None or found.handle_id is None:
        raise InvalidInputError(N_("This conversation is somebody’s already."), code="not_a_stranger")
    contact_services.dismiss_stranger(session, actor, handle_id=found.handle_id, now=now)
    session.execute(
        update(Conversation)
        .where(Conversation.handle_id == found.handle_id, Conversation.contact_id.is_(None))
        .values(state=ConversationState.CLOSED.value, unanswered_since=None, snoozed_until=None)
        .execution_options(synchronize_session=False)
    )
    session.refresh(found)
    return found
