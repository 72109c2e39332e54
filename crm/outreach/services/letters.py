"""Owns what a message is besides its words: keeps the letter and the files that came, and those that leave."""

import hashlib
import io
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Final
from uuid import UUID

from sqlalchemy.orm import Session

from crm.accounts.rules import Actor
from crm.channels.base import Attachment
from crm.channels.sentences import N_
from crm.errors import InvalidInputError
from crm.files import services as stored_files
from crm.files.models import StoredFile
from crm.outreach.letter_models import MessageFile, MessageLetter
from crm.outreach.links import hide_tokens
from crm.outreach.setup import files_folder

#: What most mail servers take in one message, encoding included: base64 makes three bytes four, and a line end more.
MAX_SENT: Final = 25 * 1024 * 1024
MAX_CONTENT: Final = MAX_SENT * 73 // 100
MAX_SENT_FILES: Final = 20
#: A name that a receiving system would run when it is opened; mail servers refuse such files altogether.
RUNS: Final = {
    "ade", "adp", "apk", "app", "appx", "bat", "chm", "cmd", "com", "cpl", "dll", "dmg", "exe", "hta", "ins", "isp",
    "jar", "js", "jse", "lib", "lnk", "mde", "msc", "msi", "msix", "msp", "mst", "nsh", "pif", "ps1", "scr", "sct",
    "shb", "sys", "vb", "vbe", "vbs", "vhd", "vxd", "wsc", "wsf", "wsh", "xll",
}  # fmt: skip

#: Characters that hide in a name, and types of a single part: mails in mails are sent as plain files.
_UNSEEN = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]")
_TRAVELS = re.compile(r"(?!message/|multipart/)[a-z0-9][a-z0-9!#$&^_.+-]{0,126}/[a-z0-9][a-z0-9!#$&^_.+-]{0,126}")
OCTETS: Final = "application/octet-stream"


@dataclass(frozen=True, slots=True, kw_only=True)
class Upload:
    """One file as somebody hands it in to be sent; the stream is read once."""

    name: str
    media_type: str
    stream: IO[bytes]


def keep_letter(
    session: Session, message_id: UUID, *, html: str | None, files: Sequence[Attachment], folder: Path
) -> None:
    """Keep the letter and the files of a received mail, whose bytes were bounded before it was parsed.

    A picture that the letter shows by its Content-ID is kept as a file too, and is marked as such.
    """
    if html:
        session.add(MessageLetter(message_id=message_id, html=hide_tokens(html)))
    for position, file in enumerate(files):
        kept = stored_files.store(
            session,
            folder=folder,
            name=file.filename,
            media_type=file.content_type,
            stream=io.BytesIO(file.content),
            limit=len(file.content),
            created_by_id=None,
        )
        session.add(MessageFile(message_id=message_id, file_id=kept.id, position=position, content_id=file.content_id))


def keep_uploads(session: Session, actor: Actor, *, uploads: Sequence[Upload], folder: Path) -> list[StoredFile]:
    """Keep the files that somebody wants to send; complains by the field `files`.

    Refused: more than `MAX_SENT_FILES`, more than `MAX_CONTENT` bytes altogether, an empty file, and what a mail server
    would refuse because it runs when it is opened. Nothing is kept of a message that is refused.
    """
    if len(uploads) > MAX_SENT_FILES:
        raise _refused(N_("At most 20 files travel with a message."), "too_many_files")
    kept: list[StoredFile] = []
    try:
        for upload in uploads:
            kept.append(_kept(session, actor, upload, folder=folder, limit=MAX_CONTENT - sum(row.size for row in kept)))
    except BaseException:
        for row in kept:
            stored_files.path_of(folder, row.id).unlink(missing_ok=True)
        raise
    return kept


def _kept(session: Session, actor: Actor, upload: Upload, *, folder: Path, limit: int) -> StoredFile:
    if upload.name.rpartition(".")[2].lower() in RUNS:
        raise _refused(N_("Mail servers refuse programs. Pack the file, or send a link to it."), "file_runs")
    first = upload.stream.read(1)
    if not first:
        raise _refused(N_("One of the files is empty."), "file_empty")
    upload.stream.seek(0)
    try:
        return stored_files.store(
            session,
            folder=folder,
            name=_UNSEEN.sub("_", upload.name),
            media_type=upload.media_type if _TRAVELS.fullmatch(upload.media_type) else OCTETS,
            stream=upload.stream,
            limit=limit,
            created_by_id=actor.user_id,
        )
    except stored_files.FileTooLargeError as error:
        sentence = N_("The files are too large for an e-mail: 18 MB altogether is the most. Send a link instead.")
        raise _refused(sentence, "files_too_large") from error


def _refused(sentence: str, code: str) -> InvalidInputError:
    return InvalidInputError(sentence, code=code, fields={"files": sentence})


def listed(files: Sequence[StoredFile]) -> list[dict[str, Any]]:
    """The files as the approved content names them: the hash of that covers name, type and bytes of each."""
    return [
        {"id": str(file.id), "name": file.name, "type": file.media_type, "size": file.size, "sha256": file.sha256}
        for file in files
    ]


class FileGoneError(Exception):
    """A file that was approved is no longer there as it was."""


def load_listed(entries: Sequence[dict[str, Any]]) -> tuple[Attachment, ...]:
    """The bytes of approved files, from the disk alone. Raises `FileGoneError` when they are not what was approved."""
    found = []
    for entry in entries:
        try:
            content = stored_files.path_of(files_folder(), UUID(entry["id"])).read_bytes()
        except OSError as error:
            raise FileGoneError(entry["id"]) from error
        if hashlib.sha256(content).hexdigest() != entry["sha256"]:
            raise FileGoneError(entry["id"])
        found.append(Attachment(filename=entry["name"], content_type=entry["type"], content=content))
    return tuple(found)
