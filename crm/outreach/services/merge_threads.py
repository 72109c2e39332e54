"""Owns putting two threads of one person together, and taking them apart again."""

from datetime import datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from crm.accounts.kinds import Permission
from crm.accounts.rules import Actor
from crm.channels.sentences import N_
from crm.db import among
from crm.errors import ConflictError, InvalidInputError, NotFoundError
from crm.interactions.models import Interaction
from crm.interactions.queries import CONVERSATION
from crm.outreach.inbox_models import ConversationMerge
from crm.outreach.kinds import ConversationState
from crm.outreach.models import Conversation, Message
from crm.outreach.queries.networks import WINDOWS
from crm.outreach.services.conversations import load

#: What a merge changes of a conversation, and an undo brings back.
_KEPT: Final = (
    "state", "snoozed_until", "last_inbound_at", "last_outbound_at", "last_at", "unanswered_since", "assignee_id",
)  # fmt: skip
_INSTANTS: Final = frozenset({"snoozed_until", "last_inbound_at", "last_outbound_at", "last_at", "unanswered_since"})


def merge_threads(session: Session, actor: Actor, *, kept_id: UUID, gone_id: UUID, now: datetime) -> ConversationMerge:
    """Bring the messages and notes of one thread over to another of the same person.

    Both stay on their channels for what was said; what is answered from now on goes by the kept one's. Raises
    `InvalidInputError` for threads of different people, and for a thread with itself.
    """
    actor.require(Permission.WRITE)
    # In one order, so that two colleagues who merge the same two can't wait for each other.
    both = {key: load(session, key, lock=True) for key in sorted({kept_id, gone_id})}
    kept, gone = both[kept_id], both[gone_id]
    same_person = kept.contact_id is not None and kept.contact_id == gone.contact_id
    same_handle = kept.contact_id is None and gone.contact_id is None and kept.handle_id == gone.handle_id is not None
    if kept_id == gone_id or not (same_person or same_handle):
        sentence = N_("Only two threads of the same person can be put together.")
        raise InvalidInputError(sentence, fields={"other_id": sentence}, code="other_person")
    if kept.merged_into_id is not None or gone.merged_into_id is not None:
        raise ConflictError(N_("One of the two has gone up in another thread already."), code="merged_already")
    before = {"kept": _plain(kept), "gone": _plain(gone)}
    messages = session.scalars(
        update(Message)
        .where(Message.conversation_id == gone_id)
        .values(conversation_id=kept_id)
        .returning(Message.id)
        .execution_options(synchronize_session=False)
    ).all()
    notes = session.scalars(
        update(Interaction)
        .where(Interaction.source_id == gone_id, Interaction.source_kind == CONVERSATION)
        .values(source_id=kept_id)
        .returning(Interaction.id)
        .execution_options(synchronize_session=False)
    ).all()
    _join(kept, gone)
    gone.state, gone.unanswered_since, gone.snoozed_until = ConversationState.CLOSED.value, None, None
    gone.merged_into_id = kept_id
    moved = {**before, "messages": [str(key) for key in messages], "notes": [str(key) for key in notes]}
    row = ConversationMerge(kept_id=kept_id, gone_id=gone_id, moved=moved, merged_by_id=actor.user_id, created_at=now)
    session.add(row)
    session.flush()
    return row


def unmerge_threads(session: Session, actor: Actor, *, kept_id: UUID, gone_id: UUID, now: datetime) -> Conversation:
    """Take two threads apart again: what came over goes back, what was said since stays where it was said."""
    actor.require(Permission.WRITE)
    both = {key: load(session, key, lock=True) for key in sorted({kept_id, gone_id})}
    row = session.scalars(
        select(ConversationMerge)
        .where(
            ConversationMerge.kept_id == kept_id,
            ConversationMerge.gone_id == gone_id,
            ConversationMerge.undone_at.is_(None),
        )
        .order_by(ConversationMerge.created_at.desc())
        .limit(1)
        .with_for_update()
    ).one_or_none()
    if row is None:
        raise NotFoundError(N_("These two threads were not put together."), code="not_merged")
    kept, gone = both[kept_id], both[gone_id]
    for model, name, column in (
        (Message, "messages", Message.conversation_id),
        (Interaction, "notes", Interaction.source_id),
    ):
        ids = [UUID(key) for key in row.moved[name]]
        session.execute(
            update(model)
            .where(among(model.id, ids), column == kept_id)
            .values({column.key: gone_id})
            .execution_options(synchronize_session=False)
        )
    if _plain(kept)["last_at"] == max(row.moved["kept"]["last_at"], row.moved["gone"]["last_at"]):
        # Nothing was said since: the kept one is as it was. Else it stays as its last word left it.
        _restore(kept, row.moved["kept"])
    _restore(gone, row.moved["gone"])
    gone.merged_into_id, row.undone_at = None, now
    session.flush()
    return gone


def _join(kept: Conversation, gone: Conversation) -> None:
    is_one_line = (kept.channel, kept.account_id) == (gone.channel, gone.account_id)
    for name in ("last_inbound_at", "last_outbound_at"):
        if name == "last_inbound_at" and kept.channel in WINDOWS and not is_one_line:
            # What they wrote elsewhere opens no window of this network.
            continue
        setattr(kept, name, max(filter(None, (getattr(kept, name), getattr(gone, name))), default=None))
    kept.last_at = max(kept.last_at, gone.last_at)
    waiting = [since for since in (kept.unanswered_since, gone.unanswered_since) if since is not None]
    if waiting:
        kept.unanswered_since = min(waiting)
        kept.state, kept.snoozed_until = ConversationState.OPEN.value, None
    kept.assignee_id = kept.assignee_id or gone.assignee_id


def _plain(row: Conversation) -> dict[str, Any]:
    values = {name: getattr(row, name) for name in _KEPT}
    return {
        name: value.isoformat() if isinstance(value, datetime) else str(value) if isinstance(value, UUID) else value
        for name, value in values.items()
    }


def _restore(row: Conversation, before: dict[str, Any]) -> None:
    for name in _KEPT:
        value = before[name]
        if value is not None and name in _INSTANTS:
            value = datetime.fromisoformat(value)
        elif value is not None and name == "assignee_id":
            value = UUID(value)
        setattr(row, name, value)
