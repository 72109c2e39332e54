"""The job of a sender: one account whose server hangs keeps no other from sending, and is never begun twice."""

import threading
from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest
from outreach.test_runner import Sending
from structlog.testing import capture_logs

import workers
from crm.db import new_id
from crm.jobs import QueueName
from crm.outreach import runner
from crm.settings import Settings
from workers import Runtime
from workers import outreach as job


@dataclass
class Jobs:
    """A queue in which so many others wait."""

    others: int = 1

    def waiting(self) -> dict[QueueName, int]:
        return {QueueName.OUTREACH: self.others}


@dataclass
class JobsBehind:
    """A queue in which another waits as soon as a message of this account is under way."""

    account: Sending

    def waiting(self) -> dict[QueueName, int]:
        return {QueueName.OUTREACH: self.account.states().count("sending")}


@dataclass
class Runs:
    """Stands in for the runs: each account's ends when it may."""

    begun: list[str] = field(default_factory=list)
    may_end: dict[str, threading.Event] = field(default_factory=dict)
    error: Exception | None = None

    def run(self, _database, *, account_id, **_named) -> runner.Report:
        self.begun.append(str(account_id))
        gate = self.may_end.get(str(account_id))
        if gate is not None:
            assert gate.wait(30)
        if self.error is not None:
            raise self.error
        return runner.Report(claimed=1)


@pytest.fixture
def runs(monkeypatch) -> Iterator[Runs]:
    made = Runs()
    monkeypatch.setattr(runner, "run", made.run)
    monkeypatch.setattr(job, "SLICE_SECONDS", 0.0)
    monkeypatch.setattr(job, "GRACE_SECONDS", 0.0)
    yield made
    for gate in made.may_end.values():
        gate.set()
    job.wait_for_those_behind()


@pytest.fixture
def accounts() -> tuple[str, str]:
    return str(new_id()), str(new_id())


@pytest.fixture
def send(settings: Settings):
    return lambda account, *, others=1: job.send_due(
        Runtime(settings, None, Jobs(others)), workspace_id=str(new_id()), account_id=account
    )


def test_an_account_whose_server_hangs_is_left_behind_and_not_begun_twice(runs, send, accounts):
    hanging, other = accounts
    runs.may_end[hanging] = threading.Event()
    send(hanging)
    send(hanging)
    send(other)
    assert runs.begun == [hanging, other]
    runs.may_end[hanging].set()
    job.wait_for_those_behind()
    send(hanging)
    assert runs.begun == [hanging, other, hanging]


def test_nobody_is_left_behind_for_nobody(runs, send, accounts, monkeypatch):
    hanging, _other = accounts
    runs.may_end[hanging] = threading.Event()
    asked = []

    def nobody(_runtime) -> bool:
        asked.append(True)
        runs.may_end[hanging].set()
        return False

    monkeypatch.setattr(job, "_others_wait", nobody)
    send(hanging)
    assert asked
    assert job.wait_for_those_behind() == 0


def end_after_some_looks(runs: Runs, account: str, monkeypatch) -> list[float | None]:
    """Let the run of `account` end once the job has waited for it five times; the waits."""
    runs.may_end[account] = threading.Event()
    original, looks = job._Slice.join, []

    def join(self, timeout=None) -> None:
        looks.append(timeout)
        if len(looks) == 5:
            runs.may_end[account].set()
        original(self, timeout)

    monkeypatch.setattr(job._Slice, "join", join)
    monkeypatch.setattr(job, "LOOK_SECONDS", 0.01)
    return looks


def test_a_process_that_ends_with_its_job_leaves_nothing_behind(runs, send, accounts, monkeypatch):
    monkeypatch.setattr(workers.STOP, "comes_with_job", True)
    looks = end_after_some_looks(runs, accounts[0], monkeypatch)
    send(accounts[0])
    assert len(looks) >= 5
    assert job.wait_for_those_behind() == 0


def test_no_more_are_left_behind_than_the_process_can_carry(runs, send, accounts, monkeypatch):
    monkeypatch.setattr(job, "MOST_BEHIND", 1)
    first, second = accounts
    runs.may_end[first] = threading.Event()
    send(first)
    looks = end_after_some_looks(runs, second, monkeypatch)
    send(second)
    assert len(looks) >= 5
    runs.may_end[first].set()
    assert job.wait_for_those_behind() == 1


class TooLongError(Exception):
    """What the time limit of a job raises."""


def test_a_run_that_outlives_its_job_is_not_begun_twice(runs, send, accounts, monkeypatch):
    hanging, _other = accounts
    runs.may_end[hanging] = threading.Event()

    def strike(_runtime) -> bool:
        raise TooLongError

    monkeypatch.setattr(job, "_others_wait", strike)
    with pytest.raises(TooLongError):
        send(hanging)
    send(hanging)
    assert runs.begun == [hanging]


def test_an_error_is_the_job_s_or_where_it_is_over_in_the_log(runs, send, accounts):
    hanging, other = accounts
    runs.error = LookupError("a bug")
    with pytest.raises(LookupError):
        send(other)
    runs.may_end[hanging] = threading.Event()
    with capture_logs() as logs:
        send(hanging)
        runs.may_end[hanging].set()
        job.wait_for_those_behind()
    assert [line["event"] for line in logs if line["log_level"] == "error"] == ["job_failed"]


def test_a_message_of_another_account_leaves_while_a_server_holds_its_answer_back(
    fresh_database, monkeypatch, settings: Settings
):
    houses = [Sending(fresh_database, monkeypatch) for _ in range(2)]
    by_account = {house.account_id: house for house in houses}
    monkeypatch.setattr(runner, "connect", lambda spec: by_account[spec.account_id]._connect(spec))
    monkeypatch.setattr(job, "SLICE_SECONDS", 0.0)
    monkeypatch.setattr(job, "GRACE_SECONDS", 0.0)
    monkeypatch.setattr(job, "LOOK_SECONDS", 0.02)
    # However slow this machine is, a run gets as far as the server that hangs.
    whole = runner.run
    monkeypatch.setattr(runner, "run", lambda *given, **named: whole(*given, **{**named, "seconds": 30.0}))
    hanging, other = houses
    hanging.write("slow", "News")
    other.write("News")
    for house in houses:
        job.send_due(
            Runtime(settings, house.database, JobsBehind(hanging) if house is hanging else Jobs(0)),
            workspace_id=str(house.workspace_id),
            account_id=str(house.account_id),
        )
    assert other.states() == ["sent"]
    assert "sending" in hanging.states()
    hanging.slow_may_answer.set()
    job.wait_for_those_behind()
    assert hanging.states() == ["sent", "sent"]
    runner.close_lines()
