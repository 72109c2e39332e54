"""Keeps the state of long work: started by a request, moved on by a worker, ended with a result and the bell."""

from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from crm.accounts.kinds import ProgressState
from crm.accounts.models import Progress
from crm.accounts.rules import Actor
from crm.accounts.services import notifications
from crm.errors import NotFoundError

#: Parts take a few seconds, and the clock wakes what stands still for fifteen (`crm_open_work`).
STILL_AFTER: Final = timedelta(seconds=30)
ENDED = frozenset({ProgressState.DONE, ProgressState.FAILED, ProgressState.CANCELLED})


def start(
    session: Session,
    actor: Actor,
    *,
    kind: str,
    title: str,
    object_id: UUID | None = None,
    total: int | None = None,
    url: str = "",
    now: datetime,
) -> Progress:
    """A new piece of long work, queued; `kind` is a row of `places.WORDS`, `url` is where its result is found."""
    row = Progress(
        kind=kind,
        title=title,
        object_id=object_id,
        total=total,
        url=url,
        created_by_id=actor.user_id,
        state=ProgressState.QUEUED,
        done=0,
        failed=0,
        created_at=now,
        updated_at=now,
        result={},
    )
    session.add(row)
    session.flush()
    return row


def advance(
    session: Session,
    actor: Actor,  # noqa: ARG001 - every service receives it.
    *,
    progress_id: UUID,
    done: int,
    failed: int = 0,
    total: int | None = None,
    now: datetime,
) -> Progress:
    """Set how many are done and failed so far, and that it runs; work that ended or was cancelled stays as it is."""
    row = _locked(session, progress_id)
    if ProgressState(row.state) not in ENDED:
        row.state = ProgressState.RUNNING
        row.done, row.failed, row.updated_at = done, failed, now
        if total is not None:
            row.total = total
        session.flush()
    return row


def finish(
    session: Session,
    actor: Actor,
    *,
    progress_id: UUID,
    state: ProgressState = ProgressState.DONE,
    result: dict[str, Any] | None = None,
    url: str | None = None,
    now: datetime,
) -> Progress:
    """End the work with its result and ring the bell of who started it; a second end changes nothing."""
    row = _locked(session, progress_id)
    if ProgressState(row.state) in ENDED:
        return row
    row.state, row.updated_at = state, now
    row.result = result or {}
    if url is not None:
        row.url = url
    session.flush()
    if row.created_by_id is not None:
        notifications.notify(
            session,
            actor,
            user_ids=[row.created_by_id],
            kind=f"progress.{state.value}",
            params={"title": row.title, "done": row.done, "failed": row.failed, "of": row.kind},
            url=row.url or f"/progress/{row.id}",
            now=now,
        )
    return row


def stands_still(row: Progress, *, now: datetime) -> bool:
    """Whether the work has not ended and nobody moved it for so long that somebody may want to wake it."""
    return ProgressState(row.state) not in ENDED and now - row.updated_at >= STILL_AFTER


def _locked(session: Session, progress_id: UUID) -> Progress:
    row = session.scalar(select(Progress).where(Progress.id == progress_id).with_for_update())
    if row is None:
        raise NotFoundError
    return row
