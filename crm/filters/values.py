"""Owns the typed values of conditions: what JSON each type and operator takes, and the messages when it is wrong."""

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from types import MappingProxyType
from typing import Annotated, Any, Final, TypeVar
from uuid import UUID

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StrictInt, ValidationError, model_validator

from crm.filters.moments import Unit
from crm.filters.schema import Op, Path, Problem
from crm.web.i18n import lazy as _

M = TypeVar("M", bound=BaseModel)
T = TypeVar("T")

MAX_LIST: Final = 200
MAX_TEXT: Final = 500
MAX_NUMBER: Final = 10**15
_YEARS: Final = range(1800, 2201)
_LONGEST: Final = MappingProxyType({Unit.DAYS: 36_500, Unit.WEEKS: 5_200, Unit.MONTHS: 1_200, Unit.YEARS: 100})


class FieldType(StrEnum):
    """The types of fields; each decides the operators, the form of the value and the input on the page."""

    TEXT = "text"
    NUMBER = "number"
    MONEY = "money"
    DATE = "date"
    DATETIME = "datetime"
    CHOICE = "choice"
    MULTI = "multi"
    BOOLEAN = "boolean"
    COUNT = "count"
    CONTACT = "contact"
    ANNIVERSARY = "anniversary"


class ValueProblemError(ValueError):
    """The value does not fit; `path` points inside it."""

    def __init__(self, code: str, message: Any, path: Path = ()) -> None:
        super().__init__(code)
        self.problem = Problem(path, code, str(message))


def _iso_date(raw: Any) -> date:
    if isinstance(raw, date):
        return raw
    if not isinstance(raw, str) or not re.fullmatch(r"\d{4}-\d{2}-\d{2}", raw):
        raise ValueError("not_a_date")
    day = date.fromisoformat(raw)
    if day.year not in _YEARS:
        raise ValueError("not_a_date")
    return day


IsoDate = Annotated[date, BeforeValidator(_iso_date)]


class _Value(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)


class Span(_Value):
    """A length of time in calendar units: `{"amount": 30, "unit": "days"}`."""

    amount: Annotated[StrictInt, Field(ge=0)]
    unit: Unit = Unit.DAYS

    @model_validator(mode="after")
    def _not_beyond_a_century(self) -> "Span":
        if self.amount > _LONGEST[self.unit]:
            raise ValueError("too_long")
        return self


class DateRange(_Value):
    """Local days from the first to the last, both included: `{"from": "2026-01-01", "to": "2026-03-31"}`."""

    first: Annotated[IsoDate, Field(alias="from")]
    last: Annotated[IsoDate, Field(alias="to")]

    @model_validator(mode="after")
    def _in_order(self) -> "DateRange":
        if self.first > self.last:
            raise ValueError("wrong_order")
        return self


class NumberRange(_Value):
    """Numbers from the lower to the upper, both included: `{"from": 1, "to": 5}`."""

    low: Annotated[StrictInt | float, Field(alias="from")]
    high: Annotated[StrictInt | float, Field(alias="to")]


class Money(_Value):
    """An amount in minor units of a currency: `{"amount": 12050, "currency": "EUR"}` is 120.50 euro."""

    amount: Annotated[StrictInt, Field(ge=-MAX_NUMBER, le=MAX_NUMBER)]
    currency: Annotated[str, Field(pattern=r"^[A-Z]{3}$")]


class MoneyRange(_Value):
    """Amounts of one currency from the lower to the upper, both included."""

    low: Annotated[Money, Field(alias="from")]
    high: Annotated[Money, Field(alias="to")]

    @model_validator(mode="after")
    def _one_currency(self) -> "MoneyRange":
        if self.low.currency != self.high.currency:
            raise ValueError("two_currencies")
        return self


