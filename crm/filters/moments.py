"""Owns the calendar of rules: what "the last 30 days" or "in the next 2 months" means at a moment in a time zone."""

import calendar
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from enum import StrEnum

from crm.clock import local_day, local_instant


class Unit(StrEnum):
    DAYS = "days"
    WEEKS = "weeks"
    MONTHS = "months"
    YEARS = "years"


@dataclass(frozen=True)
class Interval:
    """Instants from `start` (inclusive) to `end` (exclusive); None is open."""

    start: datetime | None
    end: datetime | None

    def holds(self, instant: datetime) -> bool:
        """True when `instant` lies inside."""
        return (self.start is None or instant >= self.start) and (self.end is None or instant < self.end)


def shift(day: date, amount: int, unit: Unit) -> date:
    """`day` moved by whole calendar units; a day that the month lacks becomes its last day (31 January + 1 month)."""
    if unit is Unit.DAYS:
        return day + timedelta(days=amount)
    if unit is Unit.WEEKS:
        return day + timedelta(weeks=amount)
    months = day.year * 12 + day.month - 1 + amount * (12 if unit is Unit.YEARS else 1)
    year, month = divmod(months, 12)
    return date(year, month + 1, min(day.day, calendar.monthrange(year, month + 1)[1]))


def days_interval(first: date | None, last: date | None, *, tz: str) -> Interval:
    """The instants of the local days from `first` to `last`, both included."""
    start = None if first is None else local_instant(first, time(0), tz=tz)
    end = None if last is None else local_instant(last + timedelta(days=1), time(0), tz=tz)
    return Interval(start, end)


def last_days(now: datetime, amount: int, unit: Unit, *, tz: str) -> tuple[date, date]:
    """First and last local day of "in the last N units": today and the N units before it."""
    today = local_day(now, tz=tz)
    return shift(today, -amount, unit), today


def next_days(now: datetime, amount: int, unit: Unit, *, tz: str) -> tuple[date, date]:
    """First and last local day of "in the next N units": today and the N units after it."""
    today = local_day(now, tz=tz)
    return today, shift(today, amount, unit)


def past(now: datetime, amount: int, unit: Unit, *, tz: str) -> Interval:
    """Instants from the local midnight N units ago up to and including now."""
    first, _ = last_days(now, amount, unit, tz=tz)
    return Interval(local_instant(first, time(0), tz=tz), now + timedelta(microseconds=1))


def coming(now: datetime, amount: int, unit: Unit, *, tz: str) -> Interval:
    """Instants from now to the end of the local day N units ahead."""
    _, last = next_days(now, amount, unit, tz=tz)
    return Interval(now, local_instant(last + timedelta(days=1), time(0), tz=tz))


def yearly_spans(first: date, last: date) -> list[tuple[int, int, int]]:
    """`(month, first day, last day)` of the yearly days from `first` to `last`, one entry a month.

    Who was born on 29 February celebrates on the 28th in years that lack the 29th.
    """
    if (last - first).days >= 365:  # noqa: PLR2004 - a whole year holds every day of it.
        return [(month, 1, 31) for month in range(1, 13)]
    spans: list[tuple[int, int, int]] = []
    day = first
    while day <= last:
        month_end = date(day.year, day.month, calendar.monthrange(day.year, day.month)[1])
        until = min(month_end, last)
        to = 29 if (until.month, until.day) == (2, 28) and not calendar.isleap(until.year) else until.day
        spans.append((day.month, day.day, to))
        day = month_end + timedelta(days=1)
    return spans


def next_yearly(month: int, day: int, *, today: date) -> date:
    """The next time, today included, that the yearly day is celebrated."""
    this_year = _celebrated(today.year, month, day)
    return this_year if this_year >= today else _celebrated(today.year + 1, month, day)


def _celebrated(year: int, month: int, day: int) -> date:
    lacking = (month, day) == (2, 29) and not calendar.isleap(year)
    return date(year, 2, 28) if lacking else date(year, month, day)
