"""Occasions to write: full years, new jobs, what was found lately, and who goes cold without a rhythm."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest
from factories.contacts import company, contact, interaction
from factories.deals import deal, moved, pipeline
from sqlalchemy import func, select

from crm.accounts.kinds import RecordAccess, Role
from crm.accounts.models import Workspace
from crm.contacts import services as people
from crm.contacts.kinds import FactOrigin, Importance
from crm.contacts.models import Affiliation
from crm.db import database_now, new_id
from crm.desk.counters import count, counts
from crm.desk.occasions import spans
from crm.desk.queue import SOURCES, Kind, queue
from crm.desk.queue_words import line
from crm.interactions.keeping_models import Warmth
from crm.interactions.services import keeping
from crm.interactions.services.keeping import CadenceInput, CadenceSettings

DAY = timedelta(days=1)
NOON = datetime(2026, 11, 23, 11, tzinfo=UTC)


def key(session, actor, name="Ann Bo", **fields):
    given = {"importance": Importance.KEY, "owner_id": actor.user_id, "now": NOON - 3000 * DAY, **fields}
    return contact(session, actor, name, **given)


def found(session, actor, kind, now=NOON):
    """The lines of a kind, counted as the badge counts them."""
    rows = queue(session, actor, is_mine=True, now=now)[kind]
    if kind in SOURCES:
        assert count(session, actor, is_mine=True, now=now)[kind] == len(rows)
    return rows


def words(row, app, actor, now=NOON):
    with app.test_request_context():
        said = line(row, now=now, tz=actor.time_zone)
        return said.because, said.last


def test_the_same_day_of_earlier_years_is_the_local_day_and_a_leap_day_one_in_leap_years():
    starts, ends = spans(date(2026, 3, 29), tz="Europe/Rome")
    assert (starts[0], ends[0]) == (datetime(2025, 3, 28, 23, tzinfo=UTC), datetime(2025, 3, 29, 23, tzinfo=UTC))
    # In 2020 the clocks went forward on that day.
    assert ends[5] - starts[5] == timedelta(hours=23)
    leap = [day.astimezone(UTC).year for day in spans(date(2028, 2, 29), tz="UTC")[0]]
    assert leap[:3] == [2024, 2020, 2016]
    assert len(spans(date(2, 1, 1), tz="UTC")[0]) == 1


def test_full_years_since_the_first_contact_of_both(session, actor, app):
    ann, bea = key(session, actor), key(session, actor, "Bea Rossi")
    interaction(session, actor, ann.id, "message.sent", happened_at=NOON.replace(year=2022, day=20), now=NOON)
    interaction(session, actor, ann.id, "meeting", happened_at=NOON.replace(year=2023), now=NOON)
    interaction(session, actor, ann.id, "call", happened_at=NOON - DAY, now=NOON)
    interaction(session, actor, bea.id, "meeting", happened_at=NOON.replace(year=2023, day=24), now=NOON)

    (row,) = found(session, actor, Kind.ANNIVERSARY)

    assert row.contact_id == ann.id
    assert words(row, app, actor)[0] == "3 years since your first contact"
    assert found(session, actor, Kind.ANNIVERSARY, now=NOON + DAY)[0].contact_id == bea.id
    keeping.set_days(session, actor, contact_id=ann.id, data=CadenceInput(days=0), now=NOON)
    assert found(session, actor, Kind.ANNIVERSARY) == []


@pytest.mark.parametrize(("zone", "is_today"), [("Pacific/Apia", False), ("Europe/Rome", True)])
def test_an_anniversary_is_on_the_readers_day(session, actor, zone, is_today):
    interaction(session, actor, key(session, actor).id, "call", happened_at=NOON.replace(year=2024, hour=12), now=NOON)
    there = replace(actor, time_zone=zone)
    assert bool(found(session, there, Kind.ANNIVERSARY, now=NOON.replace(hour=9))) is is_today


def test_full_years_since_the_first_deal_that_was_won(session, actor, app):
    ann = contact(session, actor, owner_id=actor.user_id)
    pipeline(session, actor)
    first, second = (deal(session, actor, title, contact_id=ann.id) for title in ("First", "Second"))
    moved(session, actor, first.id, "Won", now=NOON.replace(year=2024))
    moved(session, actor, second.id, "Won", now=NOON.replace(year=2025))

    (row,) = found(session, actor, Kind.CUSTOMER)

    assert words(row, app, actor) == ("A customer for 2 years today", "Since “First”, won on 23 November 2024")
    first.deleted_at = NOON
    session.flush()
    assert words(found(session, actor, Kind.CUSTOMER)[0], app, actor)[0] == "A customer for one year today"


def test_a_new_place_is_a_reason_for_a_month(session, actor, app):
    ann, bea, carl = (contact(session, actor, name, owner_id=actor.user_id) for name in ("Ann Bo", "Bea", "Carl"))
    old, new = company(session, actor, "Old"), company(session, actor, "New", website="https://new.example")
    people.update(session, actor, contact_id=ann.id, changes={"company_id": old.id}, now=NOON - 400 * DAY)
    people.update(session, actor, contact_id=ann.id, changes={"company_id": new.id, "title": "Buyer"}, now=NOON - DAY)
    people.update(session, actor, contact_id=bea.id, changes={"company_id": new.id}, now=NOON)
    session.query(Affiliation).filter_by(contact_id=bea.id).update({"started_on": date(2026, 11, 2)})
    people.update(session, actor, contact_id=carl.id, changes={"company_id": old.id}, now=NOON)

    rows = found(session, actor, Kind.JOB)

    assert [(row.name, row.company) for row in rows] == [("Ann Bo", "New"), ("Bea", "New")]
    because, last = words(rows[0], app, actor)
    assert because.startswith("New place: New since 22 November")
    assert last == "Buyer"
    assert found(session, actor, Kind.JOB, now=NOON + 40 * DAY) == []


def look(session, actor, subject, field, value, *, now, **given):
    return people.record_fact(
        session, actor, **given or {"company_id": subject.id}, field=field, value=value, origin=FactOrigin.FOUND,
        source="website", source_url="https://www.new.example/about", now=now,
    )  # fmt: skip


def test_what_a_source_found_is_told_of_the_most_important_person(session, actor, app):
    firm = company(session, actor, "New Srl")
    for name, importance in (("Ann Bo", "normal"), ("Bea Key", "key"), ("Carl High", "high")):
        contact(session, actor, name, importance=importance, company_id=str(firm.id), owner_id=actor.user_id)
    look(session, actor, firm, "staff", "40", now=NOON - 3 * DAY)
    look(session, actor, firm, "phone", "+39 02 1234567", now=NOON)
    look(session, actor, firm, "description", "Now also in Trieste", now=NOON - DAY)

    (row,) = found(session, actor, Kind.NEWS)

    assert row.name == "Bea Key"
    because, last = words(row, app, actor)
    assert because == "New about New Srl: description"
    assert last.startswith("“Now also in Trieste” found on new.example on 22 November")
    assert found(session, actor, Kind.NEWS, now=NOON + 20 * DAY) == []


def test_a_suggestion_is_news_once_a_person_takes_it_over(session, actor):
    ann = contact(session, actor, title="Buyer", owner_id=actor.user_id, now=NOON - 300 * DAY)
    fact = look(session, actor, ann, "title", "Head of purchasing", now=NOON - 40 * DAY, contact_id=ann.id)
    assert fact is not None
    assert fact.state == "suggested"
    assert found(session, actor, Kind.NEWS) == []
    people.decide_suggestion(session, actor, fact_id=fact.id, accept=True, now=NOON)
    (row,) = found(session, actor, Kind.NEWS)
    assert (row.contact_id, row.text, row.is_company) == (ann.id, "Head of purchasing", False)


def test_who_falls_without_a_rhythm_goes_cold_with_the_arithmetic_in_words(session, actor, app):
    keeping.change_settings(session, actor, data=CadenceSettings(key_days=30), now=NOON)
    ann = key(session, actor, "Ann High", importance=Importance.HIGH)
    plain = contact(session, actor, "Plain", owner_id=actor.user_id)
    for person in (ann, plain):
        for days in (60, 62, 64, 70, 80, 90):
            for kind in ("message.sent", "message.received"):
                interaction(session, actor, person.id, kind, happened_at=NOON - days * DAY, now=NOON)
    house = session.scalars(select(Warmth).where(Warmth.contact_id == ann.id, Warmth.user_id.is_(None))).one()

    (row,) = found(session, actor, Kind.QUIET)

    assert (row.name, row.is_key, row.count) == ("Ann High", False, house.score)
    assert row.total - row.count >= 15
    assert words(row, app, actor)[1] == f"Going cold: warmth {row.total} → {row.count} in 60 days"
    stored = func.crm_warmth(house.inbound, house.outbound, house.at, house.two_way_at, house.any_at, house.any_at)
    assert session.scalar(select(stored)) == row.total
    keeping.set_days(session, actor, contact_id=ann.id, data=CadenceInput(days=0), now=NOON)
    assert found(session, actor, Kind.QUIET) == [], "told never to be told"


def test_with_a_rhythm_for_them_nobody_falls_here(session, actor):
    ann = key(session, actor, importance=Importance.HIGH)
    for kind in ("meeting", "message.sent", "message.received"):
        interaction(session, actor, ann.id, kind, happened_at=NOON - 60 * DAY, now=NOON)
    assert found(session, actor, Kind.QUIET) == []
    assert [row.name for row in found(session, actor, Kind.CADENCE, now=NOON + 60 * DAY)] == ["Ann Bo"]


def test_who_may_not_see_somebody_is_told_of_no_occasion(session, actor):
    stranger = replace(actor, user_id=new_id(), role=Role.SALES, sees=RecordAccess.OWN)
    firm = company(session, actor, "New Srl")
    ann = key(session, actor, company_id=str(firm.id))
    interaction(session, actor, ann.id, "meeting", happened_at=NOON.replace(year=2023), now=NOON)
    pipeline(session, actor)
    moved(session, actor, deal(session, actor, "First", contact_id=ann.id).id, "Won", now=NOON.replace(year=2025))
    look(session, actor, firm, "staff", "40", now=NOON)
    session.query(Affiliation).update({"started_on": date(2026, 11, 2)})
    told = {Kind.ANNIVERSARY, Kind.CUSTOMER, Kind.JOB, Kind.NEWS}

    assert told <= {kind for kind, rows in queue(session, actor, is_mine=False, now=NOON).items() if rows}
    assert not any(queue(session, stranger, is_mine=False, now=NOON).values())
    assert counts(session, stranger, now=NOON)["today"] == 0
    ann.limited_at = NOON
    session.flush()
    assert not told & {kind for kind, rows in queue(session, actor, is_mine=False, now=NOON).items() if rows}


def test_the_page_shows_them_with_their_words(client, session, actor):
    now = database_now(session)
    ann = contact(session, actor, owner_id=actor.user_id, importance=Importance.KEY, now=now - 900 * DAY)
    began = now.replace(year=now.year - 1) if (now.month, now.day) != (2, 29) else now.replace(year=now.year - 4)
    interaction(session, actor, ann.id, "meeting", happened_at=began, now=now)
    page = client.get("/?kind=dates").text
    assert "since your first contact" in page
    assert f'name="item" value="anniversary:{ann.id}"' in page
    assert client.post("/today/aside", data={"item": f"anniversary:{ann.id}", "action": "done"}).status_code == 303
    assert "since your first contact" not in client.get("/?kind=dates").text
    assert session.get_one(Workspace, actor.workspace_id).name