class Window(_Value):
    """When something happened: `{"last": {...}}`, or `{"from": ..., "to": ...}` with either end left open."""

    last: Span | None = None
    first: Annotated[IsoDate | None, Field(alias="from")] = None
    until: Annotated[IsoDate | None, Field(alias="to")] = None

    @model_validator(mode="after")
    def _one_kind(self) -> "Window":
        if self.last is not None and (self.first is not None or self.until is not None):
            raise ValueError("two_windows")
        if self.first is not None and self.until is not None and self.first > self.until:
            raise ValueError("wrong_order")
        return self


@dataclass(frozen=True)
class Choice:
    """One value to choose from; `value` is what the rule holds, `label` what people read."""

    value: str
    label: Any


_MESSAGES: Final = MappingProxyType(
    {
        "not_a_date": _("Write a date that exists, like 2026-11-23."),
        "too_long": _("This is longer than a hundred years."),
        "wrong_order": _("The first value must not come after the second."),
        "two_currencies": _("Both amounts need the same currency."),
        "two_windows": _("Choose either the last days or two dates."),
    }
)


def parse_model(model: type[M], raw: Any) -> M:
    """`raw` as that value model; raises `ValueProblemError` pointing at the first mistake inside it."""
    try:
        return model.model_validate(raw)
    except ValidationError as error:
        found = error.errors(include_url=False)[0]
        path: Path = tuple(found["loc"])
        inner = found.get("ctx", {}).get("error")
        code = str(inner) if isinstance(inner, ValueError) else found["type"]
        if code not in _MESSAGES and isinstance(inner, ValueError):
            code = "not_a_date"
        if code == "extra_forbidden":
            raise ValueProblemError("unknown_key", _("There is no value with this name here."), path) from error
        if code == "missing":
            raise ValueProblemError("missing", _("Write a value."), path) from error
        message = _MESSAGES.get(code, _("This value has the wrong form."))
        raise ValueProblemError(code if code in _MESSAGES else "wrong_type", message, path) from error


def parse_text(raw: Any) -> str:
    """A non-empty text of at most `MAX_TEXT` characters."""
    if not isinstance(raw, str):
        raise ValueProblemError("wrong_type", _("Write a text."))
    if not raw.strip():
        raise ValueProblemError("missing", _("Write a value."))
    if len(raw) > MAX_TEXT:
        raise ValueProblemError("too_long_text", _("This text is too long."))
    if "\x00" in raw or any("\ud800" <= letter <= "\udfff" for letter in raw):
        raise ValueProblemError("wrong_type", _("The text contains a character that can't be stored."))
    return raw.strip()


def parse_number(raw: Any, *, whole: bool) -> int | float:
    """A finite number; with `whole` an integer."""
    if isinstance(raw, bool) or not isinstance(raw, int | float) or not math.isfinite(raw):
        raise ValueProblemError("not_a_number", _("Write a number."))
    if abs(raw) > MAX_NUMBER:
        raise ValueProblemError("not_a_number", _("This number is too large."))
    if whole and raw != int(raw):
        raise ValueProblemError("not_whole", _("Write a whole number."))
    return int(raw) if whole else raw


def parse_key(raw: Any, *, choices: Mapping[str, Choice] | None) -> str:
    """The value of one choice; with `choices` (they are fixed) it must be one of them, else an id."""
    if not isinstance(raw, str) or not raw:
        raise ValueProblemError("missing", _("Choose a value."))
    if choices is None:
        try:
            return str(UUID(raw))
        except ValueError as error:
            raise ValueProblemError("unknown_choice", _("This is not one of the choices.")) from error
    if raw not in choices:
        raise ValueProblemError("unknown_choice", _("This is not one of the choices."))
    return raw


