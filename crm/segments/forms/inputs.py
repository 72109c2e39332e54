"""Owns the inputs of a condition: which controls a field shows under an operator, and their way to JSON and back."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Any, Final

from babel.numbers import get_currency_precision

from crm.filters.catalogue import Field, Option
from crm.filters.schema import Op
from crm.filters.values import FieldType

Inputs = Mapping[str, list[str]]

_LISTS: Final = (Op.ANY_OF, Op.ALL_OF, Op.NONE_OF)
_SPANS: Final = (Op.IN_LAST, Op.NOT_IN_LAST, Op.IN_NEXT, Op.NOT_IN_NEXT)


@dataclass(frozen=True)
class Control:
    """One control of a condition.

    `kind`: text, words (a comma-separated list), number, money, date, span, key, keys, months, people, switch, window
    or none; `pair` shows it twice (between). `name` is "value" or that of an option.
    """

    name: str
    kind: str
    pair: bool = False
    option: Option | None = None
    whole: bool = False


def control(field: Field, op: Op) -> Control:  # noqa: PLR0911 - one line for each kind of control.
    """The control of the main value."""
    pair = op is Op.BETWEEN
    if op in (Op.HAS_VALUE, Op.NO_VALUE):
        return Control("value", "none")
    if op in _SPANS:
        return Control("value", "span")
    if op is Op.IN_MONTH:
        return Control("value", "months")
    match field.type:
        case FieldType.TEXT:
            return Control("value", "words" if op in _LISTS else "text")
        case FieldType.NUMBER | FieldType.COUNT:
            return Control("value", "number", pair=pair, whole=field.whole or field.type is FieldType.COUNT)
        case FieldType.BOOLEAN:
            return Control("value", "switch")
        case FieldType.CONTACT:
            return Control("value", "people")
        case FieldType.MONEY | FieldType.DATE | FieldType.DATETIME:
            return Control("value", "money" if field.type is FieldType.MONEY else "date", pair=pair)
        case _:
            return Control("value", "keys" if op in _LISTS else "key")


def option_controls(field: Field) -> list[Control]:
    """The controls of the field's options."""
    kinds = {"span": "span", "window": "window"}
    return [
        Control(option.name, kinds.get(option.kind, "keys" if option.many else "key"), option=option)
        for option in field.options
    ]


def read_value(field: Field, op: Op, inputs: Inputs) -> Any:
    """The JSON value that the inputs mean; what can't be read is passed on, for the language to refuse it in words."""
    main = _read(control(field, op), inputs)
    if not field.options:
        return main
    options = {shown.name: _read(shown, inputs) for shown in option_controls(field)}
    given = {name: value for name, value in options.items() if value not in (None, "", [])}
    return {"value": main, **given} if main is not None or given else ({} if op not in _VALUELESS else None)


_VALUELESS: Final = (Op.HAS_VALUE, Op.NO_VALUE)


def _read(shown: Control, inputs: Inputs) -> Any:
    name = shown.name
    if shown.kind == "none":
        return None
    if shown.kind == "window":
        return _read_window(name, inputs)
    if shown.pair:
        low, high = _scalar(shown, f"{name}.from", inputs), _scalar(shown, f"{name}.to", inputs)
        return {key: value for key, value in (("from", low), ("to", high)) if value is not None}
    return _scalar(shown, name, inputs)


def _scalar(shown: Control, name: str, inputs: Inputs) -> Any:  # noqa: PLR0911 - one line for each kind of control.
    listed = [value for value in inputs.get(name, []) if value.strip()]
    raw = listed[0].strip() if listed else ""
    match shown.kind:
        case "keys" | "people":
            return listed
        case "months":
            return [int(value) for value in listed if value.isdecimal() and len(value) <= 2]  # noqa: PLR2004 - 1 to 12.
        case "words":
            return [word.strip() for value in listed for word in value.split(",") if word.strip()]
        case "number":
            return _number(raw)
        case "span":
            return _read_span(name, inputs)
        case "money":
            return _read_money(raw, next(iter(inputs.get(f"{name}.currency", [])), "EUR"))
        case "switch":
            return {"yes": True, "no": False}.get(raw)
        case "date":
            return raw or None
        case _:
            return raw


def _number(raw: str) -> Any:
    """A number from 1240, 12.5 or 12,5; anything else stays as it is, nothing is None."""
    if re.fullmatch(r"[-+]?\d{1,16}", raw):
        return int(raw)
    if re.fullmatch(r"[-+]?\d{1,16}[.,]\d{1,6}", raw):
        return float(raw.replace(",", "."))
    return raw or None


def _read_span(name: str, inputs: Inputs) -> Any:
    amount = _number(next(iter(inputs.get(f"{name}.amount", [])), "").strip())
    unit = next(iter(inputs.get(f"{name}.unit", [])), "days")
    return None if amount is None else {"amount": amount, "unit": unit}


def _read_money(raw: str, currency: str) -> Any:
    try:
        minor = Decimal(raw.replace(",", ".")).scaleb(get_currency_precision(currency))
    except InvalidOperation:
        return raw or None
    return {"amount": int(minor) if minor == minor.to_integral_value() else float(minor), "currency": currency}


def _read_window(name: str, inputs: Inputs) -> Any:
    kind = next(iter(inputs.get(f"{name}.kind", [])), "")
    if kind == "last":
        return {"last": _read_span(name, inputs) or {}}
    if kind == "dates":
        given = {key: next(iter(inputs.get(f"{name}.{key}", [])), "") for key in ("from", "to")}
        return {key: value for key, value in given.items() if value}
    return None


def inputs_of(field: Field, op: Op, value: Any) -> dict[str, list[str]]:
    """The inputs that show a saved value."""
    main, options = value, {}
    if field.options and isinstance(value, dict):
        main, options = value.get("value"), {key: item for key, item in value.items() if key != "value"}
    inputs = _written(control(field, op), main)
    for shown in option_controls(field):
        inputs.update(_written(shown, options.get(shown.name)))
    return inputs


def _written(shown: Control, value: Any) -> dict[str, list[str]]:
    name = shown.name
    if value is None or shown.kind == "none":
        return {}
    if shown.kind == "window":
        return _written_window(name, value)
    if shown.pair and isinstance(value, dict):
        parts = {}
        for key in ("from", "to"):
            parts.update(_written_scalar(shown.kind, f"{name}.{key}", value.get(key)))
        return parts
    return _written_scalar(shown.kind, name, value)


def _written_scalar(kind: str, name: str, value: Any) -> dict[str, list[str]]:
    if kind == "span" and isinstance(value, dict):
        return {f"{name}.amount": [str(value.get("amount", ""))], f"{name}.unit": [str(value.get("unit", "days"))]}
    if kind == "money" and isinstance(value, dict):
        currency = str(value.get("currency", "EUR"))
        major = Decimal(value.get("amount", 0)).scaleb(-get_currency_precision(currency))
        return {name: [str(major)], f"{name}.currency": [currency]}
    if kind == "switch":
        return {name: ["yes" if value else "no"]}
    if kind == "words" and isinstance(value, list):
        return {name: [", ".join(str(item) for item in value)]}
    return {name: [str(item) for item in value] if isinstance(value, list) else [str(value)]}


def _written_window(name: str, value: Any) -> dict[str, list[str]]:
    if not isinstance(value, dict):
        return {}
    if value.get("last"):
        return {f"{name}.kind": ["last"], **_written_scalar("span", name, value["last"])}
    dates = {f"{name}.{key}": [str(value[key])] for key in ("from", "to") if value.get(key)}
    return {f"{name}.kind": ["dates"], **dates} if dates else {}
