"""Owns the arithmetic of how fast we answer: by the clock and in office hours, median and 90th percentile."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from math import ceil
from statistics import median
from typing import TypeVar

from crm.clock import local_day, local_instant
from crm.outreach.windows import HORIZON_DAYS, Window

Key = TypeVar("Key")


@dataclass(frozen=True, slots=True)
class Speed:
    """How many answers there were, and after how many seconds half and nine in ten of them left."""

    count: int
    median: float
    ninety: float
    office_median: float
    office_ninety: float


def office_seconds(
    asked_at: datetime, answered_at: datetime, window: Window, *, tz: str, is_holiday: Callable[[date], bool]
) -> float:
    """The seconds between two instants in which the window was open; only its first `HORIZON_DAYS` days count."""
    total, day = 0.0, local_day(asked_at, tz=tz) - timedelta(days=1)
    last = min(local_day(answered_at, tz=tz), day + timedelta(days=HORIZON_DAYS))
    while day <= last:
        if day.isoweekday() in window.days and not is_holiday(day):
            ends_on = day if window.end > window.start else day + timedelta(days=1)
            opens = max(local_instant(day, window.start, tz=tz), asked_at)
            closes = min(local_instant(ends_on, window.end, tz=tz), answered_at)
            total += max((closes - opens).total_seconds(), 0.0)
        day += timedelta(days=1)
    return total


def speeds(rows: Iterable[tuple[Key, float, float]]) -> dict[Key, Speed]:
    """{key: speed} of (key, seconds by the clock, seconds in office hours)."""
    clock: defaultdict[Key, list[float]] = defaultdict(list)
    office: defaultdict[Key, list[float]] = defaultdict(list)
    for key, seconds, open_seconds in rows:
        clock[key].append(seconds)
        office[key].append(open_seconds)
    return {
        key: Speed(len(found), median(found), _ninety(found), median(office[key]), _ninety(office[key]))
        for key, found in clock.items()
    }


def _ninety(values: Sequence[float]) -> float:
    """The nearest-rank 90th percentile."""
    return sorted(values)[ceil(len(values) * 0.9) - 1]
