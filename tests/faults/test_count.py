"""The count itself: it must see every way in which the promise can be broken."""

import hashlib
import json
import uuid
from random import Random

import pytest
from sqlalchemy import text

from crm import wiring
from crm.chaos.count import Result, judge, rows_of
from crm.chaos.faults import CATALOGUE
from crm.chaos.house import House, address
from crm.chaos.processes import Part
from crm.chaos.runs import environment
from crm.chaos.scene import Scene
from crm.chaos.servers import MailServer, mail_server
from crm.db import Database

pytestmark = pytest.mark.journey
FAULT = CATALOGUE["Valkey flushed"]


@pytest.fixture(scope="module")
def scene(servers, tmp_path_factory):
    """Three messages that left in good order, and one to somebody who wants nothing, which didn't."""
    folder = tmp_path_factory.mktemp("home")
    name = f"count_{uuid.uuid4().hex}"
    with servers.database(name) as url, mail_server(folder) as mail:
        database = Database(url, handlers=wiring.handlers())
        house = House(database, environment(servers, url, folder, fast=True), folder)
        house.fill(mail, number=4)
        house.suppress(3)
        house.start(Part.CLOCK)
        house.start(Part.WORKER)
        house.settle()
        house.end()
        yield Scene(servers, house, mail, Random(1), name, 4)
        database.dispose()


@pytest.fixture
def judged(scene, tmp_path):
    """Judge after some harm to rows or journal, of which nothing stays."""

    def run(*, statement: str = "", lines: tuple[dict[str, object], ...] = ()) -> Result:
        journal = tmp_path / "journal"
        first = scene.mail.taken()[0]
        harm = "".join(f"{json.dumps({**first, **line})}\n" for line in lines)
        journal.write_text(scene.mail.journal.read_text() + harm)
        mail = MailServer(scene.mail.process, scene.mail.port, journal)
        session = scene.house.database.session(scene.house.workspace_id)
        if statement:
            given = {"reference": first["reference"]} if ":reference" in statement else {}
            assert session.execute(text(statement), given).rowcount == 1
        rows = rows_of(session)
        session.rollback()
        session.close()
        result = Result(1, FAULT.name, FAULT.family, scene.number)
        judge(Scene(scene.servers, scene.house, mail, scene.dice, scene.database, scene.number), FAULT, result, rows)
        return result

    return run


def test_a_good_run_has_no_violation_and_its_numbers_add_up(scene, judged):
    result = judged()
    assert result.violations == []
    assert (result.sent, result.lost, result.twice, result.uncertain, result.held) == (3, 0, 0, 0, 0)
    assert scene.house.states() == {"sent": 3, "skipped": 1}


@pytest.mark.parametrize(
    ("statement", "number", "words"),
    [
        ("update message set state = 'scheduled' where reference = :reference", "lost", "lost: 1 never ended"),
        ("update message set state = 'failed' where reference = :reference", None, "left and counts as failed"),
        ("update message set state = 'sent' where state = 'skipped'", "lost", "1 are sent without having left"),
        ("update message set state = 'uncertain' where reference = :reference", "uncertain", "0 are the bound"),
        ("update message set state = 'held' where reference = :reference", "held", "1 held"),
        (
            "delete from interaction i using message m where m.id = i.source_id and m.reference = :reference",
            None,
            "0 times on the timeline",
        ),
    ],
)
def test_what_the_database_says_against_the_journal_is_seen(judged, statement, number, words):
    result = judged(statement=statement)
    assert any(words in violation for violation in result.violations), result.violations
    assert number is None or getattr(result, number) == 1


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ({}, "1 left twice"),
        ({"reference": "<stranger@example.com>"}, "a reference that nobody wrote left"),
        ({"text": hashlib.sha256(b"other words").hexdigest()}, "with other words than approved"),
        ({"recipient": "somebody.else@example.com"}, "with other words than approved"),
    ],
)
def test_what_the_journal_says_against_the_database_is_seen(judged, line, words):
    assert any(words in violation for violation in judged(lines=(line,)).violations)


def test_a_message_to_somebody_who_had_asked_for_silence_is_seen(scene, judged):
    reached = scene.mail.taken()[0]["recipient"]
    scene.house.closed[reached] = scene.house.closed[address(3)]
    assert f"{reached} was written to" in judged().violations
    del scene.house.closed[reached]
