"""Warmth: its arithmetic, kept true by every way in which the timeline changes."""

from dataclasses import astuple
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from factories.contacts import contact, interaction
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import select, text

from crm.accounts.rules import system_actor
from crm.interactions import services
from crm.interactions.keeping_models import Warmth
from crm.interactions.kinds import Direction, Visibility
from crm.interactions.rules import warmth as rules
from crm.interactions.rules.warmth import Exchanged, State
from crm.interactions.services.recounting import rewarm
from crm.interactions.services.warming import fade

NOW = datetime(2026, 11, 23, 10, tzinfo=UTC)
FIVE = ("message.sent", "message.received", "call", "meeting", "comment")


def one(kind, days, direction=None):
    default = {"message.sent": "outbound", "message.received": "inbound", "meeting": "none", "comment": "inbound"}
    return Exchanged(kind=kind, direction=direction or default.get(kind, "outbound"), at=NOW - timedelta(days=days))


def after_all(exchanges) -> State:
    state = rules.recomputed(exchanges)
    assert state is not None
    return state


def score(*exchanges, after=0):
    state = rules.recomputed(exchanges)
    return rules.warmth(state, now=NOW + timedelta(days=after)).score if state else 0


MONTHLY = [one(kind, days) for days in range(0, 720, 30) for kind in ("message.sent", "message.received")]


@pytest.mark.parametrize(
    ("exchanges", "expected"),
    [
        ([one("message.sent", 0)], 25),
        ([one("message.received", 0)], 45),
        ([one("meeting", 0)], 51),
        (MONTHLY, 85),
        ([one("message.sent", days) for days in range(0, 60, 2)], 49),
        ([one("meeting", 2000)], 0),
    ],
)
def test_warmth_of_histories_that_people_know(exchanges, expected):
    assert score(*exchanges) == expected


def test_silence_cools_and_the_day_it_gets_cold_is_known():
    state = after_all(MONTHLY)
    found = [rules.warmth(state, now=NOW + timedelta(days=days)).score for days in (0, 30, 60, 90, 180, 360)]
    assert found == sorted(found, reverse=True)
    day = rules.cold_on(state, now=NOW, level=50)
    assert day is not None
    assert rules.warmth(state, now=day).value < 50 <= rules.warmth(state, now=day - timedelta(days=1)).value
    assert rules.cold_on(state, now=day, level=50) is None


def test_an_entry_of_2019_warms_nobody_up():
    assert score(*MONTHLY, one("meeting", 2700)) == score(*MONTHLY)


def test_nobody_is_warmer_than_100_whatever_was_written():
    crowd = [one(kind, days) for kind in FIVE for days in range(300)] * 3
    assert 95 <= score(*crowd) <= 100


def test_warmth_over_time_is_what_it_was_then():
    moments = [NOW - timedelta(days=days) for days in (800, 60, 0)]
    until_then = [one for one in MONTHLY if one.at <= moments[1]]
    assert rules.over_time(MONTHLY, moments=moments) == [0, score(*until_then, after=-60), 85]


def test_what_came_to_the_house_is_shared_by_how_much_each_wrote():
    wrote = after_all([one("message.sent", 3), one("message.sent", 1)])
    called_once = after_all([one("call", 200)])
    house = after_all([one("message.sent", 3), one("message.sent", 1), one("call", 200), one("message.received", 0)])
    mine = rules.warmth(rules.of_colleague(wrote, house=house, everybody=[wrote, called_once]), now=NOW)
    theirs = rules.warmth(rules.of_colleague(called_once, house=house, everybody=[wrote, called_once]), now=NOW)
    assert rules.warmth(house, now=NOW).score >= mine.score > 3 * theirs.score


exchanges = st.lists(
    st.builds(one, st.sampled_from(FIVE), st.floats(0, 3000), st.sampled_from(list(Direction))), min_size=1, max_size=12
)


def near(state):
    return pytest.approx(astuple(state)[:2], rel=1e-9, abs=1e-9)


@given(history=exchanges, order=st.randoms(use_true_random=False))
@settings(max_examples=60)
def test_the_order_of_arrival_makes_no_difference(history, order):
    shuffled = list(history)
    order.shuffle(shuffled)
    state, again = after_all(history), after_all(shuffled)
    assert astuple(state)[:2] == near(again)
    assert astuple(state)[2:] == astuple(again)[2:]
    parts = rules.warmth(state, now=NOW)
    assert 0 <= parts.value <= 100
    assert parts.recency <= 40
    assert parts.frequency <= 30
    assert parts.reciprocity <= 30


