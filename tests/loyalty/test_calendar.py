"""The local calendar: when points and offers end."""

from datetime import UTC, date, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crm.clock import local_day
from crm.loyalty.rules.ledger import expiry, months_later
from crm.loyalty.rules.offers import validity


@pytest.mark.parametrize(
    ("day", "months", "expected"),
    [
        (date(2026, 1, 31), 1, date(2026, 2, 28)),
        (date(2028, 1, 31), 1, date(2028, 2, 29)),
        (date(2028, 2, 29), 12, date(2029, 2, 28)),
        (date(2026, 11, 30), 3, date(2027, 2, 28)),
        (date(2026, 12, 1), 1, date(2027, 1, 1)),
    ],
)
def test_a_month_later_is_the_same_day_or_the_last_one(day, months, expected):
    assert months_later(day, months) == expected


@pytest.mark.parametrize(
    ("earned", "ends"),
    [
        # Summer time ends on 25 October 2026 in Rome: the last second of that day is at 22:59:59 UTC.
        (datetime(2026, 9, 25, 10, 0, tzinfo=UTC), datetime(2026, 10, 25, 23, 0, tzinfo=UTC)),
        (datetime(2026, 9, 24, 10, 0, tzinfo=UTC), datetime(2026, 10, 24, 22, 0, tzinfo=UTC)),
        # It begins on 29 March 2026.
        (datetime(2026, 2, 28, 10, 0, tzinfo=UTC), datetime(2026, 3, 28, 23, 0, tzinfo=UTC)),
        (datetime(2026, 3, 1, 10, 0, tzinfo=UTC), datetime(2026, 4, 1, 22, 0, tzinfo=UTC)),
        # Half past eleven at night in London is the next day in Rome.
        (datetime(2026, 11, 22, 23, 30, tzinfo=UTC), datetime(2026, 12, 23, 23, 0, tzinfo=UTC)),
    ],
)
def test_points_end_after_the_last_local_second(earned, ends):
    assert expiry(earned, validity_months=1, tz="Europe/Rome") == ends


def test_points_without_a_validity_never_end():
    assert expiry(datetime(2026, 11, 23, tzinfo=UTC), validity_months=None, tz="Europe/Rome") is None


@given(st.datetimes(datetime(2020, 1, 1), datetime(2040, 1, 1)), st.integers(1, 120))  # noqa: DTZ001 - made aware below.
def test_the_instant_before_the_end_lies_on_the_last_day(naive, months):
    earned = naive.replace(tzinfo=UTC)
    ends = expiry(earned, validity_months=months, tz="Europe/Rome")
    last = months_later(local_day(earned, tz="Europe/Rome"), months)
    assert local_day(ends, tz="Europe/Rome") > last
    assert (
        local_day(ends.replace() - (ends - ends.replace(microsecond=0)) - datetime.resolution, tz="Europe/Rome") == last
    )


def test_an_offer_is_valid_from_its_first_to_its_last_local_second():
    starts, ends = validity(date(2026, 10, 25), date(2026, 10, 25), tz="Europe/Rome")
    assert (ends - starts).total_seconds() == 25 * 3600
