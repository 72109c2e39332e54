"""Runs an import in many short transactions: each part of the rows is loaded, counted and committed together."""

import gc
import tempfile
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import dropwhile, islice
from pathlib import Path
from typing import BinaryIO, Self
from uuid import UUID

import structlog
from sqlalchemy.orm import Session

from crm.accounts import queries as accounts
from crm.accounts.kinds import ActorKind, Permission, Role
from crm.accounts.models import Workspace
from crm.accounts.rules import Actor, sees, system_actor
from crm.accounts.services import progress
from crm.contacts import queries as contacts
from crm.contacts.custom_rules import FieldShape
from crm.contacts.queries import ContactFilter
from crm.db import Database, commit_late, database_now, renew_statistics
from crm.errors import AppError, ForbiddenError, worded
from crm.files import services as files
from crm.lifecycle import queries, services
from crm.lifecycle.export_models import Export
from crm.lifecycle.kinds import ExportFormat, ExportState, ImportState
from crm.lifecycle.models import Import
from crm.lifecycle.rules import writing
from crm.lifecycle.rules.columns import Own, heading
from crm.lifecycle.rules.people import ReadRow

log = structlog.get_logger(__name__)

PART_ROWS = 1000
EXPORT_ROWS = 500
LIVE = frozenset({ImportState.QUEUED, ImportState.RUNNING})


def run(
    database: Database,
    *,
    workspace_id: UUID,
    import_id: UUID,
    folder: Path,
    on_part: Callable[[int], None] = lambda _done: None,
) -> None:
    """Load what is left of an import; safe to call again after a kill, and while another worker runs the same one.

    `on_part` hears how many rows of the file are behind us after each committed part.

    The import's row is locked for each part, and a part begins behind the last counted row, so two runners take turns
    instead of loading a row twice.
    """
    actor = system_actor(workspace_id)
    with database.scope(workspace_id) as session:
        row = queries.get(session, actor, import_id=import_id)
        if row.state not in LIVE:
            return
        region = accounts.workspace(session, actor).country
        source = files.open_file(session, folder=folder, file_id=row.file_id)
    with source, _Reader(_parts(source, row, region)) as reader:
        while part := reader.take():
            if not _load(database, workspace_id, import_id, part, meanwhile=reader.go_on):
                return
            # The header is row 1.
            on_part(part[-1].number - 1)
    with database.scope(workspace_id) as session:
        row = queries.get(session, actor, import_id=import_id, lock=True)
        if row.state in LIVE:
            services.finish(session, actor, row=row, now=database_now(session))


def _parts(source: BinaryIO, row: Import, region: str) -> Iterator[tuple[ReadRow, ...]]:
    left = dropwhile(lambda entry: entry[0] <= row.next_row, queries.numbered(source, row))
    while part := tuple(islice(left, PART_ROWS)):
        yield queries.read(part, row, region=region)


class _Reader:
    """Reads the parts one after the other, each in a thread if it was told to in time.

    The time is when the database is busy with the part before. While that one is still being looked up, two threads
    would take the interpreter from each other at every answer of the database.
    """

    def __init__(self, parts: Iterator[tuple[ReadRow, ...]]) -> None:
        self._parts = parts
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="import-reader")
        self._coming: Future[tuple[ReadRow, ...] | None] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self._thread.shutdown()

    def go_on(self) -> None:
        """Begin to read the next part."""
        self._coming = self._coming or self._thread.submit(next, self._parts, None)

    def take(self) -> tuple[ReadRow, ...] | None:
        """The next part; None behind the last."""
        self.go_on()
        coming, self._coming = self._coming, None
        return coming.result() if coming else None


def _load(
    database: Database,
    workspace_id: UUID,
    import_id: UUID,
    part: tuple[ReadRow, ...],
    *,
    meanwhile: Callable[[], None],
) -> bool:
    """Load one part; False when the import is no longer to be run."""
    actor = system_actor(workspace_id)
    with _without_collections(), database.scope(workspace_id) as session:
        # What a crash of the server loses here is loaded again: the count of the rows is lost with them.
        commit_late(session)
        row = queries.get(session, actor, import_id=import_id, lock=True)
        if row.state not in LIVE:
            return False
        row.state = ImportState.RUNNING.value
        left = [entry for entry in part if entry.number > row.next_row]
        if left:
            renew_statistics(session)
            maker = _maker(session, row)
            services.load_part(session, maker, row=row, rows=left, now=database_now(session), meanwhile=meanwhile)
    return True


def _maker(session: Session, row: Import) -> Actor:
    """Who started it: the import sees and changes what they may. The command line and tokens work for the workspace."""
    if row.created_by_id is None:
        return system_actor(row.workspace_id)
    maker = accounts.member_actor(session, workspace_id=row.workspace_id, user_id=row.created_by_id)
    if maker is None:
        raise ForbiddenError(worded("Who started this import is no longer in the workspace."), code="maker_gone")
    return maker


