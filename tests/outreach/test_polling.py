"""Asking platforms that don't call us: from where the last look ended, each account for itself."""

import socket
import threading
from datetime import timedelta

import pytest
from channels.fakes.telegram import TOKEN, FakeTelegram, refusal
from channels.fakes.web import HangUp, Said
from conftest import make_house
from sqlalchemy import select, text, update

from crm.db import database_now, new_id
from crm.jobs import JobName
from crm.outreach import intake, polling
from crm.outreach.inbound_models import InboundCursor, InboundEvent
from crm.outreach.models import Message, SenderAccount
from crm.outreach.setup import keyring
from crm.settings import Settings
from workers import Runtime, clock, listening


@pytest.fixture
def telegram():
    with FakeTelegram().running() as fake:
        yield fake


@pytest.fixture(autouse=True)
def _loopback(monkeypatch):
    monkeypatch.setenv("NET_ALLOW", "127.0.0.1")
    from crm import settings

    settings.current.cache_clear()
    yield
    settings.current.cache_clear()


@pytest.fixture
def place(fresh_database):
    """A committed workspace."""
    with fresh_database.database.scope() as session:
        house = make_house(session, name="Lanterna")
    return fresh_database.database, house.actor.workspace_id


def bot(place, base_url, **more):
    """A bot's account in a committed workspace."""
    database, workspace_id = place
    with database.scope(workspace_id) as session:
        made = SenderAccount(
            id=new_id(),
            workspace_id=workspace_id,
            channel="telegram",
            name="Bot",
            config={"base_url": base_url},
            **more,
        )
        made.secret = keyring().seal({"token": TOKEN}, workspace_id=workspace_id, row_id=made.id)
        session.add(made)
        session.flush()
        return made.id


def look(place, account_id):
    database, workspace_id = place
    return polling.poll(database, workspace_id=workspace_id, account_id=account_id)


def again(place):
    """Let everybody's next look be due."""
    database, workspace_id = place
    with database.scope(workspace_id) as session:
        session.execute(update(InboundCursor).values(next_at=database_now(session) - timedelta(seconds=1)))


def of(place, wanted):
    database, workspace_id = place
    with database.scope(workspace_id) as session:
        return list(session.scalars(wanted))


def test_a_look_takes_all_that_waits_and_the_next_begins_behind_it(place, telegram):
    account_id = bot(place, telegram.base_url)
    for number in range(105):
        telegram.write(chat=number + 1, username="")
    assert look(place, account_id) == 105
    assert [asked.data.get("offset") for asked in telegram.asked] == [None, 7101, 7106]
    assert look(place, account_id) == 0, "it is not due yet"
    again(place)
    telegram.write(chat=9)
    assert look(place, account_id) == 1
    database, workspace_id = place
    done = intake.drain(database, workspace_id=workspace_id, account_id=account_id, seconds=30)
    assert (done.handled, done.failed, done.has_more) == (106, 0, False)
    assert len(of(place, select(Message.id))) == 106


def test_what_was_not_committed_is_asked_for_again(place, telegram, monkeypatch):
    account_id = bot(place, telegram.base_url)
    telegram.write()

    def breaks(*_args, **_more):
        raise RuntimeError

    with monkeypatch.context() as broken:
        broken.setattr(polling, "keep_polled", breaks)
        with pytest.raises(RuntimeError):
            look(place, account_id)
    again(place)
    assert look(place, account_id) == 1
    assert len(of(place, select(InboundEvent.id))) == 1


@pytest.mark.parametrize(
    ("script", "state"),
    [
        (refusal(401, "Unauthorized"), "held"),
        (refusal(409, "Conflict: terminated by other getUpdates request"), "active"),
        (refusal(429, "Too Many Requests: retry after 7", retry_after=7), "active"),
        (Said(502, b"<html>"), "active"),
        (HangUp(is_done=True), "active"),
    ],
)
def test_a_platform_that_refuses_is_asked_again_after_a_growing_pause(place, telegram, script, state):
    account_id = bot(place, telegram.base_url)
    telegram.write()
    telegram.script.extend([script, script])
    assert look(place, account_id) == 0
    (first,) = of(place, select(InboundCursor))
    assert first.failures == 1
    assert first.code
    (account,) = of(place, select(SenderAccount))
    assert (account.state, account.last_error_code) == (state, first.code)
    again(place)
    look(place, account_id)
    (second,) = of(place, select(InboundCursor))
    assert second.failures == 2
    again(place)
    assert look(place, account_id) == 1
    (healed,) = of(place, select(InboundCursor))
    assert (healed.failures, healed.code) == (0, "")


def test_credentials_that_can_not_be_used_hold_the_account(place, telegram):
    account_id = bot(place, telegram.base_url)
    database, workspace_id = place
    with database.scope(workspace_id) as session:
        session.execute(update(SenderAccount).values(secret=b"\x01" + b"x" * 60))
    assert look(place, account_id) == 0
    (account,) = of(place, select(SenderAccount))
    assert (account.state, account.hold_reason) == ("held", "config")


def test_two_never_ask_at_once(place, telegram):
    account_id = bot(place, telegram.base_url)
    telegram.write()
    found = []
    threads = [threading.Thread(target=lambda: found.append(look(place, account_id))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(found) == [0, 0, 0, 1]
    assert len(of(place, select(InboundCursor.id))) == 1


class Bell:
    """The queue as a worker sees it."""

    def __init__(self) -> None:
        self.rung = []

    def enqueue(self, name, *, id, **ids):  # noqa: A002, ARG002 - the queue's own name.
        self.rung.append((name, ids["account_id"]))
        return True


def test_the_clock_finds_whoever_is_due_and_a_dead_platform_keeps_nobody_waiting(place, telegram):
    database, workspace_id = place
    silent = socket.create_server(("127.0.0.1", 0))
    dead = bot(place, f"http://127.0.0.1:{silent.getsockname()[1]}")
    alive = bot(place, telegram.base_url, state="paused")
    bot(place, telegram.base_url, is_sandbox=True)
    called = bot(place, telegram.base_url)
    with database.scope(workspace_id) as session:
        session.execute(update(SenderAccount).where(SenderAccount.id == called).values(config={"receive": "webhook"}))
    telegram.write()
    bell = Bell()
    clock.wake_to_poll(clock.Clock(database, bell))
    assert set(bell.rung) == {(JobName.POLL, dead), (JobName.POLL, alive)}
    runtime = Runtime(settings=Settings.load(), database=database, jobs=bell)
    bell.rung.clear()
    for account_id in (dead, alive):
        listening.poll(runtime, workspace_id=str(workspace_id), account_id=str(account_id))
    # The dead one's thread still waits for an answer when the other's events are here.
    threads = dict(listening._asking)
    threads[str(alive)].join(10)
    assert bell.rung == [(JobName.RECEIVE, str(alive))]
    assert threads[str(dead)].is_alive()
    connection, _address = silent.accept()
    connection.close()
    listening.wait_for_those_asking()
    silent.close()
    with database.scope(workspace_id) as session:
        failed = session.scalars(select(InboundCursor).where(InboundCursor.account_id == dead)).one()
        assert failed.failures == 1
        wanted = text("select account_id from crm_polls_due(array['telegram'], 9)")
        assert session.scalars(wanted).all() == []
