"""Job names and their queues, waking a worker, and who is listening; the only file of `crm` that knows RQ.

A job is a bell: it carries ids, never content, and PostgreSQL holds what is due. Losing all of Valkey may delay work
until the clock's next look, never lose it.
"""

import os
import re
import socket
import time
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Protocol
from uuid import UUID

import redis
import structlog
from prometheus_client import Counter
from redis.backoff import NoBackoff
from redis.retry import Retry
from rq import Queue, Worker
from rq.exceptions import DuplicateJobError, NoSuchJobError
from rq.job import Job, JobStatus
from rq.serializers import JSONSerializer

log = structlog.get_logger(__name__)

ENTRY_POINT = "workers.run"
ANSWER_SECONDS = 2.0

REFUSED_WAKE_UPS = Counter(
    "crm_wake_ups_lost_total", "Wake-ups that could not be handed to Valkey; the clock repeats them.", ["job"]
)


class QueueName(StrEnum):
    """One queue per worker process: sending stays prompt while an import or a crawl runs."""

    OUTREACH = "outreach"
    BACKGROUND = "background"


class JobName(StrEnum):
    """Every kind of work a worker can be woken for; `workers.HANDLERS` names the function of each."""

    SEND_DUE = "outreach.send_due"
    RECEIVE = "outreach.receive"
    READ_BACK = "outreach.read_back"
    READ_MAILBOX = "outreach.read_mailbox"
    POLL = "outreach.poll"
    SEND_DIGEST = "outreach.send_digest"
    RUN_IMPORT = "lifecycle.run_import"
    REVERT_IMPORT = "lifecycle.revert_import"
    RUN_EXPORT = "lifecycle.run_export"
    FINISH_ERASURE = "lifecycle.finish_erasure"
    BRING_HISTORY = "interactions.bring_history"
    KEEP_RETENTION = "lifecycle.keep_retention"
    ENRICH = "enrichment.fetch"
    SWEEP_LOYALTY = "loyalty.sweep"
    REFRESH_SEGMENT = "segments.refresh"


@dataclass(frozen=True)
class JobKind:
    """Where a job runs, and after how many seconds it is broken off."""

    queue: QueueName
    timeout: int


# A sending job ends by itself within a minute and is woken again, so that a stop never waits long for it; only a server
# that takes its time at every stage keeps it longer, and to break it off then would leave its messages uncertain.
KINDS: dict[JobName, JobKind] = {
    JobName.SEND_DUE: JobKind(QueueName.OUTREACH, timeout=660),
    JobName.RECEIVE: JobKind(QueueName.OUTREACH, timeout=120),
    # It only begins a thread, so that a platform that is away holds up nobody.
    JobName.POLL: JobKind(QueueName.OUTREACH, timeout=120),
    # A mailbox may answer slowly; it must hold up no message that is due.
    JobName.READ_BACK: JobKind(QueueName.BACKGROUND, timeout=180),
    JobName.READ_MAILBOX: JobKind(QueueName.BACKGROUND, timeout=600),
    JobName.SEND_DIGEST: JobKind(QueueName.BACKGROUND, timeout=180),
    JobName.RUN_IMPORT: JobKind(QueueName.BACKGROUND, timeout=3600),
    JobName.REVERT_IMPORT: JobKind(QueueName.BACKGROUND, timeout=3600),
    JobName.RUN_EXPORT: JobKind(QueueName.BACKGROUND, timeout=3600),
    # It goes part by part and begins anew without harm.
    JobName.FINISH_ERASURE: JobKind(QueueName.BACKGROUND, timeout=3600),
    JobName.BRING_HISTORY: JobKind(QueueName.BACKGROUND, timeout=3600),
    JobName.KEEP_RETENTION: JobKind(QueueName.BACKGROUND, timeout=3600),
    JobName.ENRICH: JobKind(QueueName.BACKGROUND, timeout=300),
    JobName.SWEEP_LOYALTY: JobKind(QueueName.BACKGROUND, timeout=600),
    JobName.REFRESH_SEGMENT: JobKind(QueueName.BACKGROUND, timeout=300),
}


@dataclass(frozen=True)
class Listener:
    """A worker process as Valkey knows it."""

    name: str
    queues: tuple[str, ...]
    host: str
    pid: int
    last_heartbeat: datetime | None


def connect(url: str) -> redis.Redis:
    """A connection that fails at once instead of making a page wait for a server that is down."""
    return redis.Redis.from_url(
        url, socket_connect_timeout=ANSWER_SECONDS, socket_timeout=ANSWER_SECONDS, retry=Retry(NoBackoff(), 0)
    )


class Jobs(Protocol):
    """What the rest of the product needs of a queue."""

    def enqueue(self, name: JobName, *, id: str, **ids: UUID | str | int) -> bool:  # noqa: A002 - the job's own id.
        """Wake a worker; False when it is awake already or can't be woken."""
        ...

    def wake(self, account_id: UUID, *, workspace_id: UUID) -> bool:
        """Tell the sender that an account may have messages due now."""
        ...


