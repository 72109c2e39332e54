"""Counting anew gives what was counted entry by entry, for any number of people with the same few statements."""

from dataclasses import astuple
from datetime import timedelta

import pytest
from factories.contacts import contact, interaction
from sqlalchemy import event, select

from crm.accounts.rules import system_actor
from crm.contacts.models import Contact
from crm.db import new_id
from crm.interactions import services
from crm.interactions.keeping_models import Cadence, Warmth
from crm.interactions.kinds import Visibility
from crm.interactions.services import keeping, warming
from crm.interactions.services.keeping import CadenceInput
from crm.interactions.services.recounting import count_everybody, redate, rewarm

DAY = timedelta(days=1)
STORY = (
    ("message.sent", 400, {}),
    ("message.received", 390, {}),
    ("call", 200, {}),
    ("note", 150, {}),
    ("meeting", 90, {}),
    ("comment", 30, {}),
    ("message.sent", 2, {}),
    ("call", 1, {"visibility": Visibility.PRIVATE}),
    ("message.sent", 0, {"is_automatic": True}),
)


@pytest.fixture
def people(session, actor, now):
    """Three with a rhythm and a story, told by a colleague and by the house, and one nobody ever wrote to."""
    made = [contact(session, actor, f"Ann {n}", now=now - 500 * DAY) for n in range(4)]
    for person in made:
        keeping.set_days(session, actor, contact_id=person.id, data=CadenceInput(days=30), now=now - 450 * DAY)
    for n, person in enumerate(made[:3]):
        for kind, days, more in STORY[n:]:
            who = actor if days % 4 else system_actor(actor.workspace_id)
            interaction(session, who, person.id, kind, happened_at=now - days * DAY, now=now, **more)
    return made


def kept(session):
    """Everything that follows from the timelines, sums rounded so that their order makes no difference."""
    session.expire_all()
    warm = session.scalars(select(Warmth).order_by(Warmth.contact_id, Warmth.user_id.nulls_first()))
    rhythm = session.scalars(select(Cadence).order_by(Cadence.contact_id))
    seen = session.scalars(select(Contact).order_by(Contact.id))
    return (
        [
            (row.contact_id, row.user_id, round(row.inbound, 9), round(row.outbound, 9), row.at, row.two_way_at,
             row.any_at, row.score)
            for row in warm
        ],
        [(row.contact_id, row.two_way_at, row.wrote_at, row.met_at, row.due_at) for row in rhythm],
        [(row.id, row.last_outbound_at, row.last_inbound_at, row.last_interaction_at) for row in seen],
    )  # fmt: skip


def test_counted_anew_is_what_was_counted_entry_by_entry(session, people, now):
    before = kept(session)
    assert len(before[0]) > len(people)
    assert before[1][0][3] is not None

    ids = [person.id for person in people]
    rewarm(session, contact_ids=ids, now=now)
    redate(session, contact_ids=ids)

    assert kept(session) == before


def test_a_workspace_filled_without_the_services_is_counted_at_once(session, actor, people, now):
    before = kept(session)
    session.query(Warmth).delete()

    count_everybody(session, workspace_id=actor.workspace_id, now=now)

    assert kept(session) == before


def test_many_people_take_no_more_statements_than_one(session, actor, people, now):
    asked = []

    def note(_connection, _cursor, statement, *_rest):
        asked.append(statement)

    event.listen(session.get_bind(), "before_cursor_execute", note)
    try:
        services.recompute(session, contact_ids=[people[0].id])
        one, asked[:] = len(asked), []
        services.recompute(session, contact_ids=[person.id for person in people])
    finally:
        event.remove(session.get_bind(), "before_cursor_execute", note)
    assert len(asked) == one
    rewarm(session, contact_ids=[], now=now)
    redate(session, contact_ids=[])


def test_the_first_word_of_both_is_since_when_somebody_is_known(session, actor, people, now):
    def met(person):
        session.expire_all()
        return session.scalars(select(Cadence.met_at).where(Cadence.contact_id == person.id)).one()

    first, _second, third, never = people
    assert [met(person) for person in people] == [now - 390 * DAY, now - 390 * DAY, now - 200 * DAY, None]
    interaction(session, actor, never.id, "message.sent", happened_at=now - 3 * DAY, now=now)
    assert met(never) is None
    older = interaction(session, actor, third.id, "meeting", happened_at=now - 3000 * DAY, now=now)
    assert met(third) == now - 3000 * DAY
    services.remove(session, actor, interaction_id=older.id, now=now)
    assert met(third) == now - 200 * DAY
    session.query(Cadence).filter_by(contact_id=first.id).delete()
    keeping.set_days(session, actor, contact_id=first.id, data=CadenceInput(days=9), now=now)
    assert met(first) == now - 390 * DAY


def test_an_entry_ahead_of_all_times_counts_without_an_overflow(session, actor, now):
    person = contact(session, actor, now=now)
    row = interaction(session, actor, person.id, "call", happened_at=now, now=now)
    row.happened_at = now.replace(year=1600)
    session.flush()
    rewarm(session, contact_ids=[person.id], now=now)
    house = session.scalars(select(Warmth).where(Warmth.user_id.is_(None))).one()
    assert (round(house.outbound, 6), house.score) == (1.0, 0)
    assert astuple(warming.arithmetic.warmth(warming.arithmetic.State(
        inbound=house.inbound, outbound=house.outbound, at=house.at, two_way_at=house.two_way_at, any_at=house.any_at,
    ), now=now)) == (0.0, 0.0, 0.0)  # fmt: skip
    rewarm(session, contact_ids=[new_id()], now=now)
