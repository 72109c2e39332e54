"""Owns when a repeating task comes next: RFC 5545 rules on local calendar days, so that no clock change moves them.

The hour is put to the day afterwards (`crm.interactions.rules.due`), in the zone of who wrote the task: that is what
keeps nine o'clock at nine over both changes of the clock. Months without the day that a series began on give their
last day, and a series that began on 29 February is due on 28 February of other years; plain RFC 5545 would leave those
months and years out (its section 3.3.10), which is not what people mean by "every month from the 31st". Its own way to
say so is BYMONTHDAY with BYSETPOS=-1.
"""

from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from enum import StrEnum
from typing import Final

from dateutil.rrule import DAILY, MO, MONTHLY, WEEKLY, YEARLY, rrule

#: The names of RFC 5545, Monday first as in Python's `weekday()`.
WEEKDAYS: Final = ("MO", "TU", "WE", "TH", "FR", "SA", "SU")
#: Every month has so many days; later ones need care.
_SHORTEST: Final = 28
_WEEK: Final = 7
MOST_EVERY: Final = 999


class Frequency(StrEnum):
    DAILY = "daily"
    WEEKLY = "weekly"
    MONTHLY = "monthly"
    YEARLY = "yearly"


class CountedFrom(StrEnum):
    """What the next time is counted from: the day the task was due, or the day it was done."""

    DUE = "due"
    DONE = "done"


_CODES: Final = {
    Frequency.DAILY: DAILY,
    Frequency.WEEKLY: WEEKLY,
    Frequency.MONTHLY: MONTHLY,
    Frequency.YEARLY: YEARLY,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Recurrence:
    """Every `every` days, weeks, months or years; `weekdays` (names of RFC 5545) of a weekly one; `until` inclusive."""

    frequency: Frequency
    every: int = 1
    weekdays: tuple[str, ...] = ()
    until: date | None = None

    def text(self) -> str:
        """The rule as RFC 5545 writes it, without the part that follows from the day it begins on."""
        parts = [f"FREQ={self.frequency.value.upper()}", f"INTERVAL={self.every}"]
        if self.weekdays:
            parts.append(f"BYDAY={','.join(self.weekdays)}")
        if self.until is not None:
            parts.append(f"UNTIL={self.until:%Y%m%d}")
        return ";".join(parts)


def read(text: str) -> Recurrence:
    """The recurrence whose `text()` this is; raises ValueError for anything else."""
    parts = dict(part.split("=", 1) for part in text.split(";"))
    until = parts.get("UNTIL")
    found = Recurrence(
        frequency=Frequency(parts["FREQ"].lower()),
        every=int(parts["INTERVAL"]),
        weekdays=tuple(parts["BYDAY"].split(",")) if "BYDAY" in parts else (),
        until=date(int(until[:4]), int(until[4:6]), int(until[6:])) if until else None,
    )
    if found.text() != text:
        raise ValueError(text)
    return found


def next_day(rule: Recurrence, *, anchor: date, due_on: date, done_on: date, counted_from: CountedFrom) -> date | None:
    """The local day on which the task is due next after it was done on `done_on`; None when the series has ended.

    Counted from the due day, the days of the series stay where they are: whoever is late skips what is over, and one
    that falls on the day it was done is still to come. Counted from the day it was done, the series begins anew there.
    `anchor` is the day on which the series began.
    """
    if counted_from is CountedFrom.DONE:
        return _first_after(rule, anchor=done_on, after=done_on)
    return _first_after(rule, anchor=anchor, after=max(due_on, done_on - timedelta(days=1)))


def _first_after(rule: Recurrence, *, anchor: date, after: date) -> date | None:
    start = _nearer(rule, anchor=anchor, to=after)
    given: dict[str, object] = {}
    if rule.frequency is Frequency.WEEKLY:
        given["byweekday"] = [WEEKDAYS.index(name) for name in rule.weekdays] or [anchor.weekday()]
    elif rule.frequency is Frequency.MONTHLY:
        given |= _last_of(anchor.day)
    elif rule.frequency is Frequency.YEARLY:
        given |= {"bymonth": anchor.month, **_last_of(anchor.day)}
    series = rrule(
        _CODES[rule.frequency],  # type: ignore[arg-type]
        dtstart=datetime.combine(start, time()),
        interval=rule.every,
        wkst=MO,
        until=datetime.combine(rule.until, time()) if rule.until else None,
        cache=False,
        **given,  # type: ignore[arg-type]
    )
    found = series.after(datetime.combine(after, time()))
    return found.date() if found is not None else None


def _last_of(day: int) -> dict[str, object]:
    """That day of a month, or the last one that the month has."""
    if day <= _SHORTEST:
        return {"bymonthday": day}
    return {"bymonthday": list(range(_SHORTEST, day + 1)), "bysetpos": -1}


def _nearer(rule: Recurrence, *, anchor: date, to: date) -> date:
    """A day of the same series close to `to`, so that nobody walks through a hundred years of days."""
    step = {Frequency.DAILY: rule.every, Frequency.WEEKLY: rule.every * _WEEK}.get(rule.frequency)
    if step is None or to <= anchor:
        return anchor
    return anchor + timedelta(days=(to - anchor).days // step * step)
