"""Owns what is changed on an entry afterwards: its text, with the earlier one kept, and its files."""

import io
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import IO, Any, Final
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from crm.accounts.kinds import Permission
from crm.accounts.rules import Actor
from crm.channels.sentences import N_
from crm.db import among, new_id
from crm.errors import ForbiddenError, InvalidInputError
from crm.files import services as stored_files
from crm.interactions import queries
from crm.interactions.models import Interaction, InteractionBody
from crm.interactions.services.mentions import tell_mentioned
from crm.interactions.timeline_models import EarlierText, EntryFile

#: Characters of a text that somebody writes down; more is a document and belongs into a file.
MAX_TEXT: Final = 50_000
MAX_FILES: Final = 20
#: Bytes of one file that comes with a copied mail, and of all that one mail puts beside entries.
MAX_COPIED: Final = 10 * 1024 * 1024
MOST_COPIED: Final = 50 * 1024 * 1024
#: What came from a channel or another program is a record of somebody else's words.
_FIXED: Final = frozenset({"message.sent", "message.received", "message.group"})


def may_edit_text(actor: Actor, row: Interaction) -> bool:
    """Whether the actor may change the words: their own, or with the right to edit in bulk other people's."""
    written_here = row.source_kind is None and row.external_id is None and row.kind not in _FIXED
    return written_here and (row.author_id == actor.user_id or actor.may(Permission.BULK_EDIT))


def edit_text(session: Session, actor: Actor, *, interaction_id: UUID, body: str, now: datetime) -> Interaction:
    """Change what a note says; the earlier text is kept with who replaced it. The same text again changes nothing.

    Raises `InvalidInputError` for a text above `MAX_TEXT` characters and `ForbiddenError` for other people's words.
    """
    actor.require(Permission.EDIT)
    row = queries.interaction(session, actor, interaction_id=interaction_id, lock=True)
    if not may_edit_text(actor, row):
        raise ForbiddenError(N_("Only who wrote this may change it."), code="not_yours")
    if len(body) > MAX_TEXT:
        sentence = N_("This is too long for a note. Put it into a file and attach that.")
        raise InvalidInputError(sentence, fields={"body": sentence})
    known = session.scalar(select(InteractionBody.body).where(InteractionBody.interaction_id == row.id)) or ""
    if body == known:
        return row
    session.add(EarlierText(interaction_id=row.id, body=known, replaced_by_id=actor.user_id, replaced_at=now))
    session.flush()
    words: dict[str, Any] = {"body": body, "edited_at": now}
    session.execute(
        insert(InteractionBody)
        .values(id=new_id(), workspace_id=actor.workspace_id, interaction_id=row.id, **words)
        .on_conflict_do_update(index_elements=["workspace_id", "interaction_id"], set_=words)
    )
    tell_mentioned(session, actor, row=row, body=body, before=known, now=now)
    return row


def attach(
    session: Session,
    actor: Actor,
    *,
    interaction_id: UUID,
    folder: Path,
    name: str,
    media_type: str,
    stream: IO[bytes],
    limit: int,
) -> EntryFile:
    """Put a file beside an entry; at most `limit` bytes are kept. Raises `FileTooLargeError`, `InvalidInputError`."""
    actor.require(Permission.EDIT)
    row = queries.interaction(session, actor, interaction_id=interaction_id, lock=True)
    count = session.scalar(select(func.count()).where(EntryFile.interaction_id == row.id)) or 0
    if count >= MAX_FILES:
        sentence = N_("There are enough files here. Put the others beside another entry.")
        raise InvalidInputError(sentence, fields={"files": sentence})
    kept = stored_files.store(
        session,
        folder=folder,
        name=name,
        media_type=media_type,
        stream=stream,
        limit=limit,
        created_by_id=actor.user_id,
    )
    held = EntryFile(interaction_id=row.id, file_id=kept.id)
    session.add(held)
    session.flush()
    return held


def attach_copies(
    session: Session,
    actor: Actor,
    *,
    entry_ids: Sequence[UUID],
    files: Sequence[tuple[str, str, bytes]],
    folder: Path,
    created_by_id: UUID | None,
) -> int:
    """Put the (name, media type, bytes) of a copied mail beside each entry that has no file yet; how many were kept.

    Each entry gets files of its own, since each may be erased alone. What is beyond `MAX_FILES` of an entry,
    `MAX_COPIED` bytes of one file or `MOST_COPIED` bytes of all of them stays in the mail.
    """
    actor.require(Permission.EDIT)
    if not files or not entry_ids:
        return 0
    has_some = set(session.scalars(select(EntryFile.interaction_id).where(among(EntryFile.interaction_id, entry_ids))))
    left, kept = MOST_COPIED, 0
    for entry_id in (one for one in dict.fromkeys(entry_ids) if one not in has_some):
        for name, media_type, content in files[:MAX_FILES]:
            if len(content) > min(left, MAX_COPIED):
                continue
            stored = stored_files.store(
                session,
                folder=folder,
                name=name,
                media_type=media_type,
                stream=io.BytesIO(content),
                limit=MAX_COPIED,
                created_by_id=created_by_id,
            )
            session.add(EntryFile(interaction_id=entry_id, file_id=stored.id))
            left -= len(content)
            kept += 1
    session.flush()
    return kept


def detach(session: Session, actor: Actor, *, file_id: UUID, folder: Path) -> Interaction:
    """Throw a file of an entry away, its bytes too; raises `EntryFileNotFoundError`, `ForbiddenError`."""
    actor.require(Permission.EDIT)
    held, stored, row = queries.entry_file(session, actor, file_id=file_id)
    if row.author_id != actor.user_id and not actor.may(Permission.BULK_EDIT):
        raise ForbiddenError(N_("Only who attached this may remove it."), code="not_yours")
    session.delete(held)
    session.flush()
    session.delete(stored)
    session.flush()
    stored_files.path_of(folder, stored.id).unlink(missing_ok=True)
    return row
