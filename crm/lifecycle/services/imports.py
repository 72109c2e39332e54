"""Use cases of imports: take a file, decide what its columns mean, start, and load one part of the rows."""

import hashlib
import json
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import islice
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
from crm.contacts import loading, loading_custom
from crm.contacts import queries as contacts
from crm.contacts.custom_rules import FieldShape
from crm.contacts.kinds import ChangeSetKind, CustomSubject, Lifecycle
from crm.contacts.queries import Scope, scope
from crm.db import new_id, sent_ahead
from crm.errors import ConflictError, InvalidInputError, Worded, worded
from crm.files import services as files
from crm.lifecycle import queries
from crm.lifecycle.kinds import ImportMode, ImportState, MatchKey
from crm.lifecycle.models import Import, RefusedRow, RememberedMapping
from crm.lifecycle.planning import Action, Plan, plan
from crm.lifecycle.rules import columns, guessing, reading, tables
from crm.lifecycle.rules.people import ReadRow
from crm.lifecycle.services.changes import RowChange, close_change_set, open_change_set, record_changes

KIND = "import"
#: Characters kept of each cell of a refused row; longer than any value may be, so that what is wrong can be seen.
KEPT_OF_CELL = 6000


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
    given = {"folder": folder, "name": name, "media_type": "text/csv", "created_by_id": actor.user_id}
    stored = files.store(session, stream=stream, limit=limit, **given)
    try:
        with files.open_file(session, folder=folder, file_id=stored.id) as file:
            if tables.is_csv(file):
                dialect, header = reading.open_table(file)
                table = tables.Table(tables.FileKind.CSV, header, {}, iter(()))
            else:
                dialect, table = tables.OWN, tables.open_table(file)
                with tempfile.TemporaryFile(dir=folder) as written:
                    tables.write(table, written)
                    written.seek(0)
                    # What was sent may hold pictures and much else; only what is imported is kept.
                    files.remove(session, folder=folder, file_id=stored.id)
                    stored = files.store(session, stream=written, limit=tables.MAX_TABLE, **given)
    except reading.UnreadableFileError:
        files.remove(session, folder=folder, file_id=stored.id)
        raise
    row = Import(
        file_id=stored.id,
        file_name=stored.name,
        kind=table.kind.value,
        encoding=dialect.encoding,
        delimiter=dialect.delimiter,
        columns=table.columns,
        source=stored.name,
        created_by_id=actor.user_id,
        created_at=now,
    )
    own = contacts.custom_fields(session, actor, subject=CustomSubject.CONTACT)
    _suggest(session, row, table, own=own, folder=folder)
    session.add(row)
    session.flush()
    return row


def _suggest(session: Session, row: Import, table: tables.Table, *, own: Sequence[FieldShape], folder: Path) -> None:
    with files.open_file(session, folder=folder, file_id=row.file_id) as file:
        sample = [cells for _, cells in islice(queries.numbered(file, row), guessing.SAMPLE_ROWS)]
    offered = guessing.suggest(
        kind=table.kind, name=row.file_name, columns=table.columns, certain=table.meanings, rows=sample, own=own
    )
    wanted = select(RememberedMapping.mapping).where(RememberedMapping.header_hash == _header_hash(table.columns))
    remembered = session.scalars(wanted).one_or_none()
    row.mapping = {column: target.value for column, target in offered.mapping.items()}
    if remembered:
        # A field that was archived since takes nothing any more.
        row.mapping = columns.living(remembered, own, instead=offered.mapping)
    row.program = offered.program or ""
    row.month_first = offered.month_first
    row.new_lifecycle = offered.new_lifecycle or ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Choices:
    """What a person decides about an import before it starts."""

    mapping: dict[str, str]
    mode: ImportMode
    basis: Basis
    source: str
    tag: str = ""
    match: MatchKey = MatchKey.ANY
    month_first: bool = False
    new_lifecycle: Lifecycle | None = None


