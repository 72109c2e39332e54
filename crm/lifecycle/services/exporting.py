"""Use cases of exports: ask for one, end it with its file, forget the file when its time is over."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import IO, Final
from uuid import UUID

from sqlalchemy.orm import Session

from crm.accounts.kinds import Permission, ProgressState
from crm.accounts.rules import Actor
from crm.accounts.services import audit, progress
from crm.db import new_id
from crm.errors import worded
from crm.files import services as files
from crm.files.models import StoredFile
from crm.lifecycle import queries
from crm.lifecycle.export_models import Export
from crm.lifecycle.kinds import ExportFormat, ExportState
from crm.lifecycle.rules.writing import file_type

KIND: Final = "export"
#: How long the file can be fetched: long enough for a week-end, short enough that it is not forgotten.
KEPT_DAYS: Final = 7
#: No export is larger; it bounds what one may put on the disk.
MOST_BYTES: Final = 4 * 1024**3


@dataclass(frozen=True, slots=True)
class Wording:
    """How the file speaks: names of the columns, delimiter of a CSV, name without its ending."""

    headers: Sequence[str]
    delimiter: str
    name: str


def ask(
    session: Session, actor: Actor, *, form: ExportFormat, query: Mapping[str, str], wording: Wording, now: datetime
) -> Export:
    """Queue an export of the people whom `query` (words of a list's address) means; the edge wakes a worker.

    Raises `InvalidInputError` for a filter that can't be read.
    """
    actor.require(Permission.EXPORT)
    asked = {key: query[key] for key in queries.WORDS if query.get(key)}
    queries.whom(session, actor, query=asked, now=now)
    row = Export(
        id=new_id(),
        format=form.value,
        state=ExportState.QUEUED.value,
        query=asked,
        headers=list(wording.headers),
        delimiter=wording.delimiter,
        file_name=f"{wording.name}.{file_type(form)[0]}",
        created_by_id=actor.user_id,
        token_id=actor.token_id,
        role=actor.role or "",
        created_at=now,
    )
    work = progress.start(
        session, actor, kind=KIND, title=row.file_name, object_id=row.id, url=f"/exports/{row.id}", now=now
    )
    row.progress_id = work.id
    session.add(row)
    session.flush()
    # Who took whom out of the house, and in what form.
    told = {"format": form.value, "filter": asked}
    audit.record(session, actor, action="export.started", object_kind=KIND, object_id=row.id, after=told)
    return row


def keep(session: Session, actor: Actor, *, row: Export, folder: Path, stream: IO[bytes], now: datetime) -> None:
    """Store the written file and end the export; the bell rings for who asked."""
    stored = files.store(
        session,
        folder=folder,
        name=row.file_name,
        media_type=file_type(ExportFormat(row.format))[1],
        stream=stream,
        limit=MOST_BYTES,
        created_by_id=row.created_by_id,
    )
    row.file_id, row.state = stored.id, ExportState.DONE.value
    row.finished_at, row.expires_at = now, now + timedelta(days=KEPT_DAYS)
    _end(session, actor, row, state=ProgressState.DONE, result={"people": row.people}, now=now)


def give_up_export(session: Session, actor: Actor, *, row: Export, error: str, now: datetime) -> None:
    """End it without a file; `error` is the code of what stopped it."""
    row.state, row.finished_at = ExportState.FAILED.value, now
    _end(session, actor, row, state=ProgressState.FAILED, result={"error": error}, now=now)


def _end(
    session: Session, actor: Actor, row: Export, *, state: ProgressState, result: Mapping[str, object], now: datetime
) -> None:
    if row.progress_id is not None:
        progress.finish(session, actor, progress_id=row.progress_id, state=state, result=dict(result), now=now)


def fetch(session: Session, actor: Actor, *, export_id: UUID, now: datetime) -> StoredFile:
    """The file for who asked for it, noted in the log; raises `ExportNotFoundError` when its time is over."""
    row = queries.export(session, actor, export_id=export_id)
    stored = session.get(StoredFile, row.file_id) if row.file_id else None
    if stored is None or row.expires_at is None or row.expires_at <= now:
        raise queries.ExportNotFoundError(worded("This file is no longer kept. Export the list again."))
    audit.record(session, actor, action="export.fetched", object_kind=KIND, object_id=row.id)
    return stored


def forget(session: Session, actor: Actor, *, row: Export, folder: Path) -> None:
    """Remove the file of an export whose time is over, or that its maker needs no longer."""
    if row.file_id is None:
        return
    file_id, row.file_id, row.state = row.file_id, None, ExportState.EXPIRED.value
    session.flush()
    files.remove(session, folder=folder, file_id=file_id)
    audit.record(session, actor, action="export.forgotten", object_kind=KIND, object_id=row.id)
