"""Owns bringing in history that nobody logged by hand: keep the file, ask who is who, put it on the timelines."""

from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import IO, Any, Final
from uuid import UUID

from sqlalchemy.orm import Session

from crm.accounts.kinds import Permission, ProgressState
from crm.accounts.rules import Actor
from crm.accounts.services import audit, progress
from crm.channels.sentences import N_
from crm.clock import zone
from crm.contacts import queries as contact_queries
from crm.errors import ConflictError, InvalidInputError
from crm.files import services as files
from crm.files.models import StoredFile
from crm.interactions import queries
from crm.interactions.chats import reading
from crm.interactions.chats.item import UnreadableHistoryError
from crm.interactions.kinds import HistoryState
from crm.interactions.services.landing import ME
from crm.interactions.timeline_models import HistoryFile

KIND: Final = "history"
UNREADABLE: Final = {
    "unknown_format": N_("This is no chat of WhatsApp, LinkedIn or Instagram and no calendar file."),
    "no_chat": N_("In this packed file there is no chat of WhatsApp, LinkedIn or Instagram and no calendar."),
    "several_chats": N_("There is more than one chat in this packed file. Bring them in one by one."),
    "pages": N_(
        "These messages are web pages. Ask Instagram for your information again, and choose JSON as the format."
    ),
    "broken_pack": N_("This packed file is damaged. Export or download it again."),
    "locked_pack": N_("This packed file has a password. Unpack it, and bring in the chat without one."),
    "too_many_parts": N_("There are too many files in this packed file. Bring in the chat or messages.csv alone."),
    "too_large_pack": N_("Unpacked, this is too large. Bring in the chat alone, without its photos and videos."),
    "empty": N_("There is nothing in this file that happened with somebody."),
    "broken_table": N_("The table in this file is broken."),
    "no_columns": N_("The columns of LinkedIn’s messages.csv are missing."),
    "no_json": N_("This JSON can’t be read."),
    "no_messages": N_("There are no messages in this JSON. Choose a file called message_1.json."),
    "no_calendar": N_("This calendar file can’t be read."),
}
_LIVE: Final = frozenset({HistoryState.QUEUED, HistoryState.RUNNING})


class UnreadableFileError(InvalidInputError):
    """The file is none that we know."""

    code = "unreadable_history"


class HistoryStateError(ConflictError):
    """This history was started already."""

    code = "history_started"


def upload(
    session: Session, actor: Actor, *, folder: Path, name: str, stream: IO[bytes], limit: int, now: datetime
) -> HistoryFile:
    """Keep the file and tell who and what is in it. Raises `UnreadableFileError`, `FileTooLargeError`."""
    actor.require(Permission.IMPORT)
    media_type = "application/octet-stream"
    kept = files.store(
        session,
        folder=folder,
        name=name,
        media_type=media_type,
        stream=stream,
        limit=limit,
        created_by_id=actor.user_id,
    )
    try:
        with files.open_file(session, folder=folder, file_id=kept.id) as file:
            found = reading.survey(file, zone=zone(actor.time_zone), now=now)
    except UnreadableHistoryError as error:
        files.path_of(folder, kept.id).unlink(missing_ok=True)
        sentence = UNREADABLE[error.code]
        raise UnreadableFileError(sentence, fields={"file": sentence}) from error
    row = HistoryFile(
        file_id=kept.id,
        file_name=kept.name,
        format=found.format.value,
        time_zone=actor.time_zone,
        day_first=found.day_first,
        found=[list(pair) for pair in found.names],
        total=found.total,
        created_by_id=actor.user_id,
        created_at=now,
    )
    session.add(row)
    session.flush()
    return row


def start(
    session: Session,
    actor: Actor,
    *,
    history_id: UUID,
    people: Mapping[str, str],
    day_first: bool,
    now: datetime,
) -> HistoryFile:
    """Say who is who and queue it; the edge wakes a worker after the commit.

    `people` maps names of the file to the id of a contact or to `ME`; others are left out. Raises
    `HistoryStateError`, `InvalidInputError` and the contacts' not-found error.
    """
    row = queries.history_file(session, actor, history_id=history_id, lock=True)
    if row.state != HistoryState.UPLOADED:
        raise HistoryStateError(N_("This history was started already."))
    known = {name for name, _count in row.found}
    chosen = {name: value for name, value in people.items() if name in known and value}
    try:
        ids = {UUID(value) for value in chosen.values() if value != ME}
    except ValueError as error:
        raise InvalidInputError(N_("Choose a person from the list.")) from error
    if not ids:
        raise InvalidInputError(N_("Say who at least one of them is."), fields={"people": N_("Choose a person.")})
    if set(contact_queries.contacts(session, actor, contact_ids=ids)) != ids:
        raise contact_queries.ContactNotFoundError(N_("There is no such person, or you may not see them."))
    work = progress.start(
        session,
        actor,
        kind=KIND,
        title=row.file_name,
        object_id=row.id,
        total=row.total,
        url=f"/history/{row.id}",
        now=now,
    )
    row.people, row.day_first, row.progress_id = chosen, day_first, work.id
    row.state = HistoryState.QUEUED.value
    session.flush()
    told = {"file": row.file_name, "format": row.format, "people": len(ids)}
    audit.record(session, actor, action="history.started", object_kind=KIND, object_id=row.id, after=told)
    return row


def finish(session: Session, actor: Actor, *, row: HistoryFile, folder: Path, error: str = "", now: datetime) -> None:
    """End it; the file and the names in it are thrown away, since what was wanted of them is on the timelines."""
    row.state = (HistoryState.FAILED if error else HistoryState.DONE).value
    row.finished_at = now
    result: dict[str, Any] = {"added": row.added, "known": row.known, "left_out": row.left_out}
    result |= {"files": row.files_kept}
    assert row.progress_id is not None, "history that runs has a progress row"  # noqa: S101 - set by `start`.
    state = ProgressState.FAILED if error else ProgressState.DONE
    progress.finish(session, actor, progress_id=row.progress_id, state=state, result=result, now=now)
    forget_file(session, row=row, folder=folder)


def forget_file(session: Session, *, row: HistoryFile, folder: Path) -> None:
    """Throw the file and the names away."""
    file_id, row.file_id, row.found, row.people = row.file_id, None, [], {}
    session.flush()
    if file_id is not None:
        stored = session.get(StoredFile, file_id)
        if stored is not None:
            session.delete(stored)
            session.flush()
        files.path_of(folder, file_id).unlink(missing_ok=True)


def discard(session: Session, actor: Actor, *, history_id: UUID, folder: Path) -> None:
    """Throw away what was uploaded and not started; raises `HistoryStateError`."""
    row = queries.history_file(session, actor, history_id=history_id, lock=True)
    if row.state in _LIVE:
        raise HistoryStateError(N_("This history was started already."))
    forget_file(session, row=row, folder=folder)
    session.delete(row)
    session.flush()
