"""The clock: one at a time, and it finds in the database whatever is due in any workspace."""

import threading
from datetime import timedelta

import psycopg
import pytest
from factories import outreach
from sqlalchemy import select, text

import workers
from crm.accounts.models import Workspace
from crm.accounts.rules import system_actor
from crm.contacts.models import Contact
from crm.db import database_now, new_id
from crm.jobs import JobName, JobQueue, QueueName
from crm.outreach import runner, services
from crm.outreach.models import Claim, Message, SenderAccount
from crm.outreach.services.claim import claim
from crm.settings import Settings
from workers import Runtime, clock
from workers import outreach as sending


class Wakes:
    """A queue that remembers what it was asked for."""

    def __init__(self) -> None:
        self.jobs: list[tuple[JobName, str]] = []

    def enqueue(self, name, *, id, **_ids) -> bool:  # noqa: A002 - the queue's own word.
        self.jobs.append((name, id))
        return True

    def wake(self, account_id, *, workspace_id) -> bool:
        return self.enqueue(JobName.SEND_DUE, id=f"account:{account_id}", workspace_id=workspace_id)


@pytest.fixture
def ticking(fresh_database) -> clock.Clock:
    return clock.Clock(fresh_database.database, Wakes())


def house(database):
    """A workspace with an account and one message due now; (workspace, account, message)."""
    workspace_id = new_id()
    actor = system_actor(workspace_id)
    with database.scope(workspace_id) as session:
        now = database_now(session)
        session.add(Workspace(id=workspace_id, name="Lanterna", slug=f"w-{workspace_id.hex}"))
        session.flush()
        account = outreach.account(session, actor, now=now)
        person = outreach.person(session, actor)
        message = outreach.message(session, actor, person, send_at=now, now=now)
    return workspace_id, account.id, message.id


def test_one_clock_is_active_and_the_other_takes_over_when_it_stops(fresh_database):
    database = fresh_database.database
    assert clock.hold_lease(database, "first")
    assert not clock.hold_lease(database, "second")
    assert clock.hold_lease(database, "first")
    clock.release_lease(database, "second")
    assert not clock.hold_lease(database, "second")
    clock.release_lease(database, "first")
    assert clock.hold_lease(database, "second")


def test_a_clock_that_died_is_replaced_when_its_lease_is_over(fresh_database):
    database = fresh_database.database
    assert clock.hold_lease(database, "first", seconds=-1.0)
    assert clock.hold_lease(database, "second")


def test_due_accounts_of_every_workspace_are_woken(ticking):
    houses = [house(ticking.database) for _ in range(2)]
    clock.wake_due_accounts(ticking)
    assert {id_ for _, id_ in ticking.jobs.jobs} == {f"account:{account_id}" for _, account_id, _ in houses}


def test_accounts_are_woken_in_turns_over_workspaces_and_those_that_waited_longest_first(ticking, monkeypatch):
    busy, _, _ = house(ticking.database)
    _, lone, _ = house(ticking.database)
    with ticking.database.scope(busy) as session:
        actor, now = system_actor(busy), database_now(session)
        person = session.scalars(select(Contact.id)).one()
        first = session.scalars(select(SenderAccount)).one()
        others = [outreach.account(session, actor, name, now=now) for name in ("Two", "Three")]
        for minutes, account in zip((1, 30, 20), (first, *others), strict=True):
            account.attended_at = now - timedelta(minutes=minutes)
            outreach.message(session, actor, person, account_id=account.id, send_at=now, now=now)
        keys = [account.id for account in (first, *others)]
    clock.wake_due_accounts(ticking)
    # The lone one was never attended; after it the second house's longest waiting, and only then its others.
    assert [id_ for _, id_ in ticking.jobs.jobs] == [f"account:{key}" for key in (lone, keys[1], keys[2], keys[0])]
    ticking.jobs.jobs.clear()
    monkeypatch.setattr(clock, "MOST_WAKES", 2)
    clock.wake_due_accounts(ticking)
    assert [id_ for _, id_ in ticking.jobs.jobs] == [f"account:{key}" for key in (lone, keys[1])]


@pytest.mark.parametrize(("waiting", "slices"), [(1, 1), (0, 3)])
def test_a_busy_account_gives_way_after_a_slice_when_somebody_waits(settings, monkeypatch, waiting, slices):
    reports = iter([runner.Report(claimed=64, has_more=True)] * 2 + [runner.Report(claimed=8)])
    asked = []

    def run(*_given, **named):
        asked.append(named["seconds"])
        return next(reports)

    class Jobs:
        def waiting(self):
            return {QueueName.OUTREACH: waiting}

    monkeypatch.setattr(runner, "run", run)
    sending.send_due(Runtime(settings, None, Jobs()), workspace_id=str(new_id()), account_id=str(new_id()))
    assert asked == [sending.SLICE_SECONDS] * slices


