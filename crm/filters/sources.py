"""Owns the ready-made ways in which a field becomes SQL: a column of the contact, rows that belong to it, a count.

Conditions on indexed columns are equality and order only, which are leakproof: under row-level security PostgreSQL
uses no index for anything else. `contains` and `starts with` therefore read the rows of the workspace.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final, TypeAlias
from uuid import UUID

from sqlalchemy import (
    ColumnElement,
    FromClause,
    SQLColumnExpression,
    String,
    and_,
    exists,
    func,
    literal,
    or_,
    select,
    true,
)

from crm.filters.catalogue import Ask
from crm.filters.moments import Interval, coming, days_interval, last_days, next_days, past, yearly_spans
from crm.filters.schema import Op
from crm.filters.text import normalise
from crm.filters.values import FieldType, Window

Condition: TypeAlias = ColumnElement[bool]


def fixed(value: StrEnum) -> ColumnElement[str]:
    """A word of the code itself, written into the statement, so that partial indexes on it can be used.

    A parameter would hide it from a generic plan. Never for values of a rule.
    """
    return literal(value.value, String, literal_execute=True)


def compare(column: SQLColumnExpression[Any], ask: Ask) -> Condition:
    """`column` under the ask's operator and value; NULL counts as "does not hold" for the caller.

    Text columns hold normalised text (`text.normalise`), choices their keys, references their UUIDs.
    """
    match ask.field.type:
        case FieldType.TEXT:
            return _text(column, ask)
        case FieldType.NUMBER | FieldType.COUNT:
            return number(column, ask.op, ask.value)
        case FieldType.DATE:
            return _date(column, ask)
        case FieldType.DATETIME:
            return _instant(column, ask)
        case FieldType.BOOLEAN:
            return column.is_(true())
        case _:
            return _key(column, ask)


def _text(column: SQLColumnExpression[Any], ask: Ask) -> Condition:
    match ask.op:
        case Op.HAS_VALUE:
            return and_(column.is_not(None), column != "")
        case Op.ANY_OF:
            return column.in_([normalise(text) for text in ask.value])
        case Op.CONTAINS:
            return func.strpos(column, normalise(ask.value)) > 0
        case Op.STARTS_WITH:
            return func.starts_with(column, normalise(ask.value))
        case _:
            return column == normalise(ask.value)


def number(column: SQLColumnExpression[Any], op: Op, value: Any) -> Condition:  # noqa: PLR0911 - one line for each case.
    """`column` under one of the operators of numbers."""
    match op:
        case Op.HAS_VALUE:
            return column.is_not(None)
        case Op.MORE_THAN:
            return column > value
        case Op.AT_LEAST:
            return column >= value
        case Op.LESS_THAN:
            return column < value
        case Op.AT_MOST:
            return column <= value
        case Op.BETWEEN:
            return and_(column >= value.low, column <= value.high)
        case _:
            return column == value


def money(amount: SQLColumnExpression[Any], currency: SQLColumnExpression[Any]) -> Callable[[Ask], Condition]:
    """A field of type money: minor units and currency in two columns of the contact; other currencies never match."""

    def compiled(ask: Ask) -> Condition:
        if ask.op is Op.HAS_VALUE:
            return amount.is_not(None)
        if ask.op is Op.BETWEEN:
            low, high = ask.value.low, ask.value.high
            return and_(currency == low.currency, amount >= low.amount, amount <= high.amount)
        return and_(currency == ask.value.currency, number(amount, ask.op, ask.value.amount))

    return compiled


def _date(column: SQLColumnExpression[Any], ask: Ask) -> Condition:  # noqa: PLR0911 - one line for each case.
    context = ask.context
    match ask.op:
        case Op.HAS_VALUE:
            return column.is_not(None)
        case Op.ON:
            return column == ask.value
        case Op.BEFORE:
            return column < ask.value
        case Op.AFTER:
            return column > ask.value
        case Op.BETWEEN:
            return column.between(ask.value.first, ask.value.last)
        case Op.IN_LAST:
            return column.between(*last_days(context.now, ask.value.amount, ask.value.unit, tz=context.tz))
        case _:
            return column.between(*next_days(context.now, ask.value.amount, ask.value.unit, tz=context.tz))


def interval_of(ask: Ask) -> Interval:
    """The instants that a date-time operator means."""
    now, tz, value = ask.context.now, ask.context.tz, ask.value
    match ask.op:
        case Op.ON:
            return days_interval(value, value, tz=tz)
        case Op.BEFORE:
            return Interval(None, days_interval(value, None, tz=tz).start)
        case Op.AFTER:
            return Interval(days_interval(None, value, tz=tz).end, None)
        case Op.BETWEEN:
            return days_interval(value.first, value.last, tz=tz)
        case Op.IN_LAST:
            return past(now, value.amount, value.unit, tz=tz)
        case _:
            return coming(now, value.amount, value.unit, tz=tz)


def window_of(ask: Ask, name: str = "when") -> Interval:
    """The instants of the ask's window option; without one, all time up to now."""
    window: Window | None = ask.options.get(name)
    now, tz = ask.context.now, ask.context.tz
    if window is None:
        return Interval(None, None)
    if window.last is not None:
        return past(now, window.last.amount, window.last.unit, tz=tz)
    return days_interval(window.first, window.until, tz=tz)


