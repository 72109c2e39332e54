"""The coordinator with real connections: everything leaves once, refusals stay, and trouble passes."""

import threading
from datetime import timedelta

import psycopg
import pytest
from factories import outreach
from sqlalchemy import func, select, text

from crm.accounts.models import Workspace
from crm.accounts.rules import system_actor
from crm.channels.base import Adapter, ChannelKind, CheckResult, Limits, Outcome, OutcomeKind, Resolved
from crm.channels.smtp import Timeouts
from crm.db import database_now, new_id
from crm.outreach import runner, services
from crm.outreach.lines import CONNECTIONS, Lane
from crm.outreach.models import Claim, Message, SenderAccount
from crm.outreach.services import statements
from crm.outreach.services.recover import recover
from crm.settings import Settings


class Channel:
    """An adapter whose answers are decided by the subject; remembers what left, in which thread."""

    kind = ChannelKind.EMAIL
    limits = Limits()

    def __init__(self, left: list[tuple[str, str]], answer_after: threading.Event) -> None:
        self._left = left
        self._answer_after = answer_after

    def send(self, outbound) -> Outcome:
        if outbound.subject == "slow":
            self._answer_after.wait(60)
        kind = OutcomeKind(outbound.subject) if outbound.subject in set(OutcomeKind) else OutcomeKind.ACCEPTED
        if outbound.subject == "raise":
            raise RuntimeError("a bug in an adapter")
        if kind is OutcomeKind.ACCEPTED:
            self._left.append((outbound.reference, threading.current_thread().name))
        return Outcome(kind=kind, code=f"code_{kind.value}")

    def check(self) -> CheckResult:
        return CheckResult(ok=True)

    def resolve(self, address: str) -> Resolved:
        return Resolved(address=address)

    def find_sent(self, _reference: str) -> None:
        return None

    def parse(self, _raw: bytes) -> tuple[()]:
        return ()

    def close(self) -> None:
        """Nothing is kept."""


class Sending:
    """A committed workspace with one account whose channel is ours."""

    def __init__(self, fresh_database, monkeypatch) -> None:
        self.database = fresh_database.database
        self.workspace_id = new_id()
        self.actor = system_actor(self.workspace_id)
        self.left: list[tuple[str, str]] = []
        self.slow_may_answer = threading.Event()
        monkeypatch.setattr(runner, "connect", self._connect)
        with self.database.scope(self.workspace_id) as session:
            session.add(Workspace(id=self.workspace_id, name="Lanterna", slug=f"w-{self.workspace_id.hex}"))
            session.flush()
            self.account_id = outreach.account(session, self.actor).id
            self.contact_id = outreach.person(session, self.actor)

    def _connect(self, _spec) -> Adapter:
        return Channel(self.left, self.slow_may_answer)

    def write(self, *subjects: str) -> None:
        with self.database.scope(self.workspace_id) as session:
            now = database_now(session)
            for subject in subjects:
                outreach.message(session, self.actor, self.contact_id, subject=subject, send_at=now, now=now)

    def run(self, *, seconds: float = 30.0, lease: float = 60.0) -> runner.Report:
        return runner.run(
            self.database,
            workspace_id=self.workspace_id,
            account_id=self.account_id,
            lease=timedelta(seconds=lease),
            seconds=seconds,
        )

    def under_way_after_each_commit(self, monkeypatch) -> list[int]:
        """Send everything; how many messages were between their attempt and its outcome."""
        original, under_way = runner.commit, []

        def commit(session):
            original(session)
            with self.database.scope(self.workspace_id) as other:
                under_way.append(other.scalar(select(func.count()).where(Message.state == "sending")))

        monkeypatch.setattr(runner, "commit", commit)
        self.run()
        assert set(self.states()) == {"sent"}
        return under_way

    def states(self) -> list[str]:
        with self.database.scope(self.workspace_id) as session:
            return list(session.scalars(select(Message.state).order_by(Message.state)))


@pytest.fixture
def sending(fresh_database, monkeypatch, tmp_path):
    monkeypatch.setattr(runner.handover, "MEMORY", tmp_path)
    runner.handover.attend()
    made = Sending(fresh_database, monkeypatch)
    yield made
    runner.close_lines()