def test_a_worker_that_was_asked_to_stop_leaves_a_busy_account_after_a_slice(settings, monkeypatch):
    """What it would be killed in the middle of would be uncertain."""
    slices = []

    def run(*_given, **named):
        slices.append(named["seconds"])
        workers.STOP.was_asked_for = True
        return runner.Report(claimed=64, has_more=True)

    class Jobs:
        def waiting(self):
            return {QueueName.OUTREACH: 0}

    monkeypatch.setattr(workers.STOP, "was_asked_for", False)
    monkeypatch.setattr(runner, "run", run)
    sending.send_due(Runtime(settings, None, Jobs()), workspace_id=str(new_id()), account_id=str(new_id()))
    assert slices == [sending.SLICE_SECONDS]


def test_a_paused_account_and_one_with_nothing_due_are_left_alone(ticking):
    workspace_id, account_id, message_id = house(ticking.database)
    with ticking.database.scope(workspace_id) as session:
        services.pause_account(session, system_actor(workspace_id), account_id=account_id)
    clock.wake_due_accounts(ticking)
    with ticking.database.scope(workspace_id) as session:
        services.resume_account(session, system_actor(workspace_id), account_id=account_id)
        session.get_one(Message, message_id).due_at = database_now(session) + timedelta(hours=1)
    clock.wake_due_accounts(ticking)
    assert ticking.jobs.jobs == []


def test_lapsed_claims_are_settled_and_others_are_not(ticking):
    workspace_id, account_id, message_id = house(ticking.database)
    with ticking.database.scope(workspace_id) as session:
        claimed = claim(
            session,
            system_actor(workspace_id),
            account_id=account_id,
            worker="t",
            lease=timedelta(minutes=2),
            now=database_now(session),
        )
    clock.recover_lapsed(ticking)

    def state() -> str:
        with ticking.database.scope(workspace_id) as session:
            return session.scalars(select(Message.state).where(Message.id == message_id)).one()

    assert state() == "claimed"
    with ticking.database.scope(workspace_id) as session:
        session.get_one(Claim, claimed.claim_id).leased_until = database_now(session) - timedelta(seconds=1)
    clock.recover_lapsed(ticking)
    assert state() == "scheduled"


def test_a_chore_that_the_driver_itself_refuses_keeps_no_other_from_its_work(ticking):
    """Settling a claim writes timelines as a wave does, whose errors are the driver's own."""
    done = []

    def deadlock(_clock):
        raise psycopg.errors.DeadlockDetected

    clock._tick(ticking, [clock.Chore("first", 1.0, deadlock), clock.Chore("second", 1.0, done.append)])
    assert done == [ticking]


def test_held_messages_come_back_and_forgotten_mail_is_asked_for_again(ticking):
    workspace_id, account_id, message_id = house(ticking.database)
    actor = system_actor(workspace_id)
    with ticking.database.scope(workspace_id) as session:
        now = database_now(session)
        services.hold(session, actor, message_ids=[message_id], now=now)
        session.get_one(Message, message_id, populate_existing=True).held_until = now - timedelta(seconds=1)
        services.store_inbound(session, actor, account_id=account_id, raw=b"From: a@b.example\n\nx", now=now)
    clock.release_held_over(ticking)
    clock.wake_for_inbound(ticking)
    with ticking.database.scope(workspace_id) as session:
        assert session.get_one(Message, message_id).state == "scheduled"
    assert ticking.jobs.jobs == [(JobName.RECEIVE, f"account:{account_id}")]


def test_the_functions_tell_ids_only(fresh_database):
    """Across workspaces the clock learns ids; a name, an address or a text would be a leak."""
    with fresh_database.database.engine.connect() as connection:
        columns = connection.execute(
            text(
                "select proname, pg_get_function_result(oid) from pg_proc where proname in"
                " ('crm_due_accounts', 'crm_lapsed_claims', 'crm_held_over', 'crm_inbound_waiting',"
                " 'crm_polls_due', 'crm_hook_account')"
            )
        ).all()
    assert len(columns) == 6
    assert all(result.replace("TABLE(", "").count("uuid") == result.count(",") + 1 for _, result in columns)


def test_a_running_clock_wakes_the_sender_of_a_due_message_and_stops_when_told(fresh_database, valkey_url):
    _workspace_id, account_id, _message_id = house(fresh_database.database)
    settings = Settings.load(database_url=fresh_database.url, redis_url=valkey_url, clock_seconds=0.05)
    stop, queue = threading.Event(), JobQueue(valkey_url)
    thread = threading.Thread(target=clock.run, args=(settings, stop))
    thread.start()
    try:
        pause = threading.Event()
        for _ in range(600):
            if queue.waiting()[QueueName.OUTREACH]:
                break
            pause.wait(0.05)
        assert queue.waiting()[QueueName.OUTREACH] == 1
    finally:
        stop.set()
        thread.join(timeout=30)
    assert not thread.is_alive()
    assert account_id is not None
    with fresh_database.database.scope() as session:
        assert session.execute(text("select count(*) from clock_lease")).scalar() == 0
