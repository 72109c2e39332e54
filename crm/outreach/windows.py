"""Owns send windows: when a local clock, a weekday and a calendar of holidays allow a message to leave."""

from collections.abc import Callable, Container
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from functools import lru_cache

import holidays

from crm.clock import local_day, local_instant

#: The longest run of closed days that is looked through; a window without any day in it never opens.
HORIZON_DAYS = 62

WEEK = 7


@dataclass(frozen=True, slots=True)
class Window:
    """Local hours of allowed days: `start` inclusive, `end` exclusive, `days` are ISO weekdays (1 is Monday).

    An `end` before `start` lies on the next day (22:00-06:00), and the night belongs to the day on which it began:
    with Monday to Friday, Saturday 02:00 is still open.
    """

    start: time
    end: time
    days: frozenset[int]

    @classmethod
    def of(cls, start: str, end: str, days: str) -> "Window":
        """Read "09:00", "19:00", "1,2,3,4,5"; raises ValueError for anything else, also for a window without length."""
        if start == end:
            raise ValueError(start)
        numbers = frozenset(int(day) for day in days.split(",") if day.strip())
        if not numbers <= frozenset(range(1, WEEK + 1)):
            raise ValueError(days)
        return cls(time.fromisoformat(start), time.fromisoformat(end), numbers)


def next_opening(
    at: datetime, window: Window, *, tz: str, is_holiday: Callable[[date], bool] = lambda _day: False
) -> datetime | None:
    """The first instant at or after `at` (UTC) that lies in the window as the clocks of `tz` read it.

    Returns `at` itself when the window is open, None when it never opens. A start or end that daylight saving skips
    moves forward with the clock; of a repeated one the first counts (see `crm.clock.local_instant`).
    """
    first = local_day(at, tz=tz) - timedelta(days=1)
    for offset in range(HORIZON_DAYS):
        day = first + timedelta(days=offset)
        if day.isoweekday() not in window.days or is_holiday(day):
            continue
        ends_on = day if window.end > window.start else day + timedelta(days=1)
        opens, closes = local_instant(day, window.start, tz=tz), local_instant(ends_on, window.end, tz=tz)
        if at < closes and opens < closes:
            return max(at, opens)
    return None


@lru_cache(maxsize=256)
def opening_in(at: datetime, window: Window, *, tz: str, country: str) -> datetime | None:
    """`next_opening` with the holidays of a country; remembered, because all messages of a wave ask for one moment."""
    return next_opening(at, window, tz=tz, is_holiday=is_holiday_in(country))


def is_holiday_in(country: str) -> Callable[[date], bool]:
    """Whether a day is a public holiday of an ISO 3166 country; an unknown country has none."""
    calendar = _calendar(country.upper())
    return lambda day: calendar is not None and day in calendar


@lru_cache(maxsize=64)
def _calendar(country: str) -> Container[date] | None:
    try:
        return holidays.country_holidays(country)
    except (NotImplementedError, KeyError):
        return None
