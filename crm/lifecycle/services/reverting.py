"""Takes a whole import back: asked for by a person, done by a worker, with the count of what later work kept."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy.orm import Session

from crm.accounts.kinds import ProgressState
from crm.accounts.models import Progress
from crm.accounts.rules import Actor
from crm.accounts.services import audit, progress
from crm.errors import ConflictError, worded
from crm.lifecycle import queries
from crm.lifecycle.kinds import ImportState
from crm.lifecycle.models import Import
from crm.lifecycle.services.changes import NotUndoableError, undo, undoable

KIND = "import.revert"
ENDED = frozenset({ProgressState.DONE, ProgressState.FAILED, ProgressState.CANCELLED})


class NotRevertibleError(ConflictError):
    """The import is under way, was taken back already, or its time is over."""

    code = "not_revertible"


def ask_to_revert(session: Session, actor: Actor, *, import_id: UUID, now: datetime) -> Import:
    """Queue the work; the edge wakes a worker after the commit. Raises `NotRevertibleError`."""
    row = queries.get(session, actor, import_id=import_id, lock=True)
    if row.state not in {ImportState.DONE, ImportState.FAILED} or row.change_set_id is None:
        raise NotRevertibleError(worded("This import can’t be taken back."))
    work = session.get(Progress, row.revert_progress_id) if row.revert_progress_id else None
    if work is not None and ProgressState(work.state) not in ENDED:
        raise NotRevertibleError(worded("This import is being taken back already."))
    try:
        undoable(session, actor, change_set_id=row.change_set_id, now=now)
    except NotUndoableError as error:
        raise NotRevertibleError(error.message, code=error.code) from error
    work = progress.start(
        session, actor, kind=KIND, title=row.file_name, object_id=row.id, url=f"/imports/{row.id}", now=now
    )
    row.revert_progress_id = work.id
    session.flush()
    audit.record(session, actor, action="import.reverted", object_kind="import", object_id=row.id)
    return row


def revert(session: Session, actor: Actor, *, import_id: UUID, now: datetime) -> None:
    """Do it, in the caller's transaction; a second call finds it done and does nothing."""
    row = queries.get(session, actor, import_id=import_id, lock=True)
    work = session.get(Progress, row.revert_progress_id) if row.revert_progress_id else None
    if work is None or row.change_set_id is None or ProgressState(work.state) in ENDED:
        return
    done = undo(session, actor, change_set_id=row.change_set_id, now=now)
    result: dict[str, Any] = {
        "people_removed": done.people_removed,
        "people_kept": done.people_kept,
        "restored": done.restored + done.returned,
        "removed": done.removed,
        "kept": done.kept_because_later,
    }
    progress.finish(session, actor, progress_id=work.id, result=result, now=now)


def give_up(session: Session, actor: Actor, *, import_id: UUID, error: str, now: datetime) -> None:
    """Mark the work as failed; it can be asked for again."""
    row = queries.get(session, actor, import_id=import_id, lock=True)
    if row.revert_progress_id is not None:
        ended = {"state": ProgressState.FAILED, "result": {"error": error}, "now": now}
        progress.finish(session, actor, progress_id=row.revert_progress_id, **ended)
