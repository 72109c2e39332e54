"""Owns the plain evaluator: a rule asked of one person's facts, slowly and obviously, and why it says what it says.

It is the yardstick of the compiler (property tests) and the source of the "why" panel.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, NamedTuple, TypeAlias

from crm.clock import local_day
from crm.filters.catalogue import Ask, Bound, BoundGroup, BoundLeaf, RuleContext, Subject
from crm.filters.moments import Interval, last_days, next_days, next_yearly
from crm.filters.schema import Op
from crm.filters.sources import holds_number, interval_of
from crm.filters.text import normalise
from crm.filters.values import FieldType, Money, MoneyRange

Facts: TypeAlias = Mapping[str, Any]


class YearDay(NamedTuple):
    """Month and day of something that comes every year; the year may be unknown."""

    month: int
    day: int


@dataclass(frozen=True)
class Explained:
    """A node of a rule with its result for one person.

    Leaves carry `leaf` and what was `seen`; groups carry `group` and `children`.
    """

    holds: bool
    leaf: BoundLeaf | None = None
    seen: Any = None
    group: BoundGroup | None = None
    children: tuple["Explained", ...] = ()


def evaluate(bound: Bound, facts: Facts, context: RuleContext, subject: Subject) -> bool:
    """True when the person with these facts fulfils the rule."""
    return explain(bound, facts, context, subject).holds


def explain(bound: Bound, facts: Facts, context: RuleContext, subject: Subject) -> Explained:
    """The rule with a result on every node and the value seen on every condition; nothing is cut short."""
    if isinstance(bound, BoundLeaf):
        ask = bound.ask(context, subject)
        seen = bound.field.read(facts, ask)
        return Explained(holds(ask, seen) != bound.denied, leaf=bound, seen=seen)
    children = tuple(explain(child, facts, context, subject) for child in bound.children)
    results = [child.holds for child in children]
    return Explained((all(results) if bound.every else any(results)) != bound.denied, group=bound, children=children)


def holds(ask: Ask, seen: Any) -> bool:
    """Whether what was seen fulfils a positive ask; with several values seen, one that does is enough."""
    values = _several(seen)
    if ask.field.type is FieldType.BOOLEAN:
        return seen is True
    if ask.op is Op.HAS_VALUE:
        return any(value != "" for value in values)
    if ask.op is Op.ALL_OF:
        return set(ask.value) <= {str(value) for value in values}
    return any(_one(ask, value) for value in values)


def _several(seen: Any) -> list[Any]:
    if seen is None:
        return []
    if isinstance(seen, Collection) and not isinstance(seen, str) and not isinstance(seen, YearDay):
        return list(seen)
    return [seen]


def _one(ask: Ask, seen: Any) -> bool:  # noqa: PLR0911 - one line for each case.
    match ask.field.type:
        case FieldType.TEXT:
            return _text(ask, normalise(seen))
        case FieldType.NUMBER | FieldType.COUNT:
            return holds_number(ask.op, seen, ask.value)
        case FieldType.MONEY:
            return _money(ask, seen)
        case FieldType.DATE:
            return _date(ask, seen)
        case FieldType.DATETIME:
            return interval_of(ask).holds(seen)
        case FieldType.ANNIVERSARY:
            return _yearly(ask, seen)
        case _:
            return str(seen) == ask.value if ask.op is Op.IS else str(seen) in ask.value


def _text(ask: Ask, seen: str) -> bool:
    match ask.op:
        case Op.ANY_OF:
            return seen in {normalise(text) for text in ask.value}
        case Op.CONTAINS:
            return normalise(ask.value) in seen
        case Op.STARTS_WITH:
            return seen.startswith(normalise(ask.value))
        case _:
            return seen == normalise(ask.value)


def _money(ask: Ask, seen: Money) -> bool:
    if isinstance(ask.value, MoneyRange):
        low, high = ask.value.low, ask.value.high
        return seen.currency == low.currency and low.amount <= seen.amount <= high.amount
    return seen.currency == ask.value.currency and holds_number(ask.op, seen.amount, ask.value.amount)


def _date(ask: Ask, seen: date) -> bool:
    value, today = ask.value, local_day(ask.context.now, tz=ask.context.tz)
    match ask.op:
        case Op.ON:
            return seen == value
        case Op.BEFORE:
            return seen < value
        case Op.AFTER:
            return seen > value
        case Op.BETWEEN:
            return value.first <= seen <= value.last
        case Op.IN_LAST:
            return last_days(ask.context.now, value.amount, value.unit, tz=ask.context.tz)[0] <= seen <= today
        case _:
            return today <= seen <= next_days(ask.context.now, value.amount, value.unit, tz=ask.context.tz)[1]


def _yearly(ask: Ask, seen: YearDay) -> bool:
    month, day = seen
    if ask.op is Op.IN_MONTH:
        return month in ask.value
    first, last = next_days(ask.context.now, ask.value.amount, ask.value.unit, tz=ask.context.tz)
    return first <= next_yearly(month, day, today=first) <= last


def count_within(instants: Collection[datetime], interval: Interval) -> int:
    """How many of the instants lie inside."""
    return sum(1 for instant in instants if interval.holds(instant))
