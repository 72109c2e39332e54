"""Long work whose worker was killed, or whose wake-up was lost, goes on without anybody's doing."""

from datetime import timedelta
from typing import cast

import pytest

from crm.accounts.models import Workspace
from crm.accounts.rules import system_actor
from crm.accounts.services import progress
from crm.db import database_now, new_id
from crm.jobs import JobName, JobQueue
from workers import clock


class Wakes:
    """A queue that remembers what it was asked for."""

    def __init__(self) -> None:
        self.jobs: list[tuple[JobName, str]] = []

    def enqueue(self, name, *, id, **_ids) -> bool:  # noqa: A002 - the queue's own word.
        self.jobs.append((name, id))
        return True


def test_work_that_stands_still_is_asked_for_again(fresh_database):
    database, wakes, workspace_id = fresh_database.database, Wakes(), new_id()
    actor, expected = system_actor(workspace_id), set()
    with database.scope(workspace_id) as session:
        now = database_now(session)
        session.add(Workspace(id=workspace_id, name="Lanterna", slug=f"w-{workspace_id.hex}"))
        session.flush()
        for kind, (job, begins, _called) in clock.LONG_WORK.items():
            by_age = {}
            for age in (timedelta(seconds=1), timedelta(minutes=1), timedelta(days=8)):
                by_age[age] = new_id()
                progress.start(session, actor, kind=kind, title="", object_id=by_age[age], now=now - age)
            expected.add((job, f"{begins}:{by_age[timedelta(minutes=1)]}"))
            ended = progress.start(session, actor, kind=kind, title="", object_id=new_id(), now=now)
            progress.finish(session, actor, progress_id=ended.id, now=now - timedelta(minutes=1))

    clock.wake_for_work(clock.Clock(database, cast("JobQueue", wakes)))

    assert sorted(wakes.jobs) == sorted(expected)


@pytest.mark.parametrize(
    ("kind", "begins"),
    [
        ("import", "lifecycle.run_import"),
        ("import.revert", "lifecycle.revert_import"),
        ("export", "export"),
        ("history", "history"),
    ],
)
def test_work_goes_on_under_the_id_that_whoever_starts_it_gives(kind, begins):
    """With another one, two workers would be at it at once."""
    assert clock.LONG_WORK[kind][1] == begins