@given(
    state=st.builds(
        State,
        inbound=st.just(0.0) | st.floats(1e-6, 1e4),
        outbound=st.just(0.0) | st.floats(1e-6, 1e4),
        at=st.just(NOW), two_way_at=st.none() | st.just(NOW - timedelta(days=40)),
        any_at=st.floats(0, 5000).map(lambda days: NOW - timedelta(days=days)),
    ),
    days=st.floats(0, 4000),
)  # fmt: skip
@settings(max_examples=40, deadline=None)
def test_the_database_counts_the_same(database, state, days):
    moment = NOW + timedelta(days=days)
    with database.engine.connect() as connection:
        found = connection.execute(
            text("select crm_warmth(:i, :o, :at, :two, :any, :now)"),
            {"i": state.inbound, "o": state.outbound, "at": state.at, "two": state.two_way_at, "any": state.any_at,
             "now": moment},
        ).scalar_one()  # fmt: skip
    assert abs(found - rules.warmth(state, now=moment).value) <= 0.5 + 1e-6


def kept(session, contact_id):
    session.expire_all()
    rows = session.scalars(select(Warmth).where(Warmth.contact_id == contact_id))
    names = ("inbound", "outbound", "at", "two_way_at", "any_at")
    return {row.user_id: State(**{name: getattr(row, name) for name in names}) for row in rows}


def same(found, expected):
    assert found.keys() == expected.keys()
    for key, state in expected.items():
        assert astuple(found[key])[:2] == near(state)
        assert astuple(found[key])[2:] == astuple(state)[2:]


@given(
    steps=st.lists(
        st.tuples(st.sampled_from(FIVE), st.integers(0, 3000), st.booleans(), st.booleans()), min_size=1, max_size=8
    ),
    gone=st.sets(st.integers(0, 7)),
)
@settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_kept_by_each_entry_is_what_the_timeline_gives_and_taken_back_is_as_never_said(session, actor, steps, gone):
    """Logged in any order, by people and by the house, and some of it removed."""
    person = contact(session, actor, now=NOW)
    made = []
    for kind, days, is_mine, is_automatic in steps:
        who = actor if is_mine else system_actor(actor.workspace_id)
        at = NOW - timedelta(days=days, minutes=len(made))
        made.append(interaction(session, who, person.id, kind, happened_at=at, now=NOW, is_automatic=is_automatic))
    before = kept(session, person.id)
    rewarm(session, contact_ids=[person.id], now=NOW)
    same(before, kept(session, person.id))
    for index in gone & set(range(len(made))):
        services.remove(session, actor, interaction_id=made[index].id, now=NOW)
    other = contact(session, actor, "Bea Rossi", now=NOW)
    for index, (kind, days, is_mine, is_automatic) in enumerate(steps):
        if index not in gone:
            who = actor if is_mine else system_actor(actor.workspace_id)
            at = NOW - timedelta(days=days, minutes=index)
            interaction(session, who, other.id, kind, happened_at=at, now=NOW, is_automatic=is_automatic)
    same(kept(session, person.id), kept(session, other.id))


def scores(session, *people: UUID):
    session.expire_all()
    wanted = select(Warmth.score).where(Warmth.contact_id.in_(people), Warmth.user_id.is_(None))
    return session.scalars(wanted).all()


def test_what_is_private_automatic_or_no_exchange_counts_nothing(session, actor, now):
    person = contact(session, actor)
    silent: tuple[tuple[str, dict[str, Any]], ...] = (("note", {}), ("like", {}), ("call", {"visibility": Visibility.PRIVATE}), ("message.sent", {"is_automatic": True}))  # fmt: skip  # noqa: E501
    for kind, more in silent:
        interaction(session, actor, person.id, kind, **more)
    assert kept(session, person.id) == {}


def test_the_night_lets_scores_fade_in_batches(session, actor, now):
    people = [contact(session, actor, f"Ann {n}").id for n in range(3)]
    for person in people:
        interaction(session, actor, person, "meeting", happened_at=now, now=now)
    assert scores(session, *people) == [51] * 3
    later = now + timedelta(days=30)
    assert [fade(session, before=later, now=later, limit=2) for _look in range(3)] == [2, 1, 0]
    assert scores(session, *people) == [rules.warmth(rules.state_of(one("meeting", 0)), now=later).score] * 3


def test_the_decay_is_written_into_the_statement_and_not_called(database):
    asked = "explain verbose select crm_left(1, moment, now(), 30) from (values (now())) as row (moment)"
    with database.engine.connect() as connection:
        plan = "\n".join(connection.execute(text(asked)).scalars())
    assert "power(" in plan
    assert "crm_left" not in plan
