"""Finds what an erased person left in texts of others and in files, in many short transactions; can be broken off.

Everything here can be done twice: what was painted over or removed is not found again. The traces are forgotten only
when nothing is left to look at.
"""

import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any, Final, TypeAlias
from uuid import UUID

import structlog
from sqlalchemy import ColumnElement, LargeBinary, Text, and_, cast, delete, func, or_, select, update
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Session
from sqlalchemy.types import JSON

from crm.channels.sandbox import SandboxStore
from crm.db import Database, database_now
from crm.files.services import path_of
from crm.interactions.kinds import HistoryState
from crm.interactions.timeline_models import HistoryFile
from crm.lifecycle.erasure import REGISTRY, Table, listing
from crm.lifecycle.erasure.taking import sql_table
from crm.lifecycle.erasure.traces import MARK, Traces
from crm.lifecycle.export_models import Export
from crm.lifecycle.kinds import ImportState
from crm.lifecycle.models import Import
from crm.lifecycle.privacy_models import Erasure
from crm.outreach.models import SenderAccount

log = structlog.get_logger(__name__)

#: Rows that one statement looks through.
ROWS: Final = 5_000
FILES: Final = 200
CHUNK: Final = 1 << 20
#: Of a packed file no more than this is unpacked to look into it; what holds more is taken for one that names them.
MOST_UNPACKED: Final = 512 << 20
_UNDER_WAY: Final = frozenset(
    {ImportState.QUEUED.value, ImportState.RUNNING.value, HistoryState.QUEUED.value, HistoryState.RUNNING.value}
)
_ZIP: Final = b"PK\x03\x04"

Needles: TypeAlias = tuple[tuple[bytes, ...], ...]


def sweep(database: Database, *, workspace_id: UUID, erasure_id: UUID, home: Path) -> bool:
    """Look for what is left of one erased person; True when nothing is, and the traces are forgotten.

    A file that an import still reads is left for the next time.
    """
    with database.scope(workspace_id) as session:
        row = session.get(Erasure, erasure_id)
        if row is None:
            return True
        traces = Traces.from_json(row.traces) if row.traces is not None else None
        # Whoever was merged into the person stands on the list too: an older backup knows them as people of their own.
        gone = dict.fromkeys((row.subject_id, *(traces.ids if traces else ())))
        listing.append(home, [listing.Line(workspace_id, one, row.at) for one in gone])
        if traces is None:
            return True
        accounts = list(session.scalars(select(SenderAccount.public_id)))
    for entry in REGISTRY.values():
        if entry.mentions:
            _paint_over(database, workspace_id, entry, traces)
    SandboxStore(home).forget(accounts, recipients=traces.mailboxes)
    left = _remove_files(database, workspace_id, traces, folder=home / "files")
    with database.scope(workspace_id) as session:
        row = session.get_one(Erasure, erasure_id, with_for_update=True)
        if left == 0:
            row.traces, row.done_at = None, database_now(session)
    log.info("erasure_swept", erasure=str(erasure_id), files_left=left)
    return left == 0


def _paint_over(database: Database, workspace_id: UUID, entry: Table, traces: Traces) -> None:
    """Go through a table by its key, part by part, and paint over (or remove) the rows that name the person."""
    table = sql_table(entry.name)
    last: UUID | None = None
    while True:
        with database.scope(workspace_id) as session:
            behind = [table.c.id > last] if last is not None else []
            part = select(table.c.id).where(*behind).order_by(table.c.id).limit(ROWS).subquery()
            end = session.scalar(select(func.max(cast(part.c.id, Text))))
            if end is None:
                return
            last, window = UUID(end), [*behind, table.c.id <= UUID(end)]
            _change(session, entry, traces, window)


def _change(session: Session, entry: Table, traces: Traces, window: list[ColumnElement[bool]]) -> None:
    table = sql_table(entry.name)
    found = {name: _names(table.c[name], traces, with_ids=entry.is_passing) for name in entry.mentions}
    found = {name: condition for name, condition in found.items() if condition is not None}
    if not found:
        return
    if entry.is_passing:
        session.execute(delete(table).where(*window, or_(*found.values())))
        return
    painted = {name: _painted(table.c[name], traces) for name in found}
    session.execute(update(table).where(*window, or_(*found.values())).values(painted))


