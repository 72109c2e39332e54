"""Reads which files and letters belong to messages that somebody may see."""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from crm.files.models import StoredFile
from crm.outreach.letter_models import MessageFile, MessageLetter
from crm.outreach.queries.gate import among

#: What Outlook packs its attachments into for everybody else: kept as it came, and said so.
WINMAIL: Final = "winmail.dat"


@dataclass(frozen=True, slots=True, kw_only=True)
class FileLine:
    """One file of a message; `is_picture` says that the letter shows it in its place."""

    id: UUID
    name: str
    size: int
    is_picture: bool

    @property
    def is_winmail(self) -> bool:
        """Whether it is Outlook's own package, which other programs can't open."""
        return self.name.lower() == WINMAIL


def with_letter(session: Session, *, message_ids: Collection[UUID]) -> set[UUID]:
    """Which of these messages have a letter to show; the caller has made sure that they may be seen."""
    return set(session.scalars(select(MessageLetter.message_id).where(among(MessageLetter.message_id, message_ids))))


def files_of(session: Session, *, message_ids: Collection[UUID]) -> dict[UUID, list[FileLine]]:
    """The files of each message in their order; the caller has made sure that the messages may be seen."""
    rows = session.execute(
        select(MessageFile, StoredFile.name, StoredFile.size)
        .join(StoredFile, StoredFile.id == MessageFile.file_id)
        .where(among(MessageFile.message_id, message_ids))
        .order_by(MessageFile.message_id, MessageFile.position)
    )
    found: dict[UUID, list[FileLine]] = {message_id: [] for message_id in message_ids}
    for held, name, size in rows:
        line = FileLine(id=held.id, name=name, size=size, is_picture=bool(held.content_id))
        found[held.message_id].append(line)
    return found