def test_everything_leaves_once_over_several_connections(sending):
    sending.write(*["News"] * 20)
    report = sending.run()
    assert (report.claimed, report.started, report.sent, report.has_more) == (20, 20, 20, False)
    assert sending.states() == ["sent"] * 20
    references = [reference for reference, _ in sending.left]
    assert len(references) == len(set(references)) == 20
    assert len({thread for _, thread in sending.left}) > 1


def test_each_outcome_ends_in_its_state_and_a_raising_adapter_in_doubt(sending):
    sending.write("permanent", "content", "unknown", "retry_later", "accepted", "raise")
    report = sending.run()
    assert report.sent == 1
    assert sending.states() == ["failed", "failed", "scheduled", "sent", "uncertain", "uncertain"]


def test_a_refused_sign_in_stops_the_run_and_burns_nothing(sending):
    sending.write("auth", *["News"] * 30)
    sending.run()
    with sending.database.scope(sending.workspace_id) as session:
        assert session.get_one(SenderAccount, sending.account_id).state == "held"
    assert set(sending.states()) <= {"scheduled", "sent"}
    assert "scheduled" in sending.states()
    assert sending.run().claimed == 0


def test_a_run_whose_time_is_over_gives_back_what_it_claimed(sending):
    sending.write(*["News"] * 10)
    report = sending.run(seconds=-1.0)
    assert (report.started, report.has_more) == (0, True)
    assert sending.states() == ["scheduled"] * 10
    assert sending.run().sent == 10


def test_an_answer_that_takes_longer_than_the_lease_is_still_waited_for(sending, monkeypatch):
    # A server may think about the final dot for as long as the shipped lease lasts: the claim is renewed meanwhile.
    assert timedelta(seconds=Timeouts().final) >= timedelta(seconds=Settings.model_fields["lease_seconds"].default)
    sending.write("slow")
    original, asked = runner.renew, []

    def renew(session, *, claim_id, lease):
        asked.append(original(session, claim_id=claim_id, lease=lease))
        recovered = recover(session, sending.actor, claim_id=claim_id, now=database_now(session))
        asked.append(recovered is None)
        # Four thirds of a lease have passed.
        if len(asked) >= 8:
            sending.slow_may_answer.set()
        return asked[-2]

    monkeypatch.setattr(runner, "renew", renew)
    assert sending.run(lease=0.9).sent == 1
    assert all(asked)
    assert sending.states() == ["sent"]


@pytest.mark.parametrize(("backlog", "most"), [(500, 0), (0, runner.AHEAD_UNKEPT)])
def test_without_a_journal_few_are_written_ahead_and_above_a_backlog_only(sending, monkeypatch, backlog, most):
    monkeypatch.setattr(runner.handover, "begin", lambda _claim_id: None)
    monkeypatch.setattr("crm.outreach.services.claim._BEHIND", statements.BEHIND.format(backlog=backlog))
    sending.write(*["News"] * 90)
    # At the end of the queue nothing is behind any more.
    assert CONNECTIONS + most / 2 <= max(sending.under_way_after_each_commit(monkeypatch)) <= CONNECTIONS + most


def test_with_a_journal_as_many_are_written_ahead_as_leave_in_a_moment(sending, monkeypatch):
    sending.write(*["News"] * 110)
    # A pace of its own would depend on how busy this machine is.
    monkeypatch.setattr(Lane, "per_second", 10_000.0)
    under_way = sending.under_way_after_each_commit(monkeypatch)
    assert CONNECTIONS + runner.AHEAD_UNKEPT < max(under_way) <= CONNECTIONS + runner.AHEAD


def test_behind_a_slow_server_nothing_is_written_ahead(sending, monkeypatch):
    sending.write(*["News"] * 60)
    monkeypatch.setattr(runner, "AHEAD_SECONDS", 0.0)
    assert max(sending.under_way_after_each_commit(monkeypatch)) <= CONNECTIONS


def test_a_run_whose_claim_was_taken_away_ends_where_it_stands(sending, monkeypatch):
    sending.write("slow", *["News"] * 30)
    original, waves = runner.wave, []

    def wave(session, actor, *, claimed, **given):
        waves.append(claimed)
        if len(waves) == 2:
            with sending.database.scope(sending.workspace_id) as other:
                held = other.scalars(select(Claim).where(Claim.id == claimed.claim_id)).one()
                held.leased_until = database_now(other) - timedelta(seconds=1)
            with sending.database.scope(sending.workspace_id) as other:
                assert recover(other, actor, claim_id=claimed.claim_id, now=database_now(other)) is not None
        return original(session, actor, claimed=claimed, **given)

    monkeypatch.setattr(runner, "wave", wave)
    # The slow one never answers: nobody waits for it.
    assert sending.run().orphaned > 0
    monkeypatch.setattr(runner, "wave", original)
    sending.run()
    sending.slow_may_answer.set()
    assert set(sending.states()) == {"sent", "uncertain"}
    assert sending.states().count("uncertain") <= CONNECTIONS
    references = [reference for reference, _ in sending.left]
    assert len(references) == len(set(references))


