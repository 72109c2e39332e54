"""Owns change sets: imports, bulk edits and merges record what they do to each row, and are taken back as a whole.

How to use it:

1. `open_change_set` before the first row is written, once. An import gives its own id as `source_id`, which is also
   the `source_id` of the facts that it writes.
2. `record_changes` beside each statement that writes, in the same transaction, with many changes at once. Any number
   of calls, over any number of transactions.
3. `close_change_set` when all is written (also when the work failed half-way: what was written can be undone then).
4. `undo`, once, until `undo_until`. After that the night takes the values away (`crm.lifecycle.nightly`).

What to record:

- **A person or company that is new**: one `RowChange.insert("contact", id, contact_id=id)`, nothing else. Addresses,
  places, facts, tags and consents that came with it go along with it.
- **A value of somebody known**: `RowChange.update("contact", id, before={column: old}, after={column: new})` with the
  columns of the table, also those that follow from others (`display_name`, `sort_name`, `first_name_norm`,
  `title_norm`, `city_norm`, `company_id`, `birth_day`...). Their facts need no record: after the undo they speak of
  the values that are there then. The facts of own fields are recorded: the new one as inserted, the old one's state.
- **A row beside somebody known** (address, tag, place, value of an own field): `insert`, `update` or `delete` of that
  row. `after` of an insert holds the columns by which one sees that nobody changed it since (an empty one: always goes
  away); `before` of a delete is the whole row, `row_of(entity)`.
- Only tables of `crm.lifecycle.restorable.TABLES` are put back; a further table is one line there. If its rows come
  along with a new person, it also stands in `COMES_ALONG`.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import date, datetime, timedelta
from enum import Enum
from typing import Any, Final
from uuid import UUID

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from crm.accounts.kinds import Permission
from crm.accounts.rules import Actor
from crm.accounts.services import audit
from crm.channels.sentences import N_
from crm.contacts import queries as contacts
from crm.contacts.change_models import Change, ChangeSet
from crm.contacts.kinds import ChangeAction, ChangeSetKind, ChangeSetState
from crm.contacts.models import Contact
from crm.db import Base, insert_rows, new_id
from crm.errors import ConflictError, NotFoundError, worded
from crm.lifecycle.restorable import TABLES
from crm.lifecycle.restoring import Restoring
from crm.lifecycle.rules.retention import UNDO_DAYS

#: Who may make, see and undo change sets of each kind.
RIGHTS: Final[Mapping[ChangeSetKind, Permission]] = {
    ChangeSetKind.IMPORT: Permission.IMPORT,
    ChangeSetKind.BULK_EDIT: Permission.BULK_EDIT,
    ChangeSetKind.MERGE: Permission.MERGE,
}


class ChangeSetNotFoundError(NotFoundError):
    """No such change set for this actor."""

    code = "change_set_not_found"


class NotUndoableError(ConflictError):
    """It was undone already, is still under way, or its time is over (`code` says which)."""

    code = "not_undoable"


@dataclass(frozen=True, slots=True, kw_only=True)
class RowChange:
    """What happened to one row of `table`; see the module for what to record.

    `before` and `after` hold columns by name with plain values (texts, numbers, ids, dates, times, None, JSON).
    `contact_id` is the person whose data these are; for the table `contact` it is the row itself.
    """

    table: str
    row_id: UUID
    action: ChangeAction
    before: Mapping[str, Any] = field(default_factory=dict[str, Any])
    after: Mapping[str, Any] = field(default_factory=dict[str, Any])
    contact_id: UUID | None = None

    @classmethod
    def insert(
        cls, table: str, row_id: UUID, *, after: Mapping[str, Any] | None = None, contact_id: UUID | None = None
    ) -> "RowChange":
        """A row that was not there."""
        return cls(table=table, row_id=row_id, action=ChangeAction.INSERT, after=after or {}, contact_id=contact_id)

    @classmethod
    def update(
        cls,
        table: str,
        row_id: UUID,
        *,
        before: Mapping[str, Any],
        after: Mapping[str, Any],
        contact_id: UUID | None = None,
    ) -> "RowChange":
        """Columns of a row that changed; both sides name the same columns."""
        return cls(
            table=table, row_id=row_id, action=ChangeAction.UPDATE, before=before, after=after, contact_id=contact_id
        )

    @classmethod
    def delete(
        cls, table: str, row_id: UUID, *, before: Mapping[str, Any], contact_id: UUID | None = None
    ) -> "RowChange":
        """A row that went away, with all its columns (`row_of`)."""
        return cls(table=table, row_id=row_id, action=ChangeAction.DELETE, before=before, contact_id=contact_id)


@dataclass(frozen=True, slots=True, kw_only=True)
class Undone:
    """What an undo did: values put back, rows taken away and brought back, people taken away.

    `kept_because_later` values and rows, and `people_kept`, are as somebody left them after the change set.
    """

    restored: int
    removed: int
    returned: int
    people_removed: int
    people_kept: int
    kept_because_later: int


def row_of(entity: Base) -> dict[str, Any]:
    """All columns of a loaded row but computed ones, as `RowChange.delete` takes them."""
    table = entity.__table__
    return {column.name: getattr(entity, column.key) for column in table.columns if column.computed is None}


def open_change_set(
    session: Session, actor: Actor, *, kind: ChangeSetKind, title: str, source_id: UUID | None = None, now: datetime
) -> ChangeSet:
    """Begin a change set; needs the right of its kind. `title` is what people read, without names of persons."""
    actor.require(RIGHTS[kind])
    row = ChangeSet(
        id=new_id(),
        workspace_id=actor.workspace_id,
        kind=kind.value,
        title=title,
        source_id=source_id,
        created_by_id=actor.user_id,
        created_at=now,
        undo_until=now + timedelta(days=UNDO_DAYS),
    )
    session.add(row)
    session.flush()
    return row


def record_changes(session: Session, *, change_set_id: UUID, changes: Sequence[RowChange]) -> None:
    """Note what happened to rows, with one statement for all of them; it reads nothing and can be in `sent_ahead`.

    Raises `ValueError` for a table that no undo may touch.
    """
    strange = {change.table for change in changes} - TABLES.keys()
    if strange:
        raise ValueError(f"no undo may touch {sorted(strange)}: see crm.lifecycle.restorable")
    rows = [
        {
            "contact_id": change.contact_id or (change.row_id if change.table == "contact" else None),
            "table_name": change.table,
            "row_id": change.row_id,
            "action": change.action.value,
            "before": _json(change.before),
            "after": _json(change.after),
        }
        for change in changes
    ]
    insert_rows(
        session,
        Change,
        rows,
        shared={"workspace_id": session.info["workspace_id"], "change_set_id": change_set_id},
    )


def close_change_set(session: Session, *, change_set_id: UUID) -> None:
    """All is written: from here on it can be undone."""
    session.execute(
        update(ChangeSet)
        .where(ChangeSet.id == change_set_id, ChangeSet.state == ChangeSetState.OPEN)
        .values(state=ChangeSetState.DONE)
    )


def undoable(session: Session, actor: Actor, *, change_set_id: UUID, now: datetime) -> ChangeSet:
    """The change set, locked, that may be undone now; raises `ChangeSetNotFoundError`, `NotUndoableError`.

    Of others only what touches nobody but people whom the actor may see.
    """
    wanted = select(ChangeSet).where(ChangeSet.id == change_set_id).with_for_update()
    row = session.scalars(wanted.execution_options(populate_existing=True)).one_or_none()
    if row is None or not actor.may(RIGHTS[ChangeSetKind(row.kind)]) or _touches_others(session, actor, row):
        raise ChangeSetNotFoundError(N_("There is no such change."))
    if row.state == ChangeSetState.UNDONE:
        raise NotUndoableError(N_("This was undone already."), code="undone_already")
    if row.state == ChangeSetState.OPEN:
        raise NotUndoableError(N_("This is still under way."), code="under_way")
    if row.undo_until < now:
        sentence = worded(
            "This could be undone for %(days)s days. What was there before is kept no longer.", days=UNDO_DAYS
        )
        raise NotUndoableError(sentence, code="undo_over")
    return row


def _touches_others(session: Session, actor: Actor, row: ChangeSet) -> bool:
    """Whether it is a colleague's and speaks of somebody whom the actor may not see."""
    if contacts.scope(actor) is contacts.Scope.EVERYTHING or (actor.user_id and row.created_by_id == actor.user_id):
        return False
    hidden = select(Change.row_id).join(Contact, Contact.id == Change.contact_id)
    hidden = hidden.where(Change.change_set_id == row.id, ~contacts.visible(actor))
    return session.scalar(hidden.limit(1)) is not None


