"""Use cases of imports: take a file, decide what its columns mean, start, and load one part of the rows."""

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import IO, Any
from uuid import UUID

from sqlalchemy import insert, select
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.orm import Session

from crm.accounts.kinds import Permission, ProgressState
from crm.accounts.rules import Actor
from crm.accounts.services import audit, progress
from crm.consent import granting
from crm.consent.kinds import Basis
from crm.contacts import loading
from crm.db import new_id, sent_ahead
from crm.errors import ConflictError, InvalidInputError, worded
from crm.files import services as files
from crm.lifecycle import queries
from crm.lifecycle.kinds import ImportMode, ImportState
from crm.lifecycle.models import Import, RefusedRow, RememberedMapping
from crm.lifecycle.planning import Action, Plan, plan
from crm.lifecycle.rules import reading
from crm.lifecycle.rules.columns import Target, guess, problems
from crm.lifecycle.rules.people import ReadRow

KIND = "import"


class MappingError(InvalidInputError):
    """The meaning of the columns is not usable; `fields` names each column."""

    code = "bad_mapping"


class ImportStateError(ConflictError):
    """The import has been started or has ended."""

    code = "import_started"


def upload(
    session: Session, actor: Actor, *, folder: Path, name: str, stream: IO[bytes], limit: int, now: datetime
) -> Import:
    """Keep the file and guess how it is written and what its columns mean.

    A mapping that somebody chose for the same header before is offered again. Raises `UnreadableFileError` or
    `FileTooLargeError`.
    """
    actor.require(Permission.IMPORT)
    stored = files.store(
        session,
        folder=folder,
        name=name,
        media_type="text/csv",
        stream=stream,
        limit=limit,
        created_by_id=actor.user_id,
    )
    try:
        with files.open_file(session, folder=folder, file_id=stored.id) as file:
            dialect, columns = reading.open_table(file)
    except reading.UnreadableFileError:
        files.path_of(folder, stored.id).unlink(missing_ok=True)
        raise
    remembered = session.scalars(
        select(RememberedMapping.mapping).where(RememberedMapping.header_hash == _header_hash(columns))
    ).one_or_none()
    row = Import(
        file_id=stored.id,
        file_name=stored.name,
        encoding=dialect.encoding,
        delimiter=dialect.delimiter,
        columns=columns,
        mapping=remembered or {column: target.value for column, target in guess(columns).items()},
        source=stored.name,
        created_by_id=actor.user_id,
        created_at=now,
    )
    session.add(row)
    session.flush()
    return row


@dataclass(frozen=True, slots=True, kw_only=True)
class Choices:
    """What a person decides about an import before it starts."""

    mapping: dict[str, str]
    mode: ImportMode
    basis: Basis
    source: str
    tag: str = ""


def configure(session: Session, actor: Actor, *, import_id: UUID, choices: Choices, now: datetime) -> Import:
    """Store the choices and remember the mapping for this header; raises `MappingError`, `ImportStateError`."""
    row = queries.get(session, actor, import_id=import_id, lock=True)
    _require_state(row, ImportState.UPLOADED)
    try:
        mapping = queries.targets(choices.mapping)
    except ValueError as error:
        raise MappingError(worded("A column has an unknown meaning."), fields={"mapping": str(error)}) from error
    wrong = problems(mapping, row.columns)
    if wrong:
        raise MappingError(
            wrong.get("", worded("Some columns are not usable.")), fields={k: v for k, v in wrong.items() if k}
        )
    if not choices.source.strip():
        raise InvalidInputError(fields={"source": worded("Say where they come from.")})
    row.mapping = {column: mapping.get(column, Target.IGNORE).value for column in row.columns}
    row.mode, row.basis = choices.mode.value, choices.basis.value
    row.source, row.tag = choices.source.strip(), choices.tag.strip()
    session.flush()
    session.execute(
        upsert(RememberedMapping)
        .values(
            id=new_id(),
            workspace_id=actor.workspace_id,
            header_hash=_header_hash(row.columns),
            mapping=row.mapping,
            at=now,
        )
        .on_conflict_do_update(index_elements=["workspace_id", "header_hash"], set_={"mapping": row.mapping, "at": now})
    )
    return row


