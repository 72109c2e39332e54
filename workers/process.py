"""One worker process: RQ's loop on one queue, forking for heavy work, in the same process for sending."""

import os
import signal
import sys
from contextlib import suppress
from types import FrameType
from typing import NoReturn

import redis
from rq import SimpleWorker, Worker
from rq.executions import Execution
from rq.job import Job
from rq.queue import Queue
from rq.serializers import JSONSerializer
from rq.worker.base import BaseWorker

from crm.embedded.launch import follow_parent
from crm.jobs import KINDS, JobQueue, QueueName
from crm.settings import Settings
from workers import STOP, handler, runtime
from workers.watch import miss_clock

# A dead worker is forgotten within this many seconds (RQ adds a minute of its own).
WORKER_TTL_SECONDS = 75
MAINTENANCE_SECONDS = 30
LONGEST_RECONNECT_PAUSE_SECONDS = 5.0


class CalmWorker(BaseWorker):
    """What both kinds share: jobs don't suffer from a Valkey that is away, and a stop that was asked for is known."""

    max_connection_wait_time = LONGEST_RECONNECT_PAUSE_SECONDS
    was_asked_to_stop = False

    def request_stop(self, signum: int, frame: FrameType | None) -> None:
        """Remember the wish: RQ ends its loop in the same way when it gives up."""
        self.was_asked_to_stop = STOP.was_asked_for = True
        super().request_stop(signum, frame)

    def set_shutdown_requested_date(self) -> None:
        """Leave the running job alone: this is called by the signal, in the middle of it."""
        with suppress(redis.RedisError):
            super().set_shutdown_requested_date()

    def maintain_heartbeats(self, job: Job, execution: Execution) -> None:
        """Let a long job go on: RQ would end the worker, and the job with it."""
        with suppress(redis.RedisError):
            super().maintain_heartbeats(job, execution)


class SendingWorker(CalmWorker, SimpleWorker):
    """Runs jobs in its own process, so that connections to mail servers are kept between them.

    Between jobs it misses the clock, which nobody else would.
    """

    def run_maintenance_tasks(self) -> None:
        """RQ's own chores, and a look at the clock."""
        super().run_maintenance_tasks()
        miss_clock(runtime().database)


class ForkingWorker(CalmWorker, Worker):
    """Runs every job in a fork, so that a crash or a leak in an import or a parser ends with that job."""

    def main_work_horse(self, job: Job, queue: Queue) -> NoReturn:
        """End with the worker: a job that outlives a killed worker would run beside its own repetition."""
        follow_parent(signal.SIGKILL)
        STOP.comes_with_job = True
        if os.getppid() != self.pid:
            os._exit(1)
        super().main_work_horse(job, queue)


def prepare(queue: QueueName) -> None:
    """Import what the jobs of `queue` need, where each runs in a fork: else each would import it again, for 1.6 s."""
    if _forks(queue):
        for name, kind in KINDS.items():
            if kind.queue is queue:
                handler(name)


def _forks(queue: QueueName) -> bool:
    return queue is not QueueName.OUTREACH


def work(settings: Settings, queue: QueueName, *, forks: bool | None = None) -> None:
    """Work on `queue` until SIGTERM or SIGINT; a job that runs then is finished first.

    `forks` runs each job in a fork, or none; by default sending doesn't and everything else does.

    Raises `SystemExit` with 1 when RQ gave up by itself, as it can when Valkey goes away: whoever supervises the
    process starts it again.
    """
    JobQueue(settings.redis_url).forget_dead_workers()
    in_forks = _forks(queue) if forks is None else forks
    worker_class = ForkingWorker if in_forks else SendingWorker
    worker = worker_class(
        [queue.value],
        connection=redis.Redis.from_url(settings.redis_url),
        serializer=JSONSerializer,
        worker_ttl=WORKER_TTL_SECONDS,
        maintenance_interval=MAINTENANCE_SECONDS,
        log_job_description=False,
    )
    worker.work(logging_level="WARNING")
    if not worker.was_asked_to_stop:
        sys.exit(1)
