"""Decides which lots pay, when points expire, and how much a daily cap still allows."""

import hashlib
import json
from calendar import monthrange
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from uuid import UUID

from crm.clock import end_of_day, local_day
from crm.errors import InvalidInputError, worded

MOST_POINTS = 1_000_000_000
"""The most points in one entry: far above any programme, far below what sums of bigint can hold."""

_WHOLE = worded("Points are whole numbers.")
_RANGE = worded("Write a number of points from 1 to 1,000,000,000.")


@dataclass(frozen=True, slots=True)
class LotFacts:
    """What a decision needs to know of a lot."""

    id: UUID
    remaining: int
    available_from: datetime
    expires_at: datetime | None


@dataclass(frozen=True, slots=True)
class Draw:
    """How much to take from which lot, and what no lot could pay."""

    uses: tuple[tuple[UUID, int], ...]
    missing: int


def whole_points(value: object, *, signed: bool = False) -> int:
    """`value` as points: a whole number above zero (not zero when `signed`), at most a billion either way.

    Raises `InvalidInputError` naming the field `points`; a float is refused even when it is whole, and so is a bool.
    """
    if type(value) is not int:
        raise InvalidInputError(_WHOLE, code="points_not_whole", fields={"points": _WHOLE})
    if value == 0 or (value < 0 and not signed) or abs(value) > MOST_POINTS:
        raise InvalidInputError(_RANGE, code="points_out_of_range", fields={"points": _RANGE})
    return value


def is_over(expires_at: datetime | None, at: datetime) -> bool:
    """True from the expiry on: the instant itself belongs to the time after. None never ends."""
    return expires_at is not None and expires_at <= at


def spending_order(lot: LotFacts) -> tuple[bool, float, datetime, UUID]:
    """Sort key: earliest expiry first, then oldest; lots that never expire come last."""
    expiry = lot.expires_at.timestamp() if lot.expires_at is not None else 0.0
    return (lot.expires_at is None, expiry, lot.available_from, lot.id)


def draw(lots: Iterable[LotFacts], points: int, *, at: datetime | None) -> Draw:
    """Plan to take `points` from `lots` in spending order; lots expired `at` that instant are never touched.

    With `at` None every lot counts (a debt being repaid by points that just came back).
    """
    uses: list[tuple[UUID, int]] = []
    missing = points
    holding = (lot for lot in lots if lot.remaining > 0 and (at is None or not is_over(lot.expires_at, at)))
    for lot in sorted(holding, key=spending_order):
        if missing == 0:
            break
        taken = min(lot.remaining, missing)
        uses.append((lot.id, taken))
        missing -= taken
    return Draw(tuple(uses), missing)


def give_back(taken: Sequence[tuple[UUID, int]], points: int) -> Draw:
    """Plan to put `points` back into the lots they were `taken` from, the one taken last first."""
    back: list[tuple[UUID, int]] = []
    missing = points
    for lot_id, amount in reversed(taken):
        if missing == 0:
            break
        returned = min(amount, missing)
        if returned:
            back.append((lot_id, returned))
            missing -= returned
    return Draw(tuple(back), missing)


def months_later(day: date, months: int) -> date:
    """`day` moved by calendar months; a day that month lacks becomes its last one (31 January + 1 = 28 February)."""
    year, month = divmod(day.year * 12 + day.month - 1 + months, 12)
    return date(year, month + 1, min(day.day, monthrange(year, month + 1)[1]))


def expiry(earned_at: datetime, *, validity_months: int | None, tz: str) -> datetime | None:
    """The instant at which points earned now end: after the last local second of the same day N months later.

    None when they never expire.
    """
    if validity_months is None:
        return None
    return end_of_day(months_later(local_day(earned_at, tz=tz), validity_months), tz=tz)


def within_cap(points: int, *, cap: int | None, given: int) -> int:
    """How many of `points` a daily cap still allows when `given` were awarded that day; zero when it is used up."""
    if cap is None:
        return points
    return max(0, min(points, cap - given))


def request_hash(request: Mapping[str, object]) -> str:
    """The fingerprint of a request, so that a reused key is recognised; values are text, numbers, ids or instants."""
    plain = json.dumps(request, sort_keys=True, separators=(",", ":"), default=str)
    return hashlib.sha256(plain.encode()).hexdigest()
