"""One worker process: RQ's loop on one queue, forking for heavy work, in the same process for sending."""

import os
import signal
from typing import NoReturn

import redis
from rq import SimpleWorker, Worker
from rq.job import Job
from rq.queue import Queue
from rq.serializers import JSONSerializer

from crm.embedded.launch import follow_parent
from crm.jobs import JobQueue, QueueName
from crm.settings import Settings

# A dead worker is forgotten within this many seconds (RQ adds a minute of its own).
WORKER_TTL_SECONDS = 75
MAINTENANCE_SECONDS = 30
LONGEST_RECONNECT_PAUSE_SECONDS = 5.0


class SendingWorker(SimpleWorker):
    """Runs jobs in its own process, so that connections to mail servers are kept between them."""

    max_connection_wait_time = LONGEST_RECONNECT_PAUSE_SECONDS


class ForkingWorker(Worker):
    """Runs every job in a fork, so that a crash or a leak in an import or a parser ends with that job."""

    max_connection_wait_time = LONGEST_RECONNECT_PAUSE_SECONDS

    def main_work_horse(self, job: Job, queue: Queue) -> NoReturn:
        """End with the worker: a job that outlives a killed worker would run beside its own repetition."""
        follow_parent(signal.SIGKILL)
        if os.getppid() != self.pid:
            os._exit(1)
        super().main_work_horse(job, queue)


def work(settings: Settings, queue: QueueName) -> None:
    """Work on `queue` until SIGTERM or SIGINT; a job that runs then is finished first."""
    JobQueue(settings.redis_url).forget_dead_workers()
    worker_class = SendingWorker if queue is QueueName.OUTREACH else ForkingWorker
    worker_class(
        [queue.value],
        connection=redis.Redis.from_url(settings.redis_url),
        serializer=JSONSerializer,
        worker_ttl=WORKER_TTL_SECONDS,
        maintenance_interval=MAINTENANCE_SECONDS,
        log_job_description=False,
    ).work(logging_level="WARNING")