def parse_list(raw: Any, one: Callable[[Any], T]) -> tuple[T, ...]:
    """A non-empty list of at most `MAX_LIST` values, each read by `one`; repeats are dropped."""
    if not isinstance(raw, list):
        raise ValueProblemError("wrong_type", _("Give a list of values."))
    if not raw:
        raise ValueProblemError("missing", _("Choose a value."))
    if len(raw) > MAX_LIST:
        raise ValueProblemError("too_many", _("At most %(count)s values.", count=MAX_LIST))
    found: dict[T, None] = {}
    for index, item in enumerate(raw):
        try:
            found[one(item)] = None
        except ValueProblemError as error:
            inner = error.problem
            raise ValueProblemError(inner.code, inner.message, (index, *inner.path)) from error
    return tuple(found)


def parse_value(  # noqa: PLR0911 - one line for each form a value can take.
    kind: FieldType, op: Op, raw: Any, *, whole: bool, choices: Mapping[str, Choice] | None
) -> Any:
    """The typed value of a condition on a field of type `kind` under `op`.

    Text, number (or `NumberRange`), `Money`, date, `DateRange`, `Span`, key, bool, or a tuple of texts, keys or months;
    None for operators without a value. Raises `ValueProblemError`.
    """
    if op in (Op.HAS_VALUE, Op.NO_VALUE):
        if raw is not None:
            raise ValueProblemError("no_value_wanted", _("This comparison takes no value."))
        return None
    if raw is None:
        raise ValueProblemError("missing", _("Write a value."))
    if op in (Op.IN_LAST, Op.NOT_IN_LAST, Op.IN_NEXT, Op.NOT_IN_NEXT):
        return parse_model(Span, raw)
    if op is Op.IN_MONTH:
        return parse_list(raw, _month)
    if kind in (FieldType.NUMBER, FieldType.COUNT):
        return _number(op, raw, whole=whole or kind is FieldType.COUNT)
    reader = _RANGES.get(kind) if op is Op.BETWEEN else _SCALARS.get(kind)
    if kind is FieldType.TEXT and op in (Op.ANY_OF, Op.NONE_OF):
        return parse_list(raw, parse_text)
    if reader is not None:
        return reader(raw)
    if op in (Op.IS, Op.IS_NOT):
        return parse_key(raw, choices=choices)
    return parse_list(raw, lambda item: parse_key(item, choices=choices))


def _number(op: Op, raw: Any, *, whole: bool) -> Any:
    if op is not Op.BETWEEN:
        return parse_number(raw, whole=whole)
    span = parse_model(NumberRange, raw)
    low, high = parse_number(span.low, whole=whole), parse_number(span.high, whole=whole)
    if low > high:
        raise ValueProblemError("wrong_order", _MESSAGES["wrong_order"], ("to",))
    return NumberRange(low=low, high=high)


def _date(raw: Any) -> date:
    try:
        return _iso_date(raw)
    except ValueError as error:
        raise ValueProblemError("not_a_date", _MESSAGES["not_a_date"]) from error


def _month(raw: Any) -> int:
    if type(raw) is not int or not 1 <= raw <= 12:  # noqa: PLR2004 - the months of a year.
        raise ValueProblemError("not_a_month", _("Choose a month."))
    return raw


def _yes_or_no(raw: Any) -> bool:
    if not isinstance(raw, bool):
        raise ValueProblemError("wrong_type", _("Choose yes or no."))
    return raw


_SCALARS: Final[Mapping[FieldType, Callable[[Any], Any]]] = MappingProxyType(
    {
        FieldType.TEXT: parse_text,
        FieldType.MONEY: lambda raw: parse_model(Money, raw),
        FieldType.DATE: _date,
        FieldType.DATETIME: _date,
        FieldType.BOOLEAN: _yes_or_no,
    }
)
_RANGES: Final[Mapping[FieldType, Callable[[Any], Any]]] = MappingProxyType(
    {
        FieldType.MONEY: lambda raw: parse_model(MoneyRange, raw),
        FieldType.DATE: lambda raw: parse_model(DateRange, raw),
        FieldType.DATETIME: lambda raw: parse_model(DateRange, raw),
    }
)