def start(session: Session, actor: Actor, *, import_id: UUID, folder: Path, now: datetime) -> Import:
    """Queue the import; the edge wakes a worker after the commit. Raises `ImportStateError`."""
    row = queries.get(session, actor, import_id=import_id, lock=True)
    _require_state(row, ImportState.UPLOADED)
    with files.open_file(session, folder=folder, file_id=row.file_id) as file:
        total = sum(1 for _ in queries.numbered(file, row))
    work = progress.start(
        session,
        actor,
        kind=KIND,
        title=row.file_name,
        object_id=row.id,
        total=total,
        url=f"/imports/{row.id}",
        now=now,
    )
    row.state, row.progress_id = ImportState.QUEUED.value, work.id
    session.flush()
    # On what basis people may be written to is a decision of whoever starts it.
    told = {"file": row.file_name, "rows": total, "basis": row.basis, "source": row.source}
    audit.record(session, actor, action="import.started", object_kind=KIND, object_id=row.id, after=told)
    return row


def load_part(
    session: Session,
    actor: Actor,
    *,
    row: Import,
    rows: Sequence[ReadRow],
    now: datetime,
    meanwhile: Callable[[], None] = lambda: None,
) -> list[Plan]:
    """Load the `rows` and count them, all in the caller's transaction: a kill can't count a row twice.

    `meanwhile` is called as soon as the database has enough to do.
    """
    plans = plan(session, actor, rows=rows, mode=ImportMode(row.mode))
    people = [_completed(entry.loaded, row) for entry in plans if entry.loaded is not None]
    places = loading.find_places(session, people=people)
    basis = Basis(row.basis)
    consents = granting.unsaid(
        session,
        pairs=[
            (entry.loaded.contact_id, channel)
            for entry in plans
            if entry.loaded is not None and entry.person is not None
            for channel, _, _ in entry.person.addresses
        ],
        known={person.contact_id for person in people if not person.is_new},
        basis=basis,
    )
    loading.retire_facts(session, people=people)
    # All that has to be read is known; from here the database writes while the rows of the next table are made.
    with sent_ahead(session):
        loading.add_people(session, people=people, places=places)
        meanwhile()
        source = loading.Source(row.file_name, row.id)
        loading.add_details(session, actor, people=people, places=places, source=source, now=now)
        granting.grant_many(
            session,
            actor,
            pairs=consents,
            basis=basis,
            source=f"{KIND}:{row.id}",
            wording=row.source,
            happened_at=now,
        )
    loading.change_people(session, actor, people=people, places=places, now=now)
    _count(session, row, plans)
    assert row.progress_id is not None, "a running import has a progress row"  # noqa: S101 - set by `start`.
    done = row.created + row.updated + row.unchanged + row.refused
    progress.advance(session, actor, progress_id=row.progress_id, done=done, failed=row.refused, now=now)
    return plans


def finish(session: Session, actor: Actor, *, row: Import, error: str = "", now: datetime) -> None:
    """End the import and its progress; `error` is the code of what stopped it."""
    row.state = (ImportState.FAILED if error else ImportState.DONE).value
    row.finished_at = now
    result: dict[str, Any] = {
        "created": row.created,
        "updated": row.updated,
        "unchanged": row.unchanged,
        "refused": row.refused,
        **({"error": error} if error else {}),
    }
    assert row.progress_id is not None, "a running import has a progress row"  # noqa: S101 - set by `start`.
    state = ProgressState.FAILED if error else ProgressState.DONE
    progress.finish(session, actor, progress_id=row.progress_id, state=state, result=result, now=now)


def _count(session: Session, row: Import, plans: Sequence[Plan]) -> None:
    actions = [entry.action for entry in plans]
    row.created += actions.count(Action.CREATE)
    row.updated += actions.count(Action.UPDATE)
    row.unchanged += actions.count(Action.UNCHANGED)
    row.refused += actions.count(Action.REFUSE)
    row.next_row = max((entry.row for entry in plans), default=row.next_row)
    refused = [
        {
            "id": new_id(),
            "workspace_id": row.workspace_id,
            "import_id": row.id,
            "row": entry.row,
            "column": entry.column,
            "code": entry.code,
            "values": entry.cells,
        }
        for entry in plans
        if entry.action is Action.REFUSE
    ]
    if refused:
        session.execute(insert(RefusedRow), refused)
    session.flush()


def _completed(person: loading.Loaded, row: Import) -> loading.Loaded:
    """The person with what the import says of everybody: its tag, and where those who are new came from.

    A column that says where somebody came from says more; the others came from somewhere before.
    """
    tags = (*person.tags, row.tag) if row.tag else person.tags
    if not person.is_new or person.values.get("came_from"):
        return replace(person, tags=tags)
    return replace(person, tags=tags, values={**person.values, "came_from": row.source})


def _require_state(row: Import, state: ImportState) -> None:
    if row.state != state:
        raise ImportStateError(worded("This import was started already."))


def _header_hash(columns: list[str]) -> str:
    return hashlib.sha256(json.dumps(columns, ensure_ascii=False).encode()).hexdigest()