def within(column: SQLColumnExpression[Any], interval: Interval) -> Condition:
    """`column` inside the interval."""
    bounds = []
    if interval.start is not None:
        bounds.append(column >= interval.start)
    if interval.end is not None:
        bounds.append(column < interval.end)
    return and_(true(), *bounds)


def _instant(column: SQLColumnExpression[Any], ask: Ask) -> Condition:
    return column.is_not(None) if ask.op is Op.HAS_VALUE else within(column, interval_of(ask))


def keys(ask: Ask, values: Sequence[str]) -> list[Any]:
    """Choice values as the column holds them: ids of rows become UUIDs."""
    return [UUID(value) for value in values] if _are_ids(ask) else list(values)


def _are_ids(ask: Ask) -> bool:
    return callable(ask.field.choices) or ask.field.type is FieldType.CONTACT


def _key(column: SQLColumnExpression[Any], ask: Ask) -> Condition:
    if ask.op is Op.HAS_VALUE:
        return column.is_not(None) if _are_ids(ask) else and_(column.is_not(None), column != "")
    if ask.op is Op.IS:
        return column == keys(ask, [ask.value])[0]
    return column.in_(keys(ask, ask.value))


def column(target: SQLColumnExpression[Any]) -> Callable[[Ask], Condition]:
    """A field that is a column of the subject's own table."""
    return lambda ask: compare(target, ask)


def anniversary(month: SQLColumnExpression[Any], day: SQLColumnExpression[Any]) -> Callable[[Ask], Condition]:
    """A field that is a day of the year in two columns of the subject: month 1-12 and day 1-31."""

    def compiled(ask: Ask) -> Condition:
        if ask.op is Op.HAS_VALUE:
            return and_(month.is_not(None), day.is_not(None))
        if ask.op is Op.IN_MONTH:
            return month.in_(ask.value)
        first, last = next_days(ask.context.now, ask.value.amount, ask.value.unit, tz=ask.context.tz)
        return or_(*(and_(month == m, day.between(a, b)) for m, a, b in yearly_spans(first, last)))

    return compiled


@dataclass(frozen=True)
class Rows:
    """Rows that belong to a contact: a table (or join), its contact and workspace columns, and what a row must fulfil.

    `where` may depend on the options of the ask ("of which offer"). `key` is the subject's column that `contact` meets,
    where it is not its id (the company of the contact).
    """

    source: FromClause
    contact: SQLColumnExpression[Any]
    workspace: SQLColumnExpression[Any]
    where: Callable[[Ask], Sequence[Condition]] = lambda _ask: ()
    key: SQLColumnExpression[Any] | None = None

    def conditions(self, ask: Ask) -> list[Condition]:
        """The row's own conditions, the workspace first."""
        return [self.workspace == ask.context.workspace_id, *self.where(ask)]


