"""Reads what a message is besides its words: its letter, and its files, for whoever may read the message."""

from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from crm.accounts.rules import Actor
from crm.channels.letters import MAX_PICTURES
from crm.channels.sentences import N_
from crm.contacts.models import Contact
from crm.errors import NotFoundError
from crm.files.models import StoredFile
from crm.files.services import path_of
from crm.outreach.letter_models import MessageFile, MessageLetter
from crm.outreach.models import Message
from crm.outreach.queries.messages import visible_to


@dataclass(frozen=True, slots=True)
class Letter:
    """The kept HTML of a mail, and its own pictures by Content-ID."""

    html: str
    pictures: dict[str, bytes]


def letter(session: Session, actor: Actor, *, message_id: UUID, folder: Path) -> Letter:
    """The letter of a message; raises `NotFoundError`."""
    html = session.scalar(
        select(MessageLetter.html)
        .join(Message, Message.id == MessageLetter.message_id)
        .outerjoin(Contact, Contact.id == Message.contact_id)
        .where(visible_to(actor), Message.id == message_id)
    )
    if html is None:
        raise NotFoundError(N_("This message has no letter to show."), code="letter_not_found")
    rows = session.execute(
        select(MessageFile.content_id, StoredFile.id, StoredFile.size)
        .join(StoredFile, StoredFile.id == MessageFile.file_id)
        .where(MessageFile.message_id == message_id, MessageFile.content_id != "")
        .order_by(MessageFile.position)
    )
    left, pictures = MAX_PICTURES, {}
    for name, file_id, size in rows:
        path = path_of(folder, file_id)
        if size <= left and path.is_file():
            left -= size
            pictures[name] = path.read_bytes()
    return Letter(html, pictures)


def message_file(session: Session, actor: Actor, *, file_id: UUID) -> StoredFile:
    """A file of a message; raises `NotFoundError`, also where the message may not be seen."""
    found = session.scalar(
        select(StoredFile)
        .join(MessageFile, MessageFile.file_id == StoredFile.id)
        .join(Message, Message.id == MessageFile.message_id)
        .outerjoin(Contact, Contact.id == Message.contact_id)
        .where(visible_to(actor), MessageFile.id == file_id)
    )
    if found is None:
        raise NotFoundError(N_("There is no such file."), code="message_file_not_found")
    return found
