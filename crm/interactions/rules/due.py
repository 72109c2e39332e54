"""Owns when a task is due, late, and when its reminder rings: one rule for the list, Today and the numbers beside it.

A task for a day is due on that day wherever its reader is: 24 November is 24 November in Apia and in Honolulu. A task
for an hour is one instant for everybody: it is due on the day that the instant has in the reader's zone.
"""

from dataclasses import dataclass
from datetime import date, datetime, time, timedelta

from crm.clock import local_instant


@dataclass(frozen=True, slots=True, kw_only=True)
class Reminder:
    """Rings `days` before the due day at the local wall-clock time `at`, or `minutes` before the due hour."""

    days: int | None = None
    at: time | None = None
    minutes: int | None = None


def due_instant(due_on: date | None, due_time: time | None, *, tz: str) -> datetime | None:
    """The instant of a due hour on the wall clock of `tz`; None for a whole day."""
    if due_on is None or due_time is None:
        return None
    return local_instant(due_on, due_time, tz=tz)


def reminder_instant(reminder: Reminder, *, due_on: date | None, due_at: datetime | None, tz: str) -> datetime | None:
    """When the reminder rings; None without one, or when the task has not the day or hour that it is counted from."""
    if reminder.minutes is not None:
        return due_at - timedelta(minutes=reminder.minutes) if due_at is not None else None
    if reminder.days is None or reminder.at is None or due_on is None:
        return None
    if due_on.toordinal() <= reminder.days:
        return None
    return local_instant(due_on - timedelta(days=reminder.days), reminder.at, tz=tz)


def is_overdue(*, due_on: date | None, due_at: datetime | None, today: date, now: datetime) -> bool:
    """Its day is over for the reader whose day is `today`, or its hour is past."""
    if due_at is not None:
        return due_at < now
    return due_on is not None and due_on < today


def is_due(*, due_on: date | None, due_at: datetime | None, today: date, tonight: datetime) -> bool:
    """Due today or before; `tonight` is the instant at which the reader's `today` ends."""
    if due_at is not None:
        return due_at < tonight
    return due_on is not None and due_on <= today
