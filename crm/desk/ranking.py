"""Owns the order of Today: which reasons make one line, and which line stands first.

One person is one line, however many reasons there are to write; its first reason is the heaviest. A line weighs what
its first reason weighs, 8 more for a key person, 3 for each further reason up to 9, and 1 for each day of waiting up to
5. Of two equal lines the one that waits longer stands first, then the name decides. The weights say who suffers from
waiting: somebody who asked and has no answer, then somebody who complains in public, then what may go wrong by itself
(messages in doubt or held), then what we promised, what we planned, and at last what would only be kind.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Final, Generic, Protocol, TypeVar
from uuid import UUID

WEIGHTS: Final[Mapping[str, int]] = {
    "reply": 100,
    "complaint": 95,
    "uncertain": 90,
    "held": 85,
    "late_promise": 70,
    "by_hand": 66,
    "promise": 64,
    "drafts": 62,
    "review": 61,
    "late_task": 58,
    "task": 54,
    "date": 50,
    "customer": 49,
    "anniversary": 48,
    "offer": 46,
    "job": 44,
    "cadence": 42,
    "news": 20,
    "quiet": 10,
}
KEY: Final = 8
FURTHER: Final = 3
MOST_FURTHER: Final = 9
MOST_DAYS: Final = 5


class Reason(Protocol):
    """What the ranking reads of a reason."""

    @property
    def kind(self) -> str: ...
    @property
    def id(self) -> UUID: ...
    @property
    def name(self) -> str: ...
    @property
    def contact_id(self) -> UUID | None: ...
    @property
    def is_key(self) -> bool: ...
    @property
    def is_promise(self) -> bool: ...
    @property
    def since(self) -> datetime | None: ...
    @property
    def due_on(self) -> date | None: ...


R = TypeVar("R", bound=Reason)


@dataclass(frozen=True, slots=True)
class Ranked(Generic[R]):
    """One line: the first reason, the others in the order of their weight, and what the line weighs."""

    first: R
    others: tuple[R, ...]
    weight: int

    @property
    def reasons(self) -> tuple[R, ...]:
        """All of them."""
        return (self.first, *self.others)


def weight_of(reason: Reason, *, today: date) -> int:
    """What one reason weighs by itself."""
    if reason.kind == "task":
        late = "late_" if reason.due_on is not None and reason.due_on < today else ""
        return WEIGHTS[f"{late}{'promise' if reason.is_promise else 'task'}"]
    return WEIGHTS[reason.kind]


def waited(reason: Reason, *, today: date) -> int:
    """How many days it has waited, at most `MOST_DAYS`; a quiet person waits for nothing."""
    began = reason.since.date() if reason.since else reason.due_on
    if began is None or reason.kind in {"quiet", "cadence"}:
        return 0
    return min(max((today - began).days, 0), MOST_DAYS)


def ranked(reasons: Iterable[R], *, today: date) -> list[Ranked[R]]:
    """The lines of the page in their order, one for each person (or thing, where nobody is known)."""
    lines: dict[UUID, list[R]] = {}
    for reason in reasons:
        lines.setdefault(reason.contact_id or reason.id, []).append(reason)
    made = [_line(found, today=today) for found in lines.values()]
    return sorted(made, key=lambda line: (-line.weight, _began(line.first), line.first.name, str(line.first.id)))


def _line(found: list[R], *, today: date) -> Ranked[R]:
    # Sorting is stable: equal reasons stay in the order in which they wait.
    ordered = sorted(found, key=lambda one: (-weight_of(one, today=today), -waited(one, today=today)))
    first = ordered[0]
    weight = weight_of(first, today=today) + waited(first, today=today) + KEY * any(one.is_key for one in found)
    return Ranked(first, tuple(ordered[1:]), weight + min(FURTHER * (len(found) - 1), MOST_FURTHER))


def _began(reason: Reason) -> str:
    if reason.since is not None:
        return reason.since.isoformat()
    return reason.due_on.isoformat() if reason.due_on is not None else "9"