class JobQueue:
    """The way to wake workers; one per process.

    `patience` is how many seconds a sending job may run before another worker is woken beside it: its process may be
    frozen, and work is claimed row by row, so one too many is harmless.
    """

    def __init__(self, url: str, *, patience: float = 60.0) -> None:
        self.url = url
        self._patience = patience
        # Since when (monotonic) this process has seen a job run, with the start that RQ noted for it.
        self._seen: dict[str, tuple[str, float]] = {}
        self._connection = connect(url)
        self._queues = {
            name: Queue(name.value, connection=self._connection, serializer=JSONSerializer) for name in QueueName
        }

    def enqueue(self, name: JobName, *, id: str, **ids: UUID | str | int) -> bool:  # noqa: A002 - the job's own id.
        """Wake a worker for `name` with `ids`; call it after the commit.

        `id` is what the job is about ("account:<uuid>"): while one with the same name and id waits or runs, no second
        is made.
        True when a new job was made. Never raises for a Valkey that is down: it is logged and counted, and the clock
        finds the same work in PostgreSQL.
        """
        # RQ takes only these characters in an id.
        job_id = re.sub(r"[^A-Za-z0-9_-]", "-", f"{name.value}-{id}")
        try:
            if self._push(name, job_id, ids):
                return True
            return name is JobName.SEND_DUE and self._is_overdue(job_id) and self._push(name, f"{job_id}-beside", ids)
        except redis.RedisError as error:
            REFUSED_WAKE_UPS.labels(job=name.value).inc()
            log.warning("wake_up_lost", job=name.value, id=id, error=type(error).__name__)
            return False

    def wake(self, account_id: UUID, *, workspace_id: UUID) -> bool:
        """Tell the sender that an account may have messages due now."""
        return self.enqueue(
            JobName.SEND_DUE, id=f"account:{account_id}", workspace_id=workspace_id, account_id=account_id
        )

    def _push(self, name: JobName, job_id: str, ids: dict[str, UUID | str | int]) -> bool:
        for _attempt in range(2):
            try:
                self._queues[KINDS[name].queue].enqueue_call(
                    ENTRY_POINT,
                    args=(name.value, {key: str(value) for key, value in ids.items()}),
                    job_id=job_id,
                    unique=True,
                    timeout=KINDS[name].timeout,
                    result_ttl=0,
                    failure_ttl=0,
                    description=name.value,
                )
            except DuplicateJobError:
                if not self._forget_ended(job_id):
                    return False
            else:
                return True
        return False

    def _is_overdue(self, job_id: str) -> bool:
        """Whether the job has been running for too long, by this process's own clock: other machines' may be wrong."""
        try:
            job = Job.fetch(job_id, connection=self._connection, serializer=JSONSerializer)
        except NoSuchJobError:
            return False
        if job.get_status(refresh=False) != JobStatus.STARTED:
            self._seen.pop(job_id, None)
            return False
        started = str(job.started_at)
        known, since = self._seen.get(job_id, ("", 0.0))
        if known != started:
            self._seen[job_id] = (started, time.monotonic())
            return False
        return time.monotonic() - since >= self._patience

    def _forget_ended(self, job_id: str) -> bool:
        """Delete a job that will not run any more, so that its id is free again; False when it waits or runs."""
        try:
            job = Job.fetch(job_id, connection=self._connection, serializer=JSONSerializer)
        except NoSuchJobError:
            return True
        status = job.get_status(refresh=False)
        if status == JobStatus.STARTED:
            worker_key = f"{Worker.redis_worker_namespace_prefix}{job.worker_name}"
            if self._connection.exists(worker_key):
                return False
        elif status not in {JobStatus.FAILED, JobStatus.FINISHED, JobStatus.STOPPED, JobStatus.CANCELED}:
            return False
        job.delete()
        return True

    def forget_dead_workers(self) -> int:
        """Free the jobs of workers that were killed on this machine; returns how many there were.

        Otherwise a killed worker's job would hold its id until its heartbeat expires, minutes later. Freeing one too
        many is harmless: work is claimed row by row in PostgreSQL.
        """
        dead = 0
        for worker in Worker.all(connection=self._connection):
            if worker.hostname != socket.gethostname() or worker.pid is None or _alive(worker.pid):
                continue
            for execution in worker.get_current_executions():
                try:
                    Job.fetch(execution.job_id, connection=self._connection, serializer=JSONSerializer).delete()
                except NoSuchJobError:
                    continue
            worker.register_death()
            dead += 1
        return dead

    def listeners(self) -> list[Listener]:
        """The worker processes that are registered now; raises `redis.RedisError` when Valkey is down."""
        return [
            Listener(
                name=worker.name,
                queues=tuple(worker.queue_names()),
                host=worker.hostname or "",
                pid=worker.pid or 0,
                last_heartbeat=worker.last_heartbeat,
            )
            for worker in Worker.all(connection=self._connection)
        ]

    def waiting(self) -> dict[QueueName, int]:
        """How many jobs wait in each queue; raises `redis.RedisError` when Valkey is down."""
        return {name: queue.count for name, queue in self._queues.items()}

    def version(self) -> str:
        """The version of the server; raises `redis.RedisError` when it is down."""
        information = self._connection.info("server")
        words = information if isinstance(information, dict) else {}
        return str(words.get("valkey_version") or words.get("redis_version") or "")


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
