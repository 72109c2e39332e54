"""Waking workers: one job per thing, none lost for good to a killed worker, no page broken by a queue that is down."""

import os
import subprocess
import sys
from uuid import uuid4

import pytest
import redis
from rq import Worker
from rq.job import Job
from rq.serializers import JSONSerializer

import workers
from crm.jobs import KINDS, JobName, JobQueue, QueueName


@pytest.fixture
def queue(valkey_url):
    with redis.Redis.from_url(valkey_url) as connection:
        connection.flushall()
        yield JobQueue(valkey_url)
        connection.flushall()


def test_a_job_waits_once_per_id(queue: JobQueue):
    account, other, workspace = uuid4(), uuid4(), uuid4()
    assert queue.wake(account, workspace_id=workspace)
    assert not queue.wake(account, workspace_id=workspace)
    assert queue.wake(other, workspace_id=workspace)
    assert queue.waiting() == {QueueName.OUTREACH: 2, QueueName.BACKGROUND: 0}


def test_a_job_carries_ids_only_and_goes_to_the_queue_of_its_name(queue: JobQueue):
    company = uuid4()
    queue.enqueue(JobName.ENRICH, id=f"company:{company}", company_id=company)
    [job_id] = queue._queues[QueueName.BACKGROUND].job_ids
    job = Job.fetch(job_id, connection=queue._connection, serializer=JSONSerializer)
    assert job.func_name == "workers.run"
    assert list(job.args) == ["enrichment.fetch", {"company_id": str(company)}]
    assert job.timeout == KINDS[JobName.ENRICH].timeout


def test_a_queue_that_is_down_loses_no_request(tmp_path):
    queue = JobQueue(f"unix://{tmp_path}/nobody.sock")
    assert not queue.wake(uuid4(), workspace_id=uuid4())


def test_the_id_of_a_failed_job_is_free_again(queue: JobQueue):
    queue.enqueue(JobName.ENRICH, id="company:1", company_id="1")
    [job_id] = queue._queues[QueueName.BACKGROUND].job_ids
    Job.fetch(job_id, connection=queue._connection, serializer=JSONSerializer).set_status("failed")
    assert queue.enqueue(JobName.ENRICH, id="company:1", company_id="1")


def killed_worker(queue: JobQueue, job_id: str, *, host: str) -> Worker:
    """A worker that took the job and whose process is gone."""
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    worker = Worker([queue._queues[QueueName.BACKGROUND]], connection=queue._connection, serializer=JSONSerializer)
    worker.hostname, worker.pid = host, process.pid
    worker.register_birth()
    job = Job.fetch(job_id, connection=queue._connection, serializer=JSONSerializer)
    queue._queues[QueueName.BACKGROUND].remove(job_id)
    worker.prepare_execution(job)
    worker.prepare_job_execution(job)
    return worker


def test_a_killed_workers_job_is_freed_by_the_next_worker_on_the_machine(queue: JobQueue):
    queue.enqueue(JobName.ENRICH, id="company:1", company_id="1")
    [job_id] = queue._queues[QueueName.BACKGROUND].job_ids
    killed_worker(queue, job_id, host=os.uname().nodename)
    assert not queue.enqueue(JobName.ENRICH, id="company:1", company_id="1")
    assert queue.forget_dead_workers() == 1
    assert queue.enqueue(JobName.ENRICH, id="company:1", company_id="1")
    assert queue.listeners() == []


def test_another_machines_worker_is_left_alone(queue: JobQueue):
    queue.enqueue(JobName.ENRICH, id="company:1", company_id="1")
    [job_id] = queue._queues[QueueName.BACKGROUND].job_ids
    worker = killed_worker(queue, job_id, host="another-machine")
    assert queue.forget_dead_workers() == 0
    assert [(listener.name, listener.host) for listener in queue.listeners()] == [(worker.name, "another-machine")]
    queue._connection.delete(worker.key)
    assert queue.enqueue(JobName.ENRICH, id="company:1", company_id="1"), "its heartbeat has expired"


def frozen_worker(queue: JobQueue) -> None:
    """A worker that took the only sending job and doesn't go on, and is there for all that anybody knows."""
    [job_id] = queue._queues[QueueName.OUTREACH].job_ids
    worker = Worker([queue._queues[QueueName.OUTREACH]], connection=queue._connection, serializer=JSONSerializer)
    worker.register_birth()
    queue._queues[QueueName.OUTREACH].remove(job_id)
    job = Job.fetch(job_id, connection=queue._connection, serializer=JSONSerializer)
    worker.prepare_execution(job)
    worker.prepare_job_execution(job)


def test_a_sending_job_that_runs_for_too_long_keeps_nobody_else_from_being_woken(valkey_url, queue: JobQueue):
    account, workspace = uuid4(), uuid4()
    hurried = JobQueue(valkey_url, patience=0.0)
    assert hurried.wake(account, workspace_id=workspace)
    frozen_worker(hurried)
    assert not hurried.wake(account, workspace_id=workspace), "seen running for the first time"
    assert hurried.wake(account, workspace_id=workspace)
    assert not hurried.wake(account, workspace_id=workspace), "one beside it is enough"
    assert hurried.waiting()[QueueName.OUTREACH] == 1
    assert not queue.wake(account, workspace_id=workspace), "with patience it is left alone"


def test_every_job_name_has_a_queue_and_a_handler():
    assert set(KINDS) == set(JobName)
    assert set(workers.HANDLERS) == set(JobName)


@pytest.mark.parametrize("name", JobName)
def test_every_handler_exists(name: JobName):
    assert callable(workers.handler(name))


def test_an_error_in_a_handler_ends_the_job_and_is_counted(monkeypatch):
    def broken(_runtime, **_ids):
        raise ValueError("broken")

    monkeypatch.setattr(workers, "handler", lambda _name: broken)
    monkeypatch.setattr(workers, "runtime", lambda: None)
    before = workers.FAILED_JOBS.labels(job="enrichment.fetch")._value.get()
    workers.run("enrichment.fetch", {"company_id": "1"})
    assert workers.FAILED_JOBS.labels(job="enrichment.fetch")._value.get() == before + 1
