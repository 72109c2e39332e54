from datetime import UTC, date, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crm.filters.moments import Unit, coming, last_days, next_yearly, past, shift, yearly_spans

ROME = "Europe/Rome"


def test_a_month_before_the_31st_is_the_last_day_of_a_shorter_month():
    assert shift(date(2026, 3, 31), -1, Unit.MONTHS) == date(2026, 2, 28)
    assert shift(date(2028, 2, 29), 1, Unit.YEARS) == date(2029, 2, 28)


def test_the_last_days_begin_at_local_midnight_on_both_sides_of_summer_time():
    now = datetime(2026, 4, 1, 10, tzinfo=UTC)
    assert past(now, 7, Unit.DAYS, tz=ROME).start == datetime(2026, 3, 24, 23, tzinfo=UTC)
    assert past(now, 2, Unit.DAYS, tz=ROME).start == datetime(2026, 3, 29, 22, tzinfo=UTC)


def test_today_is_the_local_day_and_not_the_one_in_utc():
    now = datetime(2026, 11, 22, 23, 30, tzinfo=UTC)
    assert last_days(now, 0, Unit.DAYS, tz=ROME) == (date(2026, 11, 23), date(2026, 11, 23))


def test_now_is_part_of_the_last_days_and_of_the_next():
    now = datetime(2026, 11, 23, 9, tzinfo=UTC)
    assert past(now, 1, Unit.DAYS, tz=ROME).holds(now)
    assert coming(now, 1, Unit.DAYS, tz=ROME).holds(now)


@pytest.mark.parametrize(
    ("today", "expected"),
    [
        (date(2027, 2, 20), date(2027, 2, 28)),
        (date(2028, 2, 20), date(2028, 2, 29)),
        (date(2027, 3, 1), date(2028, 2, 29)),
    ],
)
def test_a_birthday_on_29_february_is_kept_on_the_28th_when_the_year_lacks_it(today, expected):
    assert next_yearly(2, 29, today=today) == expected


@given(
    st.dates(date(2023, 1, 1), date(2030, 12, 31)),
    st.integers(0, 800),
    st.dates(date(2024, 1, 1), date(2024, 12, 31)),
)
def test_the_spans_of_yearly_days_hold_exactly_the_birthdays_that_come(first, length, born):
    last = shift(first, length, Unit.DAYS)
    within = any(month == born.month and low <= born.day <= high for month, low, high in yearly_spans(first, last))
    assert within == (next_yearly(born.month, born.day, today=first) <= last)