def undo(session: Session, actor: Actor, *, change_set_id: UUID, now: datetime) -> Undone:
    """Take a change set back, in the caller's transaction, with a bounded number of statements.

    A value goes back only where it is still what the change set made of it; later work stays and is counted. A new
    person is marked as deleted, unless something later hangs on them. Of two undos at once the second is refused.
    Raises `ChangeSetNotFoundError` and `NotUndoableError`. A merge is undone by `merging.undo_merge`, which calls this.
    """
    row = undoable(session, actor, change_set_id=change_set_id, now=now)
    session.flush()
    tally = Restoring(session, workspace_id=actor.workspace_id, change_set_id=row.id, now=now).run()
    done = Undone(
        restored=tally.restored,
        removed=tally.removed,
        returned=tally.returned,
        people_removed=tally.people_removed,
        people_kept=tally.people_kept,
        kept_because_later=tally.kept,
    )
    session.refresh(row)
    row.state, row.undone_at, row.undone_by_id = ChangeSetState.UNDONE.value, now, actor.user_id
    row.result = asdict(done)
    session.flush()
    audit.record(session, actor, action="changes.undone", object_kind="change_set", object_id=row.id)
    return done


def _json(values: Mapping[str, Any]) -> str:
    return json.dumps(dict(values), default=_plain, ensure_ascii=False)


def _plain(value: object) -> str:
    if isinstance(value, Enum):
        return str(value.value)
    if isinstance(value, datetime | date):
        return value.isoformat()
    return str(value)
