"""The count itself: it must see every way in which the promise can be broken."""

import hashlib
import json
import uuid
from random import Random

import pytest
from sqlalchemy import text

from crm import wiring
from crm.chaos.count import Result, judge
from crm.chaos.faults import CATALOGUE, Scene
from crm.chaos.house import House, address
from crm.chaos.processes import Part
from crm.chaos.runs import environment
from crm.chaos.servers import mail_server
from crm.db import Database

pytestmark = pytest.mark.journey
FAULT = CATALOGUE["Valkey flushed"]


@pytest.fixture
def scene(servers, folder):
    """Three messages that left in good order, one of them to somebody who wants nothing."""
    name = f"count_{uuid.uuid4().hex}"
    with servers.database(name) as url, mail_server(folder) as mail:
        database = Database(url, handlers=wiring.handlers())
        house = House(database, environment(servers, url, folder, fast=True), folder)
        house.fill(mail, number=4)
        house.suppress(3)
        house.start(Part.CLOCK)
        house.start(Part.WORKER)
        house.settle()
        yield Scene(servers, house, mail, Random(1), name, 4)
        house.end()
        database.dispose()


def judged(scene) -> Result:
    result = Result(1, FAULT.name, FAULT.family, scene.number)
    judge(scene, FAULT, result)
    return result


def note(scene, **changes) -> None:
    """A line in the journal like that of the first message."""
    entry = {**scene.mail.taken()[0], **changes}
    with scene.mail.journal.open("a") as journal:
        journal.write(json.dumps(entry) + "\n")


def test_a_good_run_has_no_violation_and_its_numbers_add_up(scene):
    result = judged(scene)
    assert result.violations == []
    assert (result.sent, result.lost, result.twice, result.uncertain, result.held) == (3, 0, 0, 0, 0)
    assert scene.house.states() == {"sent": 3, "skipped": 1}


def harm(scene, statement: str) -> None:
    scene.house.ask(lambda session: session.execute(text(statement)))


FIRST = "(select id from message where state = 'sent' order by id limit 1)"


@pytest.mark.parametrize(
    ("statement", "number", "words"),
    [
        (f"update message set state = 'scheduled' where id = {FIRST}", "lost", "lost: 1 never ended"),
        (f"update message set state = 'failed' where id = {FIRST}", None, "left and counts as failed"),
        ("update message set state = 'sent' where state = 'skipped'", "lost", "1 are sent without having left"),
        (f"update message set state = 'uncertain' where id = {FIRST}", "uncertain", "1 uncertain, 0 are the bound"),
        (f"update message set state = 'held' where id = {FIRST}", "held", "1 held"),
        (f"delete from interaction where source_id = {FIRST}", None, "0 times on the timeline"),
    ],
)
def test_what_the_database_says_against_the_journal_is_seen(scene, statement, number, words):
    harm(scene, statement)
    result = judged(scene)
    assert any(words in violation for violation in result.violations), result.violations
    assert number is None or getattr(result, number) == 1


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({}, "1 left twice"),
        ({"reference": "<stranger@example.com>"}, "a reference that nobody wrote left"),
        ({"text": hashlib.sha256(b"other words").hexdigest()}, "with other words than approved"),
        ({"recipient": "somebody.else@example.com"}, "with other words than approved"),
    ],
)
def test_what_the_journal_says_against_the_database_is_seen(scene, changes, words):
    note(scene, **changes)
    assert any(words in violation for violation in judged(scene).violations)


def test_a_message_to_somebody_who_had_asked_for_silence_is_seen(scene):
    reached = scene.mail.taken()[0]["recipient"]
    scene.house.closed[reached] = scene.house.closed[address(3)]
    assert f"{reached} was written to" in judged(scene).violations
