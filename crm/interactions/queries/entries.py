"""Owns reading what hangs on one entry: its files and its earlier texts."""

from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from crm.accounts.models import User
from crm.accounts.rules import Actor
from crm.channels.sentences import N_
from crm.errors import NotFoundError
from crm.files.models import StoredFile
from crm.interactions.models import Interaction
from crm.interactions.queries.timeline import InteractionNotFoundError, interaction
from crm.interactions.timeline_models import EarlierText, EntryFile

#: Earlier texts that a page shows; a note is not rewritten more often.
MOST_TEXTS: Final = 50


class EntryFileNotFoundError(NotFoundError):
    """No such file at an entry that the actor may read."""

    code = "entry_file_not_found"


@dataclass(frozen=True, slots=True)
class EarlierView:
    """What an entry said until `replaced_at`, and who replaced it."""

    body: str
    replaced_by: str
    replaced_at: datetime


def entry_file(session: Session, actor: Actor, *, file_id: UUID) -> tuple[EntryFile, StoredFile, Interaction]:
    """The file with its entry; raises `EntryFileNotFoundError` unless the actor may read the entry as it stands."""
    found = session.execute(
        select(EntryFile, StoredFile)
        .join(StoredFile, StoredFile.id == EntryFile.file_id)
        .where(EntryFile.id == file_id)
    ).one_or_none()
    if found is None:
        raise EntryFileNotFoundError(N_("There is no such file."))
    held, stored = found
    try:
        row = interaction(session, actor, interaction_id=held.interaction_id)
    except InteractionNotFoundError as error:
        raise EntryFileNotFoundError(N_("There is no such file.")) from error
    if row.removed_at is not None:
        raise EntryFileNotFoundError(N_("There is no such file."))
    return held, stored, row


def earlier_texts(session: Session, actor: Actor, *, interaction_id: UUID) -> list[EarlierView]:
    """What an entry said before, the newest first; raises `InteractionNotFoundError`."""
    interaction(session, actor, interaction_id=interaction_id)
    rows = session.execute(
        select(EarlierText.body, User.name, EarlierText.replaced_at)
        .outerjoin(User, User.id == EarlierText.replaced_by_id)
        .where(EarlierText.interaction_id == interaction_id)
        .order_by(EarlierText.replaced_at.desc(), EarlierText.id.desc())
        .limit(MOST_TEXTS)
    )
    return [EarlierView(body, name or "", at) for body, name, at in rows]