def _names(column: Any, traces: Traces, *, with_ids: bool) -> ColumnElement[bool] | None:
    is_json = isinstance(column.type, JSON)
    pattern = traces.pattern(is_json=is_json, with_ids=with_ids)
    if not pattern:
        return None
    if isinstance(column.type, LargeBinary):
        return func.encode(column, "escape").regexp_match(pattern, flags="i")
    words = cast(column, Text)
    apart = traces.apart() if is_json and with_ids else []
    both = [and_(words.regexp_match(first, flags="i"), words.regexp_match(last, flags="i")) for first, last in apart]
    return or_(words.regexp_match(pattern, flags="i"), *both)


def _painted(column: Any, traces: Traces) -> Any:
    is_json = isinstance(column.type, JSON)
    text = func.regexp_replace(cast(column, Text), traces.pattern(is_json=is_json), MARK, "gi")
    return cast(text, JSONB) if is_json else text


def _remove_files(database: Database, workspace_id: UUID, traces: Traces, *, folder: Path) -> int:
    """Remove the person's files, and files that were read in and name them; returns how many are still needed.

    Read files are there for the reading alone. What people attached to something of others stays.
    """
    for file_id in traces.files:
        path_of(folder, file_id).unlink(missing_ok=True)
    return sum(
        _remove_read(database, workspace_id, kind, traces, folder=folder) for kind in (Import, Export, HistoryFile)
    )


def _remove_read(
    database: Database, workspace_id: UUID, kind: type[Import | Export | HistoryFile], traces: Traces, *, folder: Path
) -> int:
    last, left = None, 0
    while True:
        with database.scope(workspace_id) as session:
            wanted = select(kind.file_id, kind.state).where(kind.file_id.is_not(None))
            wanted = wanted.order_by(kind.file_id).limit(FILES)
            files = session.execute(wanted.where(kind.file_id > last) if last else wanted).all()
        if not files:
            return left
        last = files[-1].file_id
        for file_id, state in files:
            path = path_of(folder, file_id) if file_id else None
            if path is None or not path.is_file() or not names_them(path, traces):
                continue
            if state in _UNDER_WAY:
                left += 1
            else:
                path.unlink(missing_ok=True)


def names_them(path: Path, traces: Traces) -> bool:
    """Whether a file holds any of the words, in any case and common encoding; a packed one is unpacked on the way."""
    needles = traces.needles()
    if not needles:
        return False
    with path.open("rb") as file:
        if file.read(len(_ZIP)) == _ZIP:
            return _packed_names(path, needles)
        file.seek(0)
        return _stream_names(file, needles)


def _packed_names(path: Path, needles: Needles) -> bool:
    try:
        with zipfile.ZipFile(path) as packed:
            if sum(item.file_size for item in packed.infolist()) > MOST_UNPACKED:
                return True
            for item in packed.infolist():
                with packed.open(item) as member:
                    if _stream_names(member, needles):
                        return True
    except (zipfile.BadZipFile, RuntimeError, NotImplementedError):
        # Nobody can read it, so nobody can say that it does not name them.
        return True
    return False


def _stream_names(file: IO[bytes], needles: Needles) -> bool:
    missing = [set(group) for group in needles]
    overlap = max(len(word) for group in needles for word in group) - 1
    for part in _parts(file, overlap):
        for group in missing:
            group -= {word for word in group if word in part}
            if not group:
                return True
    return False


def _parts(file: IO[bytes], overlap: int) -> Iterator[bytes]:
    kept = b""
    while block := file.read(CHUNK):
        part = kept + block
        yield _lowered(part)
        kept = part[-overlap:] if overlap else b""


def _lowered(part: bytes) -> bytes:
    """ASCII and UTF-8 in lower case; what is not UTF-8 only its ASCII letters."""
    try:
        return part.decode().lower().encode()
    except UnicodeDecodeError:
        return part.lower()