def configure(session: Session, actor: Actor, *, import_id: UUID, choices: Choices, now: datetime) -> Import:
    """Store the choices and remember the mapping for this header; raises `MappingError`, `ImportStateError`."""
    row = queries.get(session, actor, import_id=import_id, lock=True)
    _require_state(row, ImportState.UPLOADED)
    try:
        mapping = queries.targets(choices.mapping)
    except ValueError as error:
        raise MappingError(worded("A column has an unknown meaning."), fields={"mapping": str(error)}) from error
    fields = contacts.custom_fields(session, actor, subject=CustomSubject.CONTACT)
    wrong = columns.problems(mapping, row.columns, {field.key for field in fields})
    if wrong:
        raise MappingError(
            wrong.get("", worded("Some columns are not usable.")), fields={k: v for k, v in wrong.items() if k}
        )
    if not choices.source.strip():
        raise InvalidInputError(fields={"source": worded("Say where they come from.")})
    row.mapping = {column: mapping.get(column, columns.Target.IGNORE).value for column in row.columns}
    row.mode, row.basis, row.match = choices.mode.value, choices.basis.value, choices.match.value
    row.month_first, row.new_lifecycle = choices.month_first, choices.new_lifecycle or ""
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
    changes = open_change_set(session, actor, kind=ChangeSetKind.IMPORT, title=row.file_name, source_id=row.id, now=now)
    row.state, row.progress_id, row.change_set_id = ImportState.QUEUED.value, work.id, changes.id
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
    plans = plan(session, actor, rows=rows, mode=ImportMode(row.mode), match=MatchKey(row.match), tag=row.tag)
    owner_id = actor.user_id if scope(actor) is Scope.OWN else None
    people = [_completed(entry.loaded, row, owner_id=owner_id) for entry in plans if entry.loaded is not None]
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
        written = loading.add_details(session, actor, people=people, places=places, source=source, now=now)
        _record(session, row, new=[person.contact_id for person in people if person.is_new], places=places)
        granting.grant_many(
            session,
            actor,
            pairs=consents,
            basis=basis,
            source=f"{KIND}:{row.id}",
            wording=row.source,
            happened_at=now,
        )
    written += loading.change_people(session, actor, people=people, places=places, now=now)
    own = [
        loading_custom.LoadedValue(person.contact_id, field, value)
        for person in people
        for field, value in person.own.items()
    ]
    if own:
        written += loading_custom.add_custom_values(
            session,
            actor,
            subject=CustomSubject.CONTACT,
            values=own,
            source=source,
            fresh_owners={person.contact_id for person in people if person.is_new},
            now=now,
        )
    _record(session, row, written=written)
    _count(session, row, plans)
    assert row.progress_id is not None, "a running import has a progress row"  # noqa: S101 - set by `start`.
    done = row.created + row.updated + row.unchanged + row.refused
    progress.advance(session, actor, progress_id=row.progress_id, done=done, failed=row.refused, now=now)
    return plans


def _record(
    session: Session,
    row: Import,
    *,
    new: Sequence[UUID] = (),
    places: loading.Places | None = None,
    written: Sequence[loading.Written] = (),
) -> None:
    """Note what the part did, so that the whole import can be taken back."""
    changes = [RowChange.insert("contact", contact_id) for contact_id in new]
    changes += [RowChange.insert("company", company_id) for company_id in (places.new_companies if places else ())]
    for one in written:
        whose = {"contact_id": one.contact_id}
        if one.before is None:
            changes.append(RowChange.insert(one.table, one.row_id, after=one.after, **whose))
        elif one.after is None:
            changes.append(RowChange.delete(one.table, one.row_id, before=one.before, **whose))
        else:
            changes.append(RowChange.update(one.table, one.row_id, before=one.before, after=one.after, **whose))
    if changes and row.change_set_id is not None:
        record_changes(session, change_set_id=row.change_set_id, changes=changes)


def finish(session: Session, actor: Actor, *, row: Import, error: str = "", now: datetime) -> None:
    """End the import and its progress; `error` is the code of what stopped it."""
    row.state = (ImportState.FAILED if error else ImportState.DONE).value
    row.finished_at = now
    if row.change_set_id is not None:
        close_change_set(session, change_set_id=row.change_set_id)
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
            "values": [cell[:KEPT_OF_CELL] for cell in entry.cells],
            "told": _kept_apart(entry.sentence),
        }
        for entry in plans
        if entry.action is Action.REFUSE
    ]
    if refused:
        session.execute(insert(RefusedRow), refused)
    session.flush()


def _kept_apart(sentence: str) -> dict[str, Any]:
    """A sentence that the reader's language is found for later."""
    if isinstance(sentence, Worded):
        return {"sentence": sentence.sentence, "values": dict(sentence.values)}
    return {"sentence": sentence} if sentence else {}


def _completed(person: loading.Loaded, row: Import, *, owner_id: UUID | None) -> loading.Loaded:
    """The person, with what the import says of all who are new: their source and stage, where no column says it.

    Who sees nobody but their own people owns those whom they bring in.

    Those who were known came from somewhere before, and may be customers by now.
    """
    if not person.is_new:
        return person
    of_all: dict[str, Any] = {"owner_id": owner_id} if owner_id else {}
    of_all |= {"came_from": row.source, **({"lifecycle": row.new_lifecycle} if row.new_lifecycle else {})}
    told = {name: value for name, value in person.values.items() if value}
    return replace(person, values={**person.values, **of_all, **told})


def _require_state(row: Import, state: ImportState) -> None:
    if row.state != state:
        raise ImportStateError(worded("This import was started already."))


def _header_hash(header: list[str]) -> str:
    return hashlib.sha256(json.dumps(header, ensure_ascii=False).encode()).hexdigest()
