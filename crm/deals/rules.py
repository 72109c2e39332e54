"""Owns the decisions about deals as pure functions: days in a stage, rotting, weights, months, currencies, places."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from itertools import pairwise
from typing import Final
from uuid import UUID

from babel import Locale

from crm.clock import local_day, local_instant
from crm.deals.kinds import StageKind

#: The largest amount in minor units: ten thousand million euros, so that a million such deals still fit a `bigint`.
MOST_MONEY: Final = 1_000_000_000_000
#: The most days that a stage may allow before its deals are marked.
MOST_DAYS: Final = 3_650
#: A place in a column is a word of these digits, lowest first, compared letter by letter.
DIGITS: Final = "0123456789abcdefghijklmnopqrstuvwxyz"
#: A place may be so long; before it would be longer, the cards around it are put further apart.
LONGEST_RANK: Final = 200
#: Such places are short.
ROOMY_RANK: Final = 60
#: The chance of what is won and of what is lost, in per cent; only open stages have a chance of their own.
CERTAIN: Final = {StageKind.WON: 100, StageKind.LOST: 0}


def days_in_stage(since: datetime, now: datetime, *, tz: str) -> int:
    """Whole calendar days since a deal entered its stage, in the zone `tz`: 0 on the first day.

    Calendar days and not spans of 24 hours, so that the days on which clocks change count once.
    """
    return max(0, (local_day(now, tz=tz) - local_day(since, tz=tz)).days)


def is_rotting(days: int, allowed: int | None) -> bool:
    """True when a deal stands in its stage for more days than the stage allows (None allows any number)."""
    return allowed is not None and days > allowed


def rots_before(now: datetime, allowed: int, *, tz: str) -> datetime:
    """The instant before which an entry into the stage is too long ago: the twin of `is_rotting` for the database."""
    return local_instant(local_day(now, tz=tz) - timedelta(days=allowed), time(0), tz=tz)


def probability_of(kind: StageKind, *, of_stage: int, own: int | None) -> int:
    """The chance of a deal in per cent: certain at the end, else its own or that of its stage."""
    return CERTAIN.get(kind, of_stage if own is None else own)


@dataclass(frozen=True, slots=True)
class Total:
    """How many deals of one currency, their sum, and their sum weighted by chance, both in minor units."""

    currency: str
    count: int
    amount_minor: int
    weighted_minor: int


def weighted(hundredths: int) -> int:
    """Minor units from a sum of amount times per cent, rounded half up once, not per deal."""
    return (hundredths + 50) // 100


def total(currency: str, rows: Iterable[tuple[int, int]]) -> Total:
    """The total of (amount in minor units, chance in per cent) pairs of one currency."""
    held = list(rows)
    hundredths = sum(amount * chance for amount, chance in held)
    return Total(currency, len(held), sum(amount for amount, _chance in held), weighted(hundredths))


def month_of(now: datetime, *, tz: str) -> tuple[date, date]:
    """The first and the last day of the local month of `now`, both inclusive."""
    first = local_day(now, tz=tz).replace(day=1)
    following = (first + timedelta(days=31)).replace(day=1)
    return first, following - timedelta(days=1)


def is_currency(code: str) -> bool:
    """Whether `code` is an ISO 4217 currency, in capitals."""
    return code in Locale("en").currencies


@dataclass(frozen=True, slots=True, kw_only=True)
class Stay:
    """One stay in a stage: since when, how many calendar days, and whether it goes on; `user_id` moved it there."""

    stage_id: UUID
    since: datetime
    until: datetime | None
    days: int
    user_id: UUID | None


def stays(changes: Iterable[tuple[UUID, datetime, UUID | None]], now: datetime, *, tz: str) -> list[Stay]:
    """The stays of a deal from its (stage, instant, who) changes, oldest first; the last one goes on until `now`."""
    held = list(changes)
    ends = [after[1] for _before, after in pairwise(held)]
    found = []
    for (stage_id, since, user_id), until in zip(held, [*ends, None], strict=True):
        days = days_in_stage(since, until or now, tz=tz)
        found.append(Stay(stage_id=stage_id, since=since, until=until, days=days, user_id=user_id))
    return found


def rank_between(low: str, high: str | None) -> str:
    """A place behind `low` ("" is before all) and before `high` (None is behind all); neither ends with the digit 0.

    About half-way, and as short as that allows: the usual way to order by words, in which there is always room.
    """
    if high is not None:
        same = 0
        while low[same : same + 1].ljust(1, DIGITS[0]) == high[same]:
            same += 1
        if same:
            return high[:same] + rank_between(low[same:], high[same:])
    first = DIGITS.index(low[0]) if low else 0
    last = DIGITS.index(high[0]) if high is not None else len(DIGITS)
    if last - first > 1:
        return DIGITS[(first + last + 1) // 2]
    if high is not None and len(high) > 1:
        return high[0]
    return DIGITS[first] + rank_between(low[1:], None)


def is_roomy(low: str, high: str) -> bool:
    """Whether a place between the two is short."""
    return len(rank_between(low, high)) <= ROOMY_RANK + 2


def ranks_between(low: str, high: str | None, count: int) -> list[str]:
    """So many places between two, evenly apart, first to last."""
    if count == 0:
        return []
    middle = rank_between(low, high)
    before = count // 2
    return [
        *ranks_between(low, middle, before),
        middle,
        *ranks_between(middle, high, count - before - 1),
    ]
