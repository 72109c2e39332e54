"""Worker processes: a job is finished before a stop, ends with a killed worker, and outlives a restart of Valkey."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest
import redis

from crm.embedded import ValkeyServer
from crm.jobs import JobName, JobQueue, QueueName

pytestmark = pytest.mark.journey

ROOT = Path(__file__).resolve().parents[2]

# Jobs of both queues run `slow`: it says that it began, waits for the file `go` and says that it is done.
WORKER = """
import os, sys, threading
from pathlib import Path
import workers
from crm.jobs import JobName, QueueName
from crm.settings import Settings
from workers.process import work

def slow(_runtime, *, folder):
    place = Path(folder)
    (place / "began").write_text(str(os.getpid()))
    while not (place / "go").exists():
        threading.Event().wait(0.02)
    (place / "done").write_text("")

for name in (JobName.ENRICH, JobName.SEND_DUE):
    workers.HANDLERS[name] = "__main__:slow"
workers.runtime = lambda: None
work(Settings.load(redis_url=sys.argv[1]), QueueName(sys.argv[2]))
"""

# A worker looks at the database between its jobs, and goes on when it is away.
AWAY = {"DATABASE_URL": "postgresql+psycopg://crm_app@127.0.0.1:1/crm"}

NAMES = {QueueName.BACKGROUND: JobName.ENRICH, QueueName.OUTREACH: JobName.SEND_DUE}


def eventually(condition: Callable[[], object], seconds: float = 30.0) -> bool:
    """Look at a condition until it holds: True then, False when it still doesn't after `seconds`."""
    until = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > until:
            return False
        threading.Event().wait(0.02)
    return True


@pytest.fixture
def start_worker() -> Iterator[Callable[..., subprocess.Popen]]:
    started: list[subprocess.Popen] = []

    def start(url: str, queue: QueueName) -> subprocess.Popen:
        environment = os.environ | AWAY | {"REDIS_URL": url, "PYTHONPATH": str(ROOT)}
        started.append(subprocess.Popen([sys.executable, "-c", WORKER, url, queue], env=environment))
        return started[-1]

    yield start
    for process in started:
        process.kill()
        process.wait()


@pytest.fixture
def queue(valkey_url: str) -> Iterator[JobQueue]:
    with redis.Redis.from_url(valkey_url) as connection:
        connection.flushall()
        yield JobQueue(valkey_url)
        connection.flushall()


@pytest.mark.parametrize("name", list(QueueName))
def test_a_running_job_is_finished_before_a_stop(queue: JobQueue, start_worker, tmp_path: Path, name: QueueName):
    worker = start_worker(queue.url, name)
    queue.enqueue(NAMES[name], id="1", folder=str(tmp_path))
    assert eventually((tmp_path / "began").exists)
    worker.send_signal(signal.SIGTERM)
    (tmp_path / "go").write_text("")
    assert worker.wait(30) == 0
    assert (tmp_path / "done").exists()


def test_a_job_ends_with_a_killed_worker_and_can_be_begun_again(queue: JobQueue, start_worker, tmp_path: Path):
    first = start_worker(queue.url, QueueName.BACKGROUND)
    queue.enqueue(JobName.ENRICH, id="1", folder=str(tmp_path))
    assert eventually(lambda: (tmp_path / "began").exists() and (tmp_path / "began").read_text())
    fork = int((tmp_path / "began").read_text())
    assert fork != first.pid
    first.kill()
    first.wait()
    assert eventually(lambda: not psutil.pid_exists(fork) or psutil.Process(fork).status() == psutil.STATUS_ZOMBIE)
    (tmp_path / "began").unlink()
    (tmp_path / "go").write_text("")
    start_worker(queue.url, QueueName.BACKGROUND)
    assert eventually(lambda: queue.enqueue(JobName.ENRICH, id="1", folder=str(tmp_path)))
    assert eventually((tmp_path / "done").exists)


def test_a_worker_goes_on_or_ends_with_an_error_when_valkey_lost_everything(
    start_worker, tmp_path: Path, tmp_path_factory
):
    home = tmp_path_factory.mktemp("queue")
    for folder in (home, *home.parents[:3]):
        if folder.stat().st_uid == os.geteuid():
            folder.chmod(folder.stat().st_mode | 0o011)
    (tmp_path / "go").write_text("")
    with ValkeyServer(home) as valkey:
        queue = JobQueue(valkey.url)
        worker = start_worker(valkey.url, QueueName.BACKGROUND)
        assert eventually(queue.listeners)
        assert valkey.process is not None
        valkey.process.kill()
        valkey.process.wait()
        assert not queue.enqueue(JobName.ENRICH, id="1", folder=str(tmp_path))
        for path in (home / "valkey" / "appendonlydir").iterdir():
            path.unlink()
        valkey.start()
        assert queue.enqueue(JobName.ENRICH, id="1", folder=str(tmp_path))
        assert eventually(lambda: (tmp_path / "done").exists() or worker.poll() is not None)
        if not (tmp_path / "done").exists():
            assert worker.returncode == 1
            start_worker(valkey.url, QueueName.BACKGROUND)
        assert eventually((tmp_path / "done").exists)
