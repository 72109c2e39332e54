"""Reads of imports: the list, one with its progress, a preview of rows, the refused rows."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from pathlib import Path
from typing import BinaryIO
from uuid import UUID

from sqlalchemy import ColumnElement, select, true
from sqlalchemy.orm import Session

from crm.accounts import queries as accounts
from crm.accounts.kinds import Permission
from crm.accounts.models import Progress
from crm.accounts.rules import Actor
from crm.contacts import queries as contacts
from crm.contacts.change_models import ChangeSet
from crm.contacts.kinds import ChangeSetState
from crm.db import database_now
from crm.errors import NotFoundError, worded
from crm.files import services as files
from crm.lifecycle.kinds import ImportMode, MatchKey
from crm.lifecycle.models import Import, RefusedRow
from crm.lifecycle.planning import Plan, plan
from crm.lifecycle.rules import reading
from crm.lifecycle.rules.columns import Meaning, meaning
from crm.lifecycle.rules.people import Layout, ReadRow, read_rows
from crm.web.paging import Page, decode_cursor, page_of

PREVIEW_ROWS = 8


class ImportNotFoundError(NotFoundError):
    """No such import in this workspace."""

    code = "import_not_found"


@dataclass(frozen=True, slots=True)
class ImportView:
    """An import, the state of its work (None before it was started), and of taking it back (None if nobody asked).

    `can_revert_until` is None when there is nothing to take back (any more).
    """

    row: Import
    progress: Progress | None
    revert: Progress | None = None
    can_revert_until: datetime | None = None


def get(session: Session, actor: Actor, *, import_id: UUID, lock: bool = False) -> Import:
    """The import; raises `ImportNotFoundError`. `lock` keeps a second worker out."""
    actor.require(Permission.IMPORT)
    wanted = select(Import).where(Import.id == import_id, _seen(actor))
    row = session.scalars(wanted.with_for_update() if lock else wanted).one_or_none()
    if row is None:
        raise ImportNotFoundError(worded("There is no such import."))
    return row


def view(session: Session, actor: Actor, *, import_id: UUID) -> ImportView:
    """The import with its progress."""
    row = get(session, actor, import_id=import_id)
    changes = session.get(ChangeSet, row.change_set_id) if row.change_set_id else None
    is_over = changes is None or changes.state != ChangeSetState.DONE or changes.undo_until < database_now(session)
    return ImportView(
        row,
        session.get(Progress, row.progress_id) if row.progress_id else None,
        revert=session.get(Progress, row.revert_progress_id) if row.revert_progress_id else None,
        can_revert_until=None if changes is None or is_over else changes.undo_until,
    )


def imports(session: Session, actor: Actor, *, after: str | None = None, limit: int = 50) -> Page[Import]:
    """The imports that the actor may see, newest first (ids are ordered by time)."""
    actor.require(Permission.IMPORT)
    wanted = select(Import).where(_seen(actor)).order_by(Import.id.desc()).limit(limit + 1)
    if after:
        wanted = wanted.where(Import.id < decode_cursor(after, UUID)[0])
    return page_of(session.scalars(wanted).all(), limit=limit, key=lambda row: (row.id,))


def _seen(actor: Actor) -> ColumnElement[bool]:
    """Who doesn't see everybody sees the own imports only: a file tells of people, and so do its refused rows.

    A token has no user; it sees those that programs brought in.
    """
    if contacts.scope(actor) in {contacts.Scope.EVERYTHING, contacts.Scope.ALL}:
        return true()
    return Import.created_by_id == actor.user_id


def preview(session: Session, actor: Actor, *, row: Import, folder: Path) -> list[Plan]:
    """What would happen to the first rows with the mapping and mode as they are now."""
    with files.open_file(session, folder=folder, file_id=row.file_id) as file:
        sample = list(islice(numbered(file, row), PREVIEW_ROWS))
    rows = read(sample, row, region=accounts.workspace(session, actor).country)
    return plan(session, actor, rows=rows, mode=ImportMode(row.mode), match=MatchKey(row.match), tag=row.tag)


def samples(session: Session, *, row: Import, folder: Path) -> dict[str, str]:
    """{column: its first value}, shown beside the choice of what the column means."""
    found: dict[str, str] = {}
    with files.open_file(session, folder=folder, file_id=row.file_id) as file:
        for _number, cells in islice(numbered(file, row), 50):
            for column, cell in zip(row.columns, cells, strict=False):
                if cell:
                    found.setdefault(column, cell)
    return found


def numbered(file: BinaryIO, row: Import):  # noqa: ANN201 - an iterator of (row number, cells).
    """(number of the row in the file, cells) behind the header; the header is row 1, empty lines don't count."""
    lines = reading.rows(file, reading.Dialect(row.encoding, row.delimiter))
    next(lines, None)
    return ((number, cells) for number, cells in enumerate(lines, start=2))


def read(rows: Iterable[tuple[int, list[str]]], row: Import, *, region: str) -> tuple[ReadRow, ...]:
    """The numbered `rows` of the file with what each says, phone numbers by the country; needs no database."""
    return read_rows(rows, Layout(row.columns, targets(row.mapping), row.month_first, region))


def targets(mapping: dict[str, str]) -> dict[str, Meaning]:
    """A stored mapping with its meanings; raises `ValueError`."""
    return {column: meaning(value) for column, value in mapping.items()}


def refused(session: Session, actor: Actor, *, import_id: UUID, limit: int | None = None) -> list[RefusedRow]:
    """The rows that did not go in, in the order of the file."""
    get(session, actor, import_id=import_id)
    wanted = select(RefusedRow).where(RefusedRow.import_id == import_id).order_by(RefusedRow.row)
    return list(session.scalars(wanted.limit(limit) if limit else wanted))
