"""Windows against a slow reading: a clock on the wall that is looked at minute by minute, in many zones and years."""

from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from crm.outreach.windows import Window, is_holiday_in, next_opening

ZONES = [
    "Europe/Rome",
    "America/St_Johns",
    "Asia/Kathmandu",
    "Pacific/Kiritimati",
    "Pacific/Chatham",
    "Australia/Lord_Howe",
]
#: Names that were given up, and what the place is called now.
RETIRED = {
    "US/Pacific": "America/Los_Angeles",
    "Asia/Calcutta": "Asia/Kolkata",
    "Europe/Kiev": "Europe/Kyiv",
    "Asia/Katmandu": "Asia/Kathmandu",
    "America/Buenos_Aires": "America/Argentina/Buenos_Aires",
    "Canada/Newfoundland": "America/St_Johns",
}
MINUTE, DAY = timedelta(minutes=1), timedelta(days=1)
#: Days around which something happens: both changes of the clock here and there, ends of months and years, 29 February.
MEMORABLE = [
    date(2026, 3, 8),
    date(2026, 3, 29),
    date(2026, 4, 5),
    date(2026, 9, 27),
    date(2026, 10, 4),
    date(2026, 10, 25),
    date(2026, 11, 1),
    date(2027, 1, 1),
    date(2027, 3, 28),
    date(2028, 2, 28),
    date(2028, 2, 29),
    date(2028, 4, 30),
    date(2028, 12, 31),
]

days = st.sampled_from(MEMORABLE) | st.dates(date(2026, 1, 1), date(2030, 12, 31))
instants = st.builds(
    lambda day, minutes: datetime.combine(day, time(0), UTC) + timedelta(minutes=minutes),
    days,
    st.integers(-1440, 2880),
)
#: Half of the hours lie where clocks change.
times = st.builds(time, st.integers(0, 4) | st.integers(0, 23), st.sampled_from([0, 1, 29, 30, 45, 59]))
windows = st.builds(Window, times, times, st.frozensets(st.integers(1, 7), min_size=1)).filter(
    lambda window: window.start != window.end
)


@lru_cache(maxsize=4096)
def wall(day: date, tz: str) -> tuple[tuple[datetime, datetime], ...]:
    """Every minute of a day and its neighbours, and what the clock on the wall shows then."""
    zone = ZoneInfo(tz)
    begin = datetime.combine(day, time(0), UTC) - DAY
    minutes = (begin + number * MINUTE for number in range(3 * 1440))
    return tuple((minute, minute.astimezone(zone).replace(tzinfo=None)) for minute in minutes)


@lru_cache(maxsize=65536)
def first_shown(day: date, at: time, tz: str) -> datetime:
    """The first minute at which the clock on the wall shows `at` of `day`.

    Where the clock jumps over it, as long after the jump as `at` lies after the last time shown before it.
    """
    wanted = datetime.combine(day, at)
    before = None
    for minute, shown in wall(day, tz):
        if shown == wanted:
            return minute
        if shown > wanted and before is not None and before < wanted:
            return minute + (wanted - before - MINUTE)
        before = shown
    raise AssertionError("no clock shows this")


def open_spans(at: datetime, window: Window, tz: str, closed: frozenset[date]) -> Iterator[tuple[datetime, datetime]]:
    """Beginning and end of the window on each day that may matter, weekday by weekday of the place itself."""
    today = at.astimezone(ZoneInfo(tz)).date()
    for offset in range(-2, 12):
        day = today + offset * DAY
        if day.isoweekday() in window.days and day not in closed:
            ends_on = day if window.end > window.start else day + DAY
            yield first_shown(day, window.start, tz), first_shown(ends_on, window.end, tz)


def walked(at: datetime, window: Window, tz: str, closed: frozenset[date] = frozenset()) -> datetime:
    """The first minute from `at` on that lies in a span, found by trying each."""
    spans = list(open_spans(at, window, tz, closed))
    minute = at
    while not any(opens <= minute < closes for opens, closes in spans):
        minute += MINUTE
    return minute


@given(at=instants, window=windows, tz=st.sampled_from(ZONES))
@example(
    at=datetime(2027, 3, 27, 23, 0, tzinfo=UTC),
    window=Window(time(2, 30), time(3, 15), frozenset({7})),
    tz="Europe/Rome",
)
@example(
    at=datetime(2026, 10, 25, 0, 30, tzinfo=UTC),
    window=Window(time(2, 30), time(2, 45), frozenset({7})),
    tz="Europe/Rome",
)
def test_a_walk_through_every_minute_finds_the_same_opening(at, window, tz):
    assert next_opening(at, window, tz=tz) == walked(at, window, tz)


@given(at=instants, window=windows, tz=st.sampled_from(ZONES), offsets=st.frozensets(st.integers(-2, 3), max_size=4))
def test_holidays_close_the_day_on_which_a_window_begins(at, window, tz, offsets):
    today = at.astimezone(ZoneInfo(tz)).date()
    every_day = Window(window.start, window.end, frozenset(range(1, 8)))
    closed = frozenset(today + offset * DAY for offset in offsets)
    found = next_opening(at, every_day, tz=tz, is_holiday=closed.__contains__)
    assert found == walked(at, every_day, tz, closed)


@given(at=instants, window=windows, name=st.sampled_from(sorted(RETIRED)))
def test_a_name_that_was_given_up_means_the_same_place(at, window, name):
    assert next_opening(at, window, tz=name) == next_opening(at, window, tz=RETIRED[name])


@given(at=instants, tz=st.sampled_from(ZONES), country=st.sampled_from(["IT", "US", "GB", "NP", "KI", "NZ"]))
def test_no_opening_lies_on_a_public_holiday_of_its_country(at, tz, country):
    is_holiday = is_holiday_in(country)
    opening = next_opening(at, Window.of("09:00", "19:00", "1,2,3,4,5,6,7"), tz=tz, is_holiday=is_holiday)
    assert opening is not None
    assert not is_holiday(opening.astimezone(ZoneInfo(tz)).date())


@pytest.mark.parametrize("hour", ["00:00", "09:00", "23:59"])
def test_a_window_without_length_can_not_be_read(hour):
    with pytest.raises(ValueError, match=hour):
        Window.of(hour, hour, "1,2,3,4,5")