def revert(database: Database, *, workspace_id: UUID, import_id: UUID) -> None:
    """Take an import back in one transaction; what fails leaves everything as it was, and says so on the page."""
    system = system_actor(workspace_id)
    try:
        with database.scope(workspace_id) as session:
            services.revert(session, system, import_id=import_id, now=database_now(session))
    except Exception as error:
        log.exception("revert_failed", import_id=str(import_id))
        with database.scope(workspace_id) as session:
            code = error.code if isinstance(error, AppError) else "crashed"
            services.give_up(session, system, import_id=import_id, error=code, now=database_now(session))
        raise


def export(database: Database, *, workspace_id: UUID, export_id: UUID, folder: Path) -> None:
    """Write an export to its file; called again after a kill it begins anew. What fails is said on its page."""
    system = system_actor(workspace_id)
    try:
        _export(database, workspace_id, export_id, folder)
    except Exception as error:
        log.exception("export_failed", export_id=str(export_id))
        with database.scope(workspace_id) as session:
            row = queries.export(session, system, export_id=export_id, lock=True)
            code = error.code if isinstance(error, AppError) else "crashed"
            services.give_up_export(session, system, row=row, error=code, now=database_now(session))
        if not isinstance(error, AppError):
            raise


def _export(database: Database, workspace_id: UUID, export_id: UUID, folder: Path) -> None:
    system = system_actor(workspace_id)
    with database.scope(workspace_id) as session:
        row = queries.export(session, system, export_id=export_id, lock=True)
        if row.state not in {ExportState.QUEUED, ExportState.RUNNING}:
            return
        row.state, now = ExportState.RUNNING.value, database_now(session)
        maker = _exporter(session, row)
        where = queries.whom(session, maker, query=row.query, now=now)
        total = contacts.count_people(session, maker, where=where)
        own = queries.own_columns(session, maker)
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    with tempfile.TemporaryFile(dir=folder) as target:
        writer = writing.writer(
            ExportFormat(row.format),
            target,
            headers=[*row.headers, *map(heading, own)],
            delimiter=row.delimiter,
            own=[Own(field.key) for field in own],
        )
        people = _People(maker, where, total, own)
        try:
            done = _write(database, row, writer, people=people)
        finally:
            writer.close()
        target.seek(0)
        with database.scope(workspace_id) as session:
            row = queries.export(session, system, export_id=export_id, lock=True)
            row.people = done
            services.keep(session, system, row=row, folder=folder, stream=target, now=database_now(session))


@dataclass(frozen=True, slots=True)
class _People:
    """Who is written, for whom, how many they probably are, and which own fields of theirs."""

    maker: Actor
    where: ContactFilter
    total: int
    own: tuple[FieldShape, ...]


def _write(database: Database, row: Export, writer: writing.Writer, *, people: _People) -> int:
    """Write everybody, part by part, each in a short transaction; returns how many they were."""
    system, done, last = system_actor(row.workspace_id), 0, None
    while True:
        with database.scope(row.workspace_id) as session:
            part = contacts.people_in_order(
                session, people.maker, where=people.where, behind_id=last, limit=EXPORT_ROWS
            )
            for line in queries.rows(session, people.maker, people=part, own=people.own):
                writer.add(line)
            done += len(part)
            _advance(session, system, row, done=done, total=max(people.total, done))
        if len(part) < EXPORT_ROWS:
            return done
        last = part[-1].id


def _exporter(session: Session, row: Export) -> Actor:
    """Who asked for it, with the rights of now; a token works with its role."""
    if row.created_by_id is None:
        space = session.get_one(Workspace, row.workspace_id)
        role = Role(row.role)
        return Actor(
            workspace_id=row.workspace_id,
            kind=ActorKind.TOKEN,
            role=role,
            token_id=row.token_id,
            sees=sees(role, space.record_access),
            time_zone=space.time_zone,
        )
    maker = accounts.member_actor(session, workspace_id=row.workspace_id, user_id=row.created_by_id)
    if maker is None or not maker.may(Permission.EXPORT):
        raise ForbiddenError(worded("Who asked for this export may not have it any more."), code="maker_gone")
    return maker


def _advance(session: Session, system: Actor, row: Export, *, done: int, total: int) -> None:
    if row.progress_id is not None:
        now = database_now(session)
        progress.advance(session, system, progress_id=row.progress_id, done=done, total=total, now=now)


@contextmanager
def _without_collections() -> Iterator[None]:
    """Keep the garbage collector from looking again and again through a part's rows, which go all at once."""
    collects = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if collects:
            gc.enable()


def fail(database: Database, *, workspace_id: UUID, import_id: UUID, error: Exception) -> None:
    """Mark an import as failed; what was loaded stays, and the counts say how much."""
    actor = system_actor(workspace_id)
    log.error("import_failed", import_id=str(import_id), exc_info=error)
    with database.scope(workspace_id) as session:
        row = queries.get(session, actor, import_id=import_id, lock=True)
        code = error.code if isinstance(error, AppError) else "crashed"
        services.finish(session, actor, row=row, error=code, now=database_now(session))
