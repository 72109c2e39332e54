"""Owns time: the database's clock and calendar-aware local time."""

from datetime import UTC, date, datetime, time, timedelta
from typing import Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

#: Days beyond these are slips of the hand; at the ends of the calendar another zone's clock has no day to show.
FIRST_YEAR: Final = 1900
LAST_YEAR: Final = 2199


class UnknownZoneError(ValueError):
    """The name is not an IANA time zone known here."""


def zone(name: str) -> ZoneInfo:
    """The IANA zone called `name`; raises `UnknownZoneError` for anything else."""
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise UnknownZoneError(name) from error


def utc_now() -> datetime:
    """The wall clock in UTC; edges without a database use it, all others read the database's `now()`."""
    return datetime.now(UTC)


def is_near(day: date) -> bool:
    """Whether somebody can have meant this day, or this moment."""
    return FIRST_YEAR <= day.year <= LAST_YEAR


def local_instant(day: date, at: time, *, tz: str) -> datetime:
    """The UTC instant of a local wall-clock time.

    A time skipped by daylight saving moves forward by the gap; a repeated one is its first occurrence
    (PEP 495, fold=0).
    """
    naive = datetime.combine(day, at).replace(tzinfo=zone(tz), fold=0)
    return naive.astimezone(UTC)


def local_day(instant: datetime, *, tz: str) -> date:
    """The calendar day of `instant` in the zone `tz`."""
    return instant.astimezone(zone(tz)).date()


def start_of_day(instant: datetime, *, tz: str) -> datetime:
    """The UTC instant at which the local day of `instant` began."""
    return local_instant(local_day(instant, tz=tz), time(0), tz=tz)


def end_of_day(day: date, *, tz: str) -> datetime:
    """The UTC instant just after the last local second of `day` (exclusive end)."""
    return local_instant(day + timedelta(days=1), time(0), tz=tz)


def days_before(instant: datetime, days: int, *, tz: str) -> datetime:
    """`instant` moved back by whole calendar days at the same local time in `tz`."""
    local = instant.astimezone(zone(tz))
    return local_instant(local.date() - timedelta(days=days), local.time(), tz=tz)