def exists_row(rows: Rows, ask: Ask, *conditions: Condition) -> Condition:
    """The contact has a row that fulfils the conditions."""
    inner = select(literal(1)).select_from(rows.source)
    key = ask.subject.id if rows.key is None else rows.key
    inner = inner.where(rows.contact == key, *rows.conditions(ask), *conditions)
    return exists(inner.correlate(ask.subject.table))


def any_row(rows: Rows, value: SQLColumnExpression[Any]) -> Callable[[Ask], Condition]:
    """A field whose values are rows: it holds when some row's `value` does; `all of` wants one row for each."""

    def compiled(ask: Ask) -> Condition:
        if ask.op is Op.ALL_OF:
            return and_(*(exists_row(rows, ask, value == key) for key in keys(ask, ask.value)))
        return exists_row(rows, ask, compare(value, ask))

    return compiled


def has_row(rows: Rows) -> Callable[[Ask], Condition]:
    """A yes/no field: yes when there is a row."""
    return lambda ask: exists_row(rows, ask)


_HOLDS: Final[dict[Op, Callable[[Any, Any], bool]]] = {
    Op.IS: lambda seen, value: seen == value,
    Op.MORE_THAN: lambda seen, value: seen > value,
    Op.AT_LEAST: lambda seen, value: seen >= value,
    Op.LESS_THAN: lambda seen, value: seen < value,
    Op.AT_MOST: lambda seen, value: seen <= value,
    Op.BETWEEN: lambda seen, value: value.low <= seen <= value.high,
}
_OPPOSITE: Final = {Op.LESS_THAN: Op.AT_LEAST, Op.AT_MOST: Op.MORE_THAN}


def holds_number(op: Op, seen: Any, value: Any) -> bool:
    """Whether a number fulfils one of the operators of numbers."""
    return _HOLDS[op](seen, value)


def count_rows(rows: Rows) -> Callable[[Ask], Condition]:
    """A field that counts rows.

    "At least one" is a plain EXISTS. Other counts group the rows once for everybody (a semi join) rather than once for
    each contact; what also holds for zero rows is the denial of what does not.
    """
    return lambda ask: _aggregated(rows, ask, None)


def sum_rows(rows: Rows, amount: SQLColumnExpression[Any]) -> Callable[[Ask], Condition]:
    """A field that adds up a positive column of rows; no rows make zero."""
    return lambda ask: _aggregated(rows, ask, amount)


def _aggregated(rows: Rows, ask: Ask, amount: SQLColumnExpression[Any] | None) -> Condition:
    if not holds_number(ask.op, 0, ask.value):
        return _grouped(rows, ask, ask.op, ask.value, amount)
    if ask.op is Op.BETWEEN:
        return ~_grouped(rows, ask, Op.MORE_THAN, ask.value.high, amount)
    if ask.op is Op.IS:
        return ~_grouped(rows, ask, Op.MORE_THAN, 0, amount)
    return ~_grouped(rows, ask, _OPPOSITE[ask.op], ask.value, amount) if ask.op in _OPPOSITE else true()


def _grouped(rows: Rows, ask: Ask, op: Op, value: Any, amount: SQLColumnExpression[Any] | None) -> Condition:
    if amount is None and (op, value) in ((Op.AT_LEAST, 1), (Op.MORE_THAN, 0)):
        return exists_row(rows, ask)
    total = func.count() if amount is None else func.sum(amount)
    grouped = select(rows.contact.label("contact_id")).select_from(rows.source)
    grouped = grouped.where(*rows.conditions(ask), rows.contact.is_not(None)).group_by(rows.contact)
    found = grouped.having(number(total, op, value)).correlate(None).subquery()
    return exists(select(literal(1)).where(found.c.contact_id == ask.subject.id).correlate(ask.subject.table))


def first_row(rows: Rows, at: SQLColumnExpression[Any]) -> Callable[[Ask], Condition]:
    """A date-time field that is the earliest of some rows: one before the end, and none before the start."""

    def compiled(ask: Ask) -> Condition:
        if ask.op is Op.HAS_VALUE:
            return exists_row(rows, ask)
        interval = interval_of(ask)
        found = exists_row(rows, ask, within(at, Interval(None, interval.end)))
        if interval.start is None:
            return found
        return and_(found, ~exists_row(rows, ask, at < interval.start))

    return compiled
