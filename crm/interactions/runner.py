"""Puts brought-in history on the timelines in many short transactions, so that a kill loses and doubles nothing."""

from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import BinaryIO
from uuid import UUID

import structlog

from crm.accounts.rules import system_actor
from crm.clock import zone
from crm.db import Database, database_now
from crm.errors import AppError
from crm.files import services as files
from crm.interactions import queries
from crm.interactions.chats import packed, reading
from crm.interactions.chats.item import Item
from crm.interactions.kinds import HistoryFormat, HistoryState
from crm.interactions.services import history, landing

log = structlog.get_logger(__name__)

PART: int = 500
LIVE = frozenset({HistoryState.QUEUED, HistoryState.RUNNING})


def run(database: Database, *, workspace_id: UUID, history_id: UUID, folder: Path) -> None:
    """Go on behind the last counted part; safe to call again after a kill, and while another worker runs it.

    The row is locked for each part, and a part that somebody else has counted meanwhile is left to them.
    """
    actor = system_actor(workspace_id)
    with database.scope(workspace_id) as session:
        row = queries.history_file(session, actor, history_id=history_id)
        if row.state not in LIVE or row.file_id is None:
            return
        source = files.open_file(session, folder=folder, file_id=row.file_id)
        found = reading.items(
            source,
            HistoryFormat(row.format),
            zone=zone(row.time_zone),
            day_first=row.day_first,
            now=row.created_at,
        )
        begin = row.next_item
    with source:
        beside = landing.Beside(packed.Pack(source).find, folder) if reading.is_packed(_head(source)) else None
        for items in _parts(found, begin):
            if not _land(database, (workspace_id, history_id), items, begin, beside):
                return
            begin += len(items)
    with database.scope(workspace_id) as session:
        row = queries.history_file(session, actor, history_id=history_id, lock=True)
        if row.state in LIVE:
            history.finish(session, actor, row=row, folder=folder, now=database_now(session))


def _head(source: BinaryIO) -> bytes:
    source.seek(0)
    return source.read(4)


def _parts(found: Iterator[Item], begin: int) -> Iterator[list[Item]]:
    left = islice(found, begin, None)
    while part := list(islice(left, PART)):
        yield part


def _land(
    database: Database, row_id: tuple[UUID, UUID], items: list[Item], begin: int, beside: landing.Beside | None
) -> bool:
    """Land one part of (workspace, history); False when it is no longer ours to land."""
    workspace_id, history_id = row_id
    actor = system_actor(workspace_id)
    with database.scope(workspace_id) as session:
        row = queries.history_file(session, actor, history_id=history_id, lock=True)
        if row.state not in LIVE or row.next_item != begin:
            return False
        landing.land_part(session, actor, row=row, items=items, beside=beside, now=database_now(session))
    return True


def fail(database: Database, *, workspace_id: UUID, history_id: UUID, folder: Path, error: Exception) -> None:
    """Mark it as failed; what has landed stays, and the same file brings the rest."""
    actor = system_actor(workspace_id)
    log.error("history_failed", history_id=str(history_id), exc_info=error)
    with database.scope(workspace_id) as session:
        row = queries.history_file(session, actor, history_id=history_id, lock=True)
        if row.state in LIVE:
            code = error.code if isinstance(error, AppError) else "crashed"
            history.finish(session, actor, row=row, folder=folder, error=code, now=database_now(session))
