"""Owns the arithmetic of warmth: how alive the contact with a person is, from 0 to 100, and why.

    warmth      = recency + frequency + reciprocity, rounded
    recency     = 40 * max(f(two-way, 30), f(any, 30) / 2)
    frequency   = 30 * (1 - exp(-(I + O) / 6))
    reciprocity = 30 * 2 * min(I, O) / (I + O + 4)

`f(age, H) = 2 ** (-age / H)` is exponential decay with a half-life of H days. I and O are the sums of f(age, 90) over
the exchanges that they and that we began; a meeting has no beginner and gives each a half. "Two-way" is the last
exchange in which they took part (they wrote, or we talked), "any" also counts what we wrote: our own word alone is
worth half.

Where it comes from. Recency and frequency are the first two letters of RFM (Hughes, *Strategic Database Marketing*,
1994). That a tie decays exponentially while nobody tends it, and is refreshed by each contact, is the model of Jin,
Girvan and Newman (*Structure of growing social networks*, Physical Review E 64, 046132, 2001). Reciprocity is the
share of the weight of a tie that goes both ways, `2 min / sum`, after Squartini, Picciolo, Ruzzenenti, Garlaschelli
(*Reciprocity of weighted networks*, Scientific Reports 3, 2729, 2013); the 4 beneath are as many unanswered exchanges
that everybody begins with, so that one answered letter is no perfect balance and silence lets it fade. Frequency
saturates, because the tenth message of a day says less than the first. The half-lives are a month, the rhythm of
keeping in touch, and a quarter, in which habits show. Every exchange counts one: a weight for each kind would be an
opinion that nobody could check. The weights 40, 30 and 30 put the present before the habit.

Decayed sums can be put together in any order: an entry of 2019 adds what is left of it and warms nobody up.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from math import exp, log2
from typing import Final

from crm.interactions.kinds import Direction, InteractionKind

RECENCY: Final = 40.0
FREQUENCY: Final = 30.0
RECIPROCITY: Final = 30.0
RECENT_DAYS: Final = 30.0
HABIT_DAYS: Final = 90.0
SATURATION: Final = 6.0
UNANSWERED: Final = 4.0
OWN_WORD: Final = 0.5
#: After so many half-lives nothing is left; a number that small would only trouble the database.
FADED: Final = 40.0
#: Below it somebody is going cold.
COLD: Final = 30
_DAY: Final = 86_400.0

#: Kinds that count when they are from us, and from them; both only when a person and no machine did it.
TALKED: Final = frozenset({InteractionKind.CALL, InteractionKind.MEETING, InteractionKind.VISIT})
THEIRS: Final = frozenset({InteractionKind.MESSAGE_RECEIVED, InteractionKind.COMMENT, InteractionKind.MENTION})


@dataclass(frozen=True, slots=True, kw_only=True)
class Exchanged:
    """One exchange: its kind, direction and moment."""

    kind: str
    direction: str
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class State:
    """What is remembered of all exchanges: both sums as they were `at`, and the last moments."""

    inbound: float
    outbound: float
    at: datetime
    two_way_at: datetime | None
    any_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """Warmth and its three summands, before rounding."""

    recency: float
    frequency: float
    reciprocity: float

    @property
    def value(self) -> float:
        return self.recency + self.frequency + self.reciprocity

    @property
    def score(self) -> int:
        """0 to 100."""
        return round(self.value)


def is_two_way(kind: str, direction: str) -> bool:
    """Whether they took part: a talk, a meeting or a visit whoever began, or their own word on any channel."""
    return kind in TALKED or (kind in THEIRS and direction != Direction.OUTBOUND)


def left_of(value: float, *, since: datetime, until: datetime, half_life: float) -> float:
    """What is left of `value` after the time between; a moment ahead has not faded."""
    halves = max((until - since).total_seconds(), 0.0) / (half_life * _DAY)
    return 0.0 if halves > FADED else value * 2.0**-halves


def state_of(one: Exchanged) -> State:
    """The state after a single exchange."""
    share = {Direction.INBOUND: (1.0, 0.0), Direction.OUTBOUND: (0.0, 1.0)}.get(Direction(one.direction), (0.5, 0.5))
    two_way = one.at if is_two_way(one.kind, one.direction) else None
    return State(inbound=share[0], outbound=share[1], at=one.at, two_way_at=two_way, any_at=one.at)


def together(first: State, second: State) -> State:
    """Both in one: the same in whatever order states are put together."""
    at = max(first.at, second.at)
    one, two = faded(first, at), faded(second, at)
    return State(
        inbound=one.inbound + two.inbound,
        outbound=one.outbound + two.outbound,
        at=at,
        two_way_at=_later(first.two_way_at, second.two_way_at),
        any_at=_later(first.any_at, second.any_at),
    )


def faded(state: State, until: datetime) -> State:
    """The same state with its sums as they are at a later moment."""
    return replace(
        state,
        inbound=left_of(state.inbound, since=state.at, until=until, half_life=HABIT_DAYS),
        outbound=left_of(state.outbound, since=state.at, until=until, half_life=HABIT_DAYS),
        at=max(state.at, until),
    )


def recomputed(exchanges: Iterable[Exchanged]) -> State | None:
    """The state after all of them; None after none."""
    found: State | None = None
    for one in exchanges:
        found = state_of(one) if found is None else together(found, state_of(one))
    return found


def warmth(state: State, *, now: datetime) -> Parts:
    """Warmth at `now`."""
    seen = faded(state, now)
    both = seen.inbound + seen.outbound
    recent = max(
        _recent(state.two_way_at, now=now),
        OWN_WORD * _recent(state.any_at, now=now),
    )
    return Parts(
        recency=RECENCY * recent,
        frequency=FREQUENCY * (1.0 - exp(-both / SATURATION)),
        reciprocity=RECIPROCITY * 2.0 * min(seen.inbound, seen.outbound) / (both + UNANSWERED),
    )


def _recent(at: datetime | None, *, now: datetime) -> float:
    return 0.0 if at is None else left_of(1.0, since=at, until=now, half_life=RECENT_DAYS)


def of_colleague(own: State, *, house: State, everybody: Sequence[State]) -> State:
    """What one colleague has of a person.

    Their own exchanges count whole. What came in without a name (a message to the house) is shared among the colleagues
    by how much each of them wrote lately; so is its moment, by moving it back as if its weight were that share.
    """
    at = max(house.at, *(state.at for state in everybody))
    wrote = sum(faded(state, at).outbound for state in everybody)
    mine = faded(own, at)
    share = mine.outbound / wrote if wrote else 0.0
    nameless = max(faded(house, at).inbound - sum(faded(state, at).inbound for state in everybody), 0.0)
    two_way = own.two_way_at
    if share > 2.0**-FADED and house.two_way_at is not None:
        shared = house.two_way_at - timedelta(days=RECENT_DAYS * -log2(share))
        two_way = _later(two_way, shared)
    return replace(mine, inbound=mine.inbound + nameless * share, two_way_at=two_way)


def cold_on(state: State, *, now: datetime, level: float) -> datetime | None:
    """The first moment, to the day, at which warmth falls below `level` if nobody writes; None when it is below."""
    if warmth(state, now=now).value < level:
        return None
    low, high = 0, 1
    while warmth(state, now=now + timedelta(days=high)).value >= level:
        low, high = high, high * 2
    while high - low > 1:
        middle = (low + high) // 2
        if warmth(state, now=now + timedelta(days=middle)).value >= level:
            low = middle
        else:
            high = middle
    return now + timedelta(days=high)


def over_time(exchanges: Iterable[Exchanged], *, moments: Sequence[datetime]) -> list[int]:
    """The score at each of `moments`, in their order, as it was then."""
    waiting = sorted(exchanges, key=lambda one: one.at)
    scores: list[int] = []
    state: State | None = None
    place = 0
    for moment in moments:
        while place < len(waiting) and waiting[place].at <= moment:
            one = state_of(waiting[place])
            state = one if state is None else together(state, one)
            place += 1
        scores.append(warmth(state, now=moment).score if state is not None else 0)
    return scores


def _later(first: datetime | None, second: datetime | None) -> datetime | None:
    return max((one for one in (first, second) if one is not None), default=None)
