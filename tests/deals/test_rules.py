"""Days in a stage, rotting, weights and months: pure decisions."""

from datetime import UTC, date, datetime, time, timedelta
from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crm.clock import local_instant
from crm.deals import rules
from crm.deals.kinds import StageKind

ROME = "Europe/Rome"
ZONES = [ROME, "Pacific/Tongatapu", "Pacific/Honolulu", "America/New_York", "Australia/Lord_Howe"]


def rome(year: int, month: int, day: int, hour: int = 12) -> datetime:
    return local_instant(date(year, month, day), time(hour), tz=ROME)


def test_a_deal_that_came_late_last_night_is_there_for_one_day_this_morning():
    assert rules.days_in_stage(rome(2026, 11, 22, 23), rome(2026, 11, 23, 1), tz=ROME) == 1


def test_days_are_those_of_the_workspace_not_of_the_server():
    entered, seen = datetime(2026, 11, 22, 22, 30, tzinfo=UTC), datetime(2026, 11, 22, 23, 30, tzinfo=UTC)
    assert rules.days_in_stage(entered, seen, tz="UTC") == 0
    assert rules.days_in_stage(entered, seen, tz=ROME) == 1


@pytest.mark.parametrize(("first", "last"), [((2026, 3, 28), (2026, 3, 30)), ((2026, 10, 24), (2026, 10, 26))])
def test_the_days_on_which_clocks_change_count_once(first, last):
    assert rules.days_in_stage(rome(*first, 0), rome(*last, 23), tz=ROME) == 2


def test_a_deal_rots_on_the_day_after_the_last_allowed_one():
    assert not rules.is_rotting(7, 7)
    assert rules.is_rotting(8, 7)
    assert not rules.is_rotting(10_000, None)


@given(
    since=st.integers(0, 4 * 365 * 86_400).map(
        lambda seconds: datetime(2024, 1, 1, tzinfo=UTC) + timedelta(seconds=seconds)
    ),
    later=st.timedeltas(timedelta(), timedelta(days=400)),
    allowed=st.integers(1, 120),
    tz=st.sampled_from(ZONES),
)
def test_the_databases_instant_says_the_same_as_the_rule(since, later, allowed, tz):
    now = since + later
    days = rules.days_in_stage(since, now, tz=tz)
    assert rules.is_rotting(days, allowed) is (since < rules.rots_before(now, allowed, tz=tz))


@pytest.mark.parametrize(
    ("now", "tz", "first", "last"),
    [
        (datetime(2026, 11, 30, 22, 59, tzinfo=UTC), ROME, date(2026, 11, 1), date(2026, 11, 30)),
        (datetime(2026, 11, 30, 23, 0, tzinfo=UTC), ROME, date(2026, 12, 1), date(2026, 12, 31)),
        (datetime(2028, 2, 29, 12, 0, tzinfo=UTC), ROME, date(2028, 2, 1), date(2028, 2, 29)),
        (datetime(2026, 12, 31, 10, 0, tzinfo=UTC), "Pacific/Tongatapu", date(2026, 12, 1), date(2026, 12, 31)),
        (datetime(2026, 12, 31, 11, 0, tzinfo=UTC), "Pacific/Tongatapu", date(2027, 1, 1), date(2027, 1, 31)),
        (datetime(2027, 1, 1, 9, 59, tzinfo=UTC), "Pacific/Honolulu", date(2026, 12, 1), date(2026, 12, 31)),
    ],
)
def test_this_month_is_the_workspaces_month(now, tz, first, last):
    assert rules.month_of(now, tz=tz) == (first, last)


def test_what_is_won_is_certain_and_what_is_lost_is_worth_nothing():
    assert rules.probability_of(StageKind.WON, of_stage=10, own=40) == 100
    assert rules.probability_of(StageKind.LOST, of_stage=10, own=40) == 0
    assert rules.probability_of(StageKind.OPEN, of_stage=10, own=40) == 40
    assert rules.probability_of(StageKind.OPEN, of_stage=10, own=0) == 0
    assert rules.probability_of(StageKind.OPEN, of_stage=10, own=None) == 10


def test_a_weighted_total_is_rounded_once_and_not_per_deal():
    assert rules.total("EUR", [(1, 50), (1, 50)]) == rules.Total("EUR", 2, 2, 1)
    assert rules.total("EUR", [(3, 33)] * 3).weighted_minor == 3


@given(st.lists(st.tuples(st.integers(0, rules.MOST_MONEY), st.integers(0, 100)), max_size=30))
def test_a_weighted_total_never_exceeds_the_plain_one_nor_misses_by_a_cent(rows):
    found = rules.total("EUR", rows)
    exact = sum(amount * chance for amount, chance in rows) / 100
    assert found.weighted_minor <= found.amount_minor
    assert abs(found.weighted_minor - exact) <= max(0.5, exact * 1e-12)


def test_only_currencies_that_exist_are_currencies():
    assert all(map(rules.is_currency, ("EUR", "CHF", "JPY")))
    assert not any(map(rules.is_currency, ("eur", "EURO", "", "QQQ", "12A")))


def test_stays_end_where_the_next_begins_and_the_last_goes_on():
    first, second, user = uuid4(), uuid4(), uuid4()
    found = rules.stays(
        [(first, rome(2026, 11, 1), user), (second, rome(2026, 11, 4), None), (first, rome(2026, 11, 4, 18), user)],
        rome(2026, 11, 10),
        tz=ROME,
    )
    assert [(stay.stage_id, stay.days) for stay in found] == [(first, 3), (second, 0), (first, 6)]
    assert found[-1].until is None
