"""A look at a source whose worker was killed, or whose wake-up was lost, is asked for again by the clock."""

from datetime import timedelta
from typing import cast

from crm.accounts.models import Workspace
from crm.db import database_now, new_id
from crm.enrichment.kinds import RunState, SourceName
from crm.enrichment.models import EnrichmentRun, EnrichmentSource
from crm.jobs import JobName, JobQueue
from workers import clock


class Wakes:
    """A queue that remembers what it was asked for."""

    def __init__(self) -> None:
        self.jobs: list[tuple[JobName, str, object, object]] = []

    def enqueue(self, name, *, id, workspace_id, run_id) -> bool:  # noqa: A002 - the queue's own word.
        self.jobs.append((name, id, workspace_id, run_id))
        return True


def test_lost_looks_are_asked_for_again(fresh_database):
    database, wakes, workspace_id = fresh_database.database, Wakes(), new_id()
    minute, hour, month = timedelta(minutes=1), timedelta(hours=1), timedelta(days=30)
    with database.scope(workspace_id) as session:
        now = database_now(session)
        session.add(Workspace(id=workspace_id, name="Lanterna", slug=f"w-{workspace_id.hex}"))
        switch = EnrichmentSource(source=SourceName.WEBSITE, is_on=True, always_prefer=[])
        session.add(switch)
        session.flush()

        def run(state, *, age, started=None):
            row = EnrichmentRun(source=SourceName.WEBSITE, state=state, created_at=now - age)
            row.started_at = None if started is None else now - started
            session.add(row)
            session.flush()
            return row.id

        lost = {run(RunState.QUEUED, age=minute), run(RunState.RUNNING, age=hour, started=hour)}
        run(RunState.QUEUED, age=timedelta(seconds=1))
        run(RunState.RUNNING, age=hour, started=minute)
        run(RunState.DONE, age=hour, started=hour)
        run(RunState.QUEUED, age=month)

    clock.wake_for_enrichment(clock.Clock(database, cast("JobQueue", wakes)))
    assert sorted(wakes.jobs) == sorted((JobName.ENRICH, f"run:{run_id}", workspace_id, run_id) for run_id in lost)

    with database.scope(workspace_id) as session:
        session.get_one(EnrichmentSource, switch.id).is_on = False
    wakes.jobs.clear()
    clock.wake_for_enrichment(clock.Clock(database, cast("JobQueue", wakes)))
    assert wakes.jobs == []
