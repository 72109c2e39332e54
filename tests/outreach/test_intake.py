"""A burst: whatever comes twice, late or at the same moment is handled once, and what fails keeps nobody waiting."""

import importlib
import random
import threading

import pytest
from channels.fakes import webhook
from conftest import make_house
from sqlalchemy import func, select
from sqlalchemy.exc import OperationalError

from crm.accounts.rules import system_actor
from crm.channels.base import Piece
from crm.contacts.models import Handle
from crm.db import database_now, new_id
from crm.interactions.models import Interaction
from crm.outreach import intake
from crm.outreach.inbound_models import InboundEvent
from crm.outreach.models import Conversation, Message, SenderAccount
from crm.outreach.services.receive import store_pieces

EVENTS, PEOPLE, THREADS = 60, 10, 3
#: The module, which the package hides behind its function of the same name.
receive = importlib.import_module("crm.outreach.services.receive")


@pytest.fixture
def place(fresh_database):
    """A committed workspace with a webhook."""
    with fresh_database.database.scope() as session:
        actor = make_house(session, name="Lanterna").actor
    with fresh_database.database.scope(actor.workspace_id) as session:
        account = SenderAccount(id=new_id(), workspace_id=actor.workspace_id, channel="webhook", name="Hook")
        session.add(account)
    return fresh_database.database, actor.workspace_id, account.id


def piece(number: int, *, what: str = "message.received", **data) -> Piece:
    who = number % PEOPLE
    author = {"id": f"u-{who}", "address": f"ada-{who}", "name": f"Ada {who}"}
    return Piece(f"w:{number}", webhook.event(what, id=f"m-{number}", **{"from": author, **data}))


def keep(place, *pieces: Piece) -> int:
    database, workspace_id, account_id = place
    with database.scope(workspace_id) as session:
        now = database_now(session)
        return store_pieces(session, system_actor(workspace_id), account_id=account_id, pieces=pieces, now=now)


def drain(place, **more):
    database, workspace_id, account_id = place
    return intake.drain(database, workspace_id=workspace_id, account_id=account_id, **{"seconds": 60, **more})


def count(place, model, *where) -> int:
    database, workspace_id, _account_id = place
    with database.scope(workspace_id) as session:
        return session.scalar(select(func.count()).select_from(model).where(*where)) or 0


def together(work) -> None:
    """Do `work(number)` in several threads at once."""
    failures: list[BaseException] = []

    def one(number: int) -> None:
        try:
            work(number)
        except BaseException as error:  # noqa: BLE001 - told below.
            failures.append(error)

    threads = [threading.Thread(target=one, args=(number,)) for number in range(THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []


def test_a_burst_in_any_order_with_repetitions_is_stored_and_handled_once(place):
    source = random.Random(7)
    numbers = [*range(EVENTS), *source.sample(range(EVENTS), EVENTS // 2)]
    source.shuffle(numbers)
    stored: list[int] = []

    def work(part: int) -> None:
        mine = numbers[part::THREADS]
        for at in range(0, len(mine), 10):
            stored.append(keep(place, *(piece(number) for number in mine[at : at + 10])))
            if at % 30 == 0:
                drain(place, seconds=0)
        drain(place)

    together(work)
    drain(place)
    assert sum(stored) == EVENTS
    assert count(place, InboundEvent, InboundEvent.state == "handled") == EVENTS
    assert count(place, Message) == count(place, Interaction) == EVENTS
    assert count(place, Handle) == PEOPLE
    assert count(place, Conversation) == PEOPLE


def test_one_that_fails_is_set_aside_and_takes_none_along(place, monkeypatch):
    keep(place, *(piece(number) for number in range(30)))
    handled = receive.written

    def breaks(session, actor, account, parsed, **more):
        message = handled(session, actor, account, parsed, **more)
        if parsed.event_id == "m-13":
            raise ZeroDivisionError
        return message

    monkeypatch.setattr(receive, "written", breaks)
    done = drain(place)
    assert (done.handled, done.failed) == (29, 1)
    assert count(place, Message) == 29
    assert count(place, InboundEvent, InboundEvent.state == "failed", InboundEvent.error == "ZeroDivisionError") == 1


def test_one_that_another_transaction_was_in_the_way_of_comes_up_again(place, monkeypatch):
    keep(place, *(piece(number) for number in range(5)))
    handled = receive.written

    def collides(session, actor, account, parsed, **more):
        if parsed.event_id == "m-2":
            raise OperationalError("", {}, Exception())
        return handled(session, actor, account, parsed, **more)

    with monkeypatch.context() as once:
        once.setattr(receive, "written", collides)
        assert drain(place).handled == 4
    assert count(place, InboundEvent, InboundEvent.state == "stored") == 1
    assert drain(place).handled == 1


def test_a_run_that_is_over_says_that_there_is_more(place):
    keep(place, *(piece(number) for number in range(intake.BATCH + 1)))
    assert drain(place, seconds=0).has_more
    assert not drain(place).has_more
    assert drain(place).handled == 0


def test_a_parked_receipt_is_left_alone_for_a_while(place):
    keep(place, piece(1, what="message.read", message_id="not-yet"))
    assert drain(place).handled == 1
    assert drain(place).handled == 0
    assert count(place, InboundEvent, InboundEvent.state == "parked") == 1
