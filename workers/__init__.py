"""What runs outside requests: the table of job handlers and the one function that RQ calls."""

import importlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any

import structlog
from prometheus_client import Counter

from crm.db import Database
from crm.jobs import JobName, JobQueue
from crm.settings import Settings

log = structlog.get_logger(__name__)

FAILED_JOBS = Counter("crm_jobs_failed_total", "Jobs that ended with an unexpected error.", ["job"])

# A name is imported when its first job comes, so that a sending process doesn't carry the importer's libraries; a
# process that forks imports those of its queue before.
HANDLERS: dict[JobName, str] = {
    JobName.SEND_DUE: "workers.outreach:send_due",
    JobName.RECEIVE: "workers.outreach:receive",
    JobName.READ_BACK: "workers.outreach:read_back",
    JobName.READ_MAILBOX: "workers.outreach:read_mailbox",
    JobName.POLL: "workers.listening:poll",
    JobName.SEND_DIGEST: "workers.digests:send_digest",
    JobName.RUN_IMPORT: "workers.lifecycle:run_import",
    JobName.REVERT_IMPORT: "workers.lifecycle:revert_import",
    JobName.RUN_EXPORT: "workers.lifecycle:run_export",
    JobName.FINISH_ERASURE: "workers.lifecycle:finish_erasure",
    JobName.KEEP_RETENTION: "workers.lifecycle:keep_retention",
    JobName.BRING_HISTORY: "workers.interactions:bring_history",
    JobName.ENRICH: "workers.enrichment:fetch",
    JobName.SWEEP_LOYALTY: "workers.loyalty:sweep",
    JobName.REFRESH_SEGMENT: "workers.segments:refresh",
}


class Stop:
    """How this process ends: when it was asked to, or with its job."""

    #: Work in slices leaves the next one to its successor.
    was_asked_for = False
    #: Nothing may go on beside the next job, because there is none.
    comes_with_job = False


#: Set by a signal, in the middle of whatever the process is at; so it is a plain value.
STOP = Stop()


@dataclass(frozen=True)
class Runtime:
    """What a handler gets besides its ids: settings, the database (without a pool) and the queue."""

    settings: Settings
    database: Database
    jobs: JobQueue


@cache
def runtime() -> Runtime:
    """This process's runtime, made once.

    NullPool, because a worker forks: a pooled connection shared by parent and child would mix their conversations.
    """
    from crm.wiring import handlers

    settings = Settings.load()
    return Runtime(
        settings=settings,
        database=Database(
            settings.database_url, handlers=handlers(), pooled=False, idle_seconds=settings.lease_seconds
        ),
        jobs=JobQueue(settings.redis_url),
    )


def handler(name: JobName) -> Callable[..., None]:
    """The function behind a job name: called with the runtime and the ids (text) by keyword."""
    module, _, function = HANDLERS[name].partition(":")
    return getattr(importlib.import_module(module), function)


def run(name: str, ids: dict[str, Any]) -> None:
    """Run one job.

    An error is logged and counted and ends the job: what is still due stays due in PostgreSQL, so RQ keeps no list of
    failures and retries nothing.
    """
    with structlog.contextvars.bound_contextvars(job=name, **ids):
        try:
            handler(JobName(name))(runtime(), **ids)
        except Exception:
            FAILED_JOBS.labels(job=name).inc()
            log.exception("job_failed")
