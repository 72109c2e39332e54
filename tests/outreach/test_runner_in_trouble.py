"""The coordinator when its own house fails: nothing is stranded, and no error passes for another's."""

import os
import time
from collections.abc import Iterator
from datetime import timedelta

import psycopg
import pytest
from outreach.test_runner import Channel, Sending, sending  # noqa: F401 - a fixture
from sqlalchemy import select, text

from crm.channels.base import Outbound
from crm.channels.smtp import Timeouts
from crm.db import database_now
from crm.hub import READ, wait_for
from crm.jobs import KINDS, JobName
from crm.outreach import lines, runner
from crm.outreach.models import Claim
from crm.outreach.services.recover import recover
from workers.outreach import JOB_SECONDS


@pytest.fixture
def bell() -> Iterator[tuple[int, int]]:
    """What a line waits for, and what rings it."""
    heard, rung = os.pipe()
    yield heard, rung
    os.close(heard)
    os.close(rung)


def test_the_trouble_of_a_wave_is_not_taken_for_that_of_a_renewal(sending, monkeypatch, bell):  # noqa: F811
    """The renewal would go on as if nothing had happened, and the run wait for a wave that is no more."""
    sending.write("slow", *["News"] * 10)
    wave, renew, work, chosen, ended = runner.wave, runner.renew, runner._Run._wave, [], []

    def failing(session, actor, **given):
        if not given["finished"] or session is not (chosen or [chosen.append(session), session])[-1]:
            return wave(session, actor, **given)
        assert wait_for(bell[0], READ, until=time.monotonic() + 30.0)
        raise psycopg.OperationalError("the database went away")

    def noting(*given):
        try:
            return work(*given)
        except psycopg.OperationalError:
            ended.append(given)
            raise

    def asking(session, **given):
        os.write(bell[1], b"!")
        while not ended:
            session.execute(text("select 1"))
        return renew(session, **given)

    monkeypatch.setattr(runner, "wave", failing)
    monkeypatch.setattr(runner._Run, "_wave", noting)
    monkeypatch.setattr(runner, "renew", asking)
    monkeypatch.setattr(runner, "FIRST_PAUSE", 0.0)
    with pytest.raises(psycopg.OperationalError, match="went away"):
        sending.run(lease=0.9)
    sending.slow_may_answer.set()


def test_a_bug_in_one_session_keeps_no_row_from_the_other(sending, monkeypatch, bell):  # noqa: F811
    """PostgreSQL sees no deadlock there: one of the two waits in this process."""
    sending.write(*["slow"] * 10)
    claim, renew, renewed = runner.claim, runner.renew, []

    def failing(session, actor, **given):
        claimed = claim(session, actor, **given)
        if given["claim_id"] is None:
            return claimed
        session.execute(text("update claim set worker = worker"))
        assert wait_for(bell[0], READ, until=time.monotonic() + 30.0)
        raise LookupError("a bug")

    def ringing(session, **given):
        os.write(bell[1], b"!")
        renewed.append(renew(session, **given))
        return renewed[-1]

    monkeypatch.setattr(runner, "claim", failing)
    monkeypatch.setattr(runner, "renew", ringing)
    with pytest.raises(LookupError):
        sending.run(lease=0.9)
    sending.slow_may_answer.set()
    assert renewed == [True]


def test_a_commit_that_the_server_finishes_after_it_was_asked_about_strands_nothing(sending, monkeypatch):  # noqa: F811
    """Its attempts are there, this run has not begun them, and nobody may take them for finished."""
    sending.write(*["News"] * 5)
    original, wave, waves, broken = runner.commit, runner.wave, [], []

    def noting(session, *given, **named):
        waves.append(session)
        return wave(session, *given, **named)

    def commit(session):
        original(session)
        if session in waves and not broken:
            broken.append(session)
            raise psycopg.OperationalError("the connection broke during the commit")

    monkeypatch.setattr(runner, "wave", noting)
    monkeypatch.setattr(runner, "commit", commit)
    monkeypatch.setattr(runner, "was_committed", lambda *_given, **_named: False)
    monkeypatch.setattr(runner, "FIRST_PAUSE", 0.0)
    sending.run()
    with sending.database.scope(sending.workspace_id) as session:
        for claim in session.scalars(select(Claim).where(Claim.finished_at.is_(None))):
            claim.leased_until = database_now(session) - timedelta(seconds=1)
            session.flush()
            assert recover(session, sending.actor, claim_id=claim.id, now=database_now(session)) is not None
    # None was marked as handed over, so all go again, and once.
    assert set(sending.states()) == {"scheduled"}
    assert sending.left == []
    monkeypatch.undo()
    monkeypatch.setattr(runner, "connect", sending._connect)
    sending.run()
    assert sending.states() == ["sent"] * 5
    assert len(sending.left) == 5


def test_a_machine_that_slept_beyond_the_lease_asks_for_it_at_once(sending, monkeypatch):  # noqa: F811
    sending.write(*["News"] * 20)
    steady, wave, ahead = lines.steady, runner.wave, [0.0]

    def sleeping(*given, **named):
        ahead[0] = 10_000.0
        return wave(*given, **named)

    monkeypatch.setattr(runner, "wave", sleeping)
    for module in (lines, runner):
        monkeypatch.setattr(module, "steady", lambda: steady() + ahead[0])
    report = sending.run(lease=600.0)
    # What had been begun before may be refused by its line, and is tried again later.
    assert (report.started, report.orphaned, report.has_more) == (20, 0, False)
    assert len(sending.left) == report.sent >= 20 - lines.CONNECTIONS


def test_what_a_thread_still_holds_when_its_run_ends_may_not_leave(sending, monkeypatch):  # noqa: F811
    sending.write("slow", *["News"] * 5)
    held: list[Outbound] = []
    send = Channel.send

    def noting(self, outbound):
        if outbound.subject == "slow":
            held.append(outbound)
        return send(self, outbound)

    def failing(session, actor, *, finished, **given):
        if finished:
            assert held[0].may_leave()
            raise LookupError("a bug")
        return wave(session, actor, finished=finished, **given)

    wave = runner.wave
    monkeypatch.setattr(Channel, "send", noting)
    monkeypatch.setattr(runner, "wave", failing)
    with pytest.raises(LookupError):
        sending.run()
    assert not held[0].may_leave()
    sending.slow_may_answer.set()


def test_a_job_is_given_the_time_that_the_slowest_server_may_take():
    """A run that is broken off leaves messages uncertain that surely did not leave."""
    patience = Timeouts()
    commands = 2 + 1 + 3 + 3  # EHLO before and after the encryption, STARTTLS, a sign-in in three steps, the envelope.
    slowest = 2 * patience.connect + patience.greeting + commands * patience.command + patience.content + patience.final
    # A kept connection may prove dead with its first command.
    assert KINDS[JobName.SEND_DUE].timeout >= JOB_SECONDS + 3 * patience.command + slowest