def test_a_bug_in_a_wave_ends_the_run_and_the_next_one_goes_on(sending, monkeypatch):
    sending.write("slow", *["News"] * 20)
    original, waves = runner.wave, []

    def wave(*given, **named):
        waves.append(named)
        if len(waves) == 3:
            raise LookupError("a bug")
        return original(*given, **named)

    monkeypatch.setattr(runner, "wave", wave)
    with pytest.raises(LookupError):
        sending.run()
    assert sending.states().count("sending") <= CONNECTIONS
    with sending.database.scope(sending.workspace_id) as session:
        (claim,) = session.scalars(select(Claim).where(Claim.finished_at.is_(None)))
        claim.leased_until = database_now(session) - timedelta(seconds=1)
        session.flush()
        recover(session, sending.actor, claim_id=claim.id, now=database_now(session))
    sending.run()
    sending.slow_may_answer.set()
    assert set(sending.states()) == {"sent", "uncertain"}


def test_a_held_message_does_not_stop_the_others(sending):
    sending.write(*["News"] * 3)
    with sending.database.scope(sending.workspace_id) as session:
        first = session.scalars(select(Message.id).limit(1)).one()
        services.hold(session, sending.actor, message_ids=[first], now=database_now(session))
    assert sending.run().sent == 2
    assert sending.states() == ["held", "sent", "sent"]


def test_a_deadlock_is_tried_again(sending, monkeypatch):
    sending.write(*["News"] * 3)
    original, failures = runner.wave, iter([True, True])

    def wave(*given, **named):
        if next(failures, False):
            raise psycopg.errors.DeadlockDetected("somebody else was first")
        return original(*given, **named)

    monkeypatch.setattr(runner, "wave", wave)
    monkeypatch.setattr(runner, "FIRST_PAUSE", 0.0)
    assert sending.run().sent == 3
    assert len(sending.left) == 3


def test_a_lost_answer_to_a_commit_repeats_nothing(sending, monkeypatch):
    sending.write(*["News"] * 5)
    original, done = runner.commit, []

    def commit(session):
        original(session)
        done.append(session)
        # The claim is the first commit, the account's settings the second, the first wave the third.
        if len(done) in {3, 4}:
            raise psycopg.OperationalError("the connection broke after the commit")

    monkeypatch.setattr(runner, "commit", commit)
    monkeypatch.setattr(runner, "FIRST_PAUSE", 0.0)
    report = sending.run()
    assert report.orphaned == 0
    assert sending.states() == ["sent"] * 5
    assert len(sending.left) == 5


def test_a_connection_that_the_server_ends_is_made_anew(sending, monkeypatch):
    sending.write(*["News"] * 5)
    original, cut = runner.wave, iter([True])

    def wave(session, *given, **named):
        if next(cut, False):
            pid = session.scalar(text("select pg_backend_pid()"))
            with sending.database.engine.connect() as other:
                other.execute(text("select pg_terminate_backend(:pid)"), {"pid": pid})
        return original(session, *given, **named)

    monkeypatch.setattr(runner, "wave", wave)
    monkeypatch.setattr(runner, "FIRST_PAUSE", 0.01)
    assert sending.run().sent == 5
    assert sending.states() == ["sent"] * 5


def test_an_account_whose_settings_can_not_be_used_is_held(sending, monkeypatch):
    monkeypatch.undo()
    with sending.database.scope(sending.workspace_id) as session:
        session.get_one(SenderAccount, sending.account_id).config = {"host": "not a host"}
    sending.write("News")
    assert sending.run().started == 0
    assert sending.states() == ["scheduled"]
    with sending.database.scope(sending.workspace_id) as session:
        account = session.get_one(SenderAccount, sending.account_id)
        assert (account.state, account.hold_reason) == ("held", "config")
