"""Owns the decisions about the workspace's own fields as pure functions: what a type takes, and how it is kept."""

import math
import re
import unicodedata
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal, InvalidOperation
from types import MappingProxyType
from typing import Any, Final, TypeAlias
from urllib.parse import urlsplit
from uuid import UUID

from babel.numbers import get_currency_precision, list_currencies

from crm.channels.sentences import N_
from crm.contacts.kinds import CustomSubject, CustomType
from crm.errors import worded
from crm.filters.text import normalise

#: Facts, errors and rules call a field of a person so, followed by its key.
PREFIX: Final = "custom."
KEY: Final = re.compile(r"[a-z][a-z0-9_]{0,39}")
LONGEST_TEXT: Final = 500
#: An index entry of PostgreSQL holds 2,704 bytes, ids included.
MOST_BYTES: Final = 2_000
LARGEST: Final = 10**15
MOST_CHOSEN: Final = 50
_YEARS: Final = range(1800, 2201)
_CURRENCIES: Final = frozenset(list_currencies())
_YES: Final = frozenset({"yes", "y", "true", "1", "si", "s", "vero", "x", "on"})
_NO: Final = frozenset({"no", "n", "false", "0", "falso", "off"})


class ValueRefusedError(ValueError):
    """The value does not fit; `sentence` says why, in English with its values kept apart for translation."""

    def __init__(self, sentence: str) -> None:
        super().__init__(sentence)
        self.sentence = sentence


@dataclass(frozen=True, slots=True, kw_only=True)
class ChoiceShape:
    """One value that a field offers."""

    id: UUID
    key: str
    label: str
    is_archived: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class FieldShape:
    """A field of the workspace's own as decisions see it."""

    id: UUID
    subject: CustomSubject
    key: str
    label: str
    type: CustomType
    help: str = ""
    required: bool = False
    filterable: bool = True
    lowest: str = ""
    highest: str = ""
    pattern: str = ""
    currency: str = "EUR"
    is_archived: bool = False
    choices: tuple[ChoiceShape, ...] = ()

    @property
    def name(self) -> str:
        """What facts and errors call it."""
        return f"{PREFIX}{self.key}"


@dataclass(frozen=True, slots=True)
class Value:
    """A value that fits: as `plain` JSON, as the `text` that facts keep, and as the columns of its rows."""

    plain: Any
    text: str
    rows: tuple[Mapping[str, Any], ...]


Row: TypeAlias = Mapping[str, Any]


def key_of(label: str) -> str:
    """A key made from a label, '' when nothing of it can stand in one."""
    plain = unicodedata.normalize("NFKD", normalise(label)).encode("ascii", "ignore").decode("ascii")
    return re.sub(r"[^a-z0-9]+", "_", plain).strip("_").lstrip("0123456789_")[:40].strip("_")


def fits(text: str, mask: str) -> bool:
    """Whether a text has the form of a mask: A is a letter, 9 a digit, X either, everything else stands for itself.

    A mask and not a regular expression: people write it, and no text makes it slow.
    """
    tests: Mapping[str, Callable[[str], bool]] = {"A": str.isalpha, "9": str.isdecimal, "X": str.isalnum}
    return len(text) == len(mask) and all(
        tests[sign](letter) if sign in tests else letter == sign for letter, sign in zip(text, mask, strict=True)
    )


def read(field: FieldShape, raw: Any) -> Value | None:
    """`raw` as a value of the field, None for nothing; raises `ValueRefusedError`.

    Takes what JSON would hold (a number, `{"amount": 12050, "currency": "EUR"}` in minor units, a list of keys, true)
    and the same written as text ("12.5", "120,50 EUR", "gold, silver", "yes", "2026-11-23").
    """
    if isinstance(raw, str):
        raw = raw.strip()
    if raw is None or raw in ("", [], {}):
        return None
    value = _READERS[field.type](field, raw)
    if value is not None:
        _check_limits(field, value)
    return value


def _refuse(sentence: str) -> ValueRefusedError:
    return ValueRefusedError(sentence)


def _line(raw: Any) -> str:
    if isinstance(raw, bool) or not isinstance(raw, str | int | float):
        raise _refuse(N_("Write a text."))
    text = str(raw)
    if len(text) > LONGEST_TEXT:
        raise _refuse(worded("At most %(count)s characters.", count=LONGEST_TEXT))
    if any(unicodedata.category(letter) in {"Cc", "Cs", "Zl", "Zp"} for letter in text):
        raise _refuse(N_("Write this on one line, without control characters."))
    return text


def _text(field: FieldShape, raw: Any) -> Value:
    text = _line(raw)
    if field.pattern and not fits(text, field.pattern):
        raise _refuse(worded("Write it in the form %(form)s.", form=field.pattern))
    return _texts(text)


def _texts(text: str) -> Value:
    norm = normalise(text)
    if len(norm.encode()) > MOST_BYTES:
        # Few signs can be many letters once they are taken apart.
        raise _refuse(worded("At most %(count)s characters.", count=LONGEST_TEXT))
    return Value(text, text, ({"text_value": text, "text_norm": norm},))


def _url(_field: FieldShape, raw: Any) -> Value:
    text = _line(raw)
    address = text if "://" in text else f"https://{text}"
    try:
        parts = urlsplit(address)
        is_web = parts.scheme in ("http", "https") and "." in (parts.hostname or "").strip(".")
    except ValueError:
        is_web = False
    if not is_web or " " in address:
        raise _refuse(N_("This is not a web address."))
    return _texts(address)


def number_in(raw: Any) -> Decimal:
    """A number as JSON or text holds it; a text like 1.250 that could be two numbers is refused."""
    if isinstance(raw, str):
        raw = raw.replace(" ", "").replace("\u00a0", "").replace("\u202f", "").replace("'", "")
        if re.fullmatch(r"[-+]?\d{1,3}([.,])\d{3}", raw):
            raise _refuse(N_("This could be two numbers: write 1250 or 1.25, without a sign between thousands."))
        grouped = re.fullmatch(r"([-+]?\d{1,3}(?:([.,])\d{3})(?:\2\d{3})*)(?:(?!\2)[.,](\d+))?", raw)
        if grouped:
            raw = grouped[1].replace(grouped[2], "") + (f".{grouped[3]}" if grouped[3] else "")
        raw = raw.replace(",", ".")
        # The smallest number that a computer keeps has 324 zeros.
        if not re.fullmatch(r"[-+]?\d{1,16}(?:\.\d{1,350})?", raw):
            raise _refuse(N_("Write a number."))
    if isinstance(raw, bool) or not isinstance(raw, str | int | float | Decimal):
        raise _refuse(N_("Write a number."))
    try:
        number = Decimal(raw if isinstance(raw, str | Decimal) else repr(raw))
    except InvalidOperation as error:
        raise _refuse(N_("Write a number.")) from error
    if not number.is_finite() or abs(number) > LARGEST:
        raise _refuse(N_("This number is too large."))
    return number


def _number(_field: FieldShape, raw: Any) -> Value:
    number = number_in(raw)
    plain = int(number) if number == number.to_integral_value() else float(number)
    return Value(plain, _plain_text(plain), ({"number": float(number)},))


def _plain_text(number: float) -> str:
    return str(number) if isinstance(number, int) else format(Decimal(repr(number)), "f")


def _money(field: FieldShape, raw: Any) -> Value:
    currency, amount = field.currency, raw
    if isinstance(raw, Mapping):
        minor, currency = raw.get("amount"), raw.get("currency", field.currency)
        if type(minor) is not int or set(raw) - {"amount", "currency"} or currency not in _CURRENCIES:
            raise _refuse(N_("Give the amount in cents and the currency, like EUR."))
        return _amount(minor, currency)
    if isinstance(raw, str):
        found = re.fullmatch(r"(?:([A-Za-z]{3}|€|\$|£)\s*)?(.*?)(?:\s*([A-Za-z]{3}|€|\$|£))?", raw)
        named = (found[1] or found[3] or "").upper() if found else ""
        currency = {"€": "EUR", "$": "USD", "£": "GBP"}.get(named, named) or currency
        amount = found[2] if found else raw
        if currency not in _CURRENCIES:
            raise _refuse(N_("This currency is not known. Write its code, like EUR."))
    minor = number_in(amount).scaleb(get_currency_precision(currency))
    if minor != minor.to_integral_value():
        raise _refuse(worded("An amount in %(currency)s has fewer decimals.", currency=currency))
    return _amount(int(minor), currency)


def _amount(minor: int, currency: str) -> Value:
    if abs(minor) > LARGEST:
        raise _refuse(N_("This number is too large."))
    digits = get_currency_precision(currency)
    text = f"{Decimal(minor).scaleb(-digits):.{digits}f} {currency}"
    return Value({"amount": minor, "currency": currency}, text, ({"amount": minor, "currency": currency},))


def _date(_field: FieldShape, raw: Any) -> Value:
    day = raw if type(raw) is date else None
    if isinstance(raw, str):
        local = re.fullmatch(r"(\d{1,2})[./](\d{1,2})[./](\d{4})", raw)
        text = f"{local[3]}-{int(local[2]):02d}-{int(local[1]):02d}" if local else raw
        if re.fullmatch(r"\d{4}-\d{2}-\d{2}", text):
            try:
                day = date.fromisoformat(text)
            except ValueError:
                day = None
    if day is None or day.year not in _YEARS:
        raise _refuse(N_("Write a date that exists, like 2026-11-23."))
    return Value(day.isoformat(), day.isoformat(), ({"day": day},))


def _choice(field: FieldShape, raw: Any) -> Value:
    found = _chosen(field, raw)
    return Value(found.key, found.key, ({"choice_id": found.id},))


def _choices(field: FieldShape, raw: Any) -> Value | None:
    whole = next((one for one in field.choices if raw in (one.key, one.label)), None)
    # A label may hold a comma; a list of labels is cut at them.
    given = [raw] if whole else re.split(r"[,;|]", raw) if isinstance(raw, str) else raw
    if not isinstance(given, list | tuple) or len(given) > MOST_CHOSEN:
        raise _refuse(N_("Give a list of values."))
    wanted = {_chosen(field, one).id for one in given if one not in ("", None) and str(one).strip()}
    found = [one for one in field.choices if one.id in wanted]
    if not found:
        return None
    keys = [one.key for one in found]
    return Value(keys, ", ".join(keys), tuple({"choice_id": one.id} for one in found))


def _chosen(field: FieldShape, raw: Any) -> ChoiceShape:
    if isinstance(raw, str):
        text = raw.strip()
        exact = next((one for one in field.choices if one.key == text), None)
        said = next((one for one in field.choices if normalise(one.label) == normalise(text)), None)
        if exact or said:
            return exact or said  # pyright: ignore[reportReturnType] - one of them is there.
    raise _refuse(N_("This is not one of the choices."))


def _yes_no(_field: FieldShape, raw: Any) -> Value:
    text = normalise(raw) if isinstance(raw, str) else ""
    if raw is True or text in _YES:
        return Value(True, "yes", ({"flag": True},))
    if raw is False or text in _NO:
        return Value(False, "no", ({"flag": False},))
    raise _refuse(N_("Choose yes or no."))


def _contact(_field: FieldShape, raw: Any) -> Value:
    try:
        found = raw if isinstance(raw, UUID) else UUID(raw)
    except (TypeError, ValueError, AttributeError) as error:
        raise _refuse(N_("Nobody is called so.")) from error
    return Value(str(found), str(found), ({"ref_id": found},))


_READERS: Final[Mapping[CustomType, Callable[[FieldShape, Any], Value | None]]] = MappingProxyType(
    {
        CustomType.TEXT: _text,
        CustomType.NUMBER: _number,
        CustomType.MONEY: _money,
        CustomType.DATE: _date,
        CustomType.CHOICE: _choice,
        CustomType.CHOICES: _choices,
        CustomType.YES_NO: _yes_no,
        CustomType.URL: _url,
        CustomType.CONTACT: _contact,
    }
)
#: Types whose values have an order, and so may have a lowest and a highest one.
ORDERED: Final = frozenset({CustomType.NUMBER, CustomType.MONEY, CustomType.DATE})
CHOOSING: Final = frozenset({CustomType.CHOICE, CustomType.CHOICES})


def _check_limits(field: FieldShape, value: Value) -> None:
    if field.type not in ORDERED:
        return
    if field.lowest and _order(field, value.rows[0]) < _order(field, _limit(field, field.lowest)):
        raise _refuse(worded("Not below %(limit)s.", limit=field.lowest))
    if field.highest and _order(field, value.rows[0]) > _order(field, _limit(field, field.highest)):
        raise _refuse(worded("Not above %(limit)s.", limit=field.highest))


def _limit(field: FieldShape, text: str) -> Row:
    value = _READERS[field.type](field, text)
    return value.rows[0] if value else {}


def _order(field: FieldShape, row: Row) -> Any:
    """What limits compare; amounts of different currencies by their number alone."""
    if field.type is CustomType.MONEY:
        return Decimal(row["amount"]).scaleb(-get_currency_precision(row["currency"]))
    return row["number"] if field.type is CustomType.NUMBER else row["day"]


def written(field: FieldShape, value: Value) -> str:
    """How a file holds a value: readable, and so that `read` makes the same value of it again.

    Of a person it is the id.
    """
    if field.type in CHOOSING:
        kept = set(value.text.split(", "))
        labels = "; ".join(one.label for one in field.choices if one.key in kept)
        try:
            return labels if same(read(field, labels), value) else value.text
        except ValueRefusedError:
            return value.text
    if field.type in {CustomType.NUMBER, CustomType.MONEY}:
        # 1.250 could be two numbers; 1.2500 is one.
        return re.sub(r"^([-+]?\d{1,3}\.\d{3})(?= |$)", r"\g<1>0", value.text)
    return value.text


def same(left: Value | None, right: Value | None) -> bool:
    """Whether two values say the same."""
    return (left.text if left else "") == (right.text if right else "")


def stored(field: FieldShape, rows: list[Row]) -> Value | None:  # noqa: PLR0911 - one line for each type.
    """The value that its rows keep; None without rows, or when their choice is not the field's any more."""
    if not rows:
        return None
    row = rows[0]
    match field.type:
        case CustomType.TEXT | CustomType.URL:
            return Value(row["text_value"], row["text_value"], tuple(rows))
        case CustomType.NUMBER:
            number = row["number"]
            plain = int(number) if math.isfinite(number) and number == int(number) else number
            return Value(plain, _plain_text(plain), tuple(rows))
        case CustomType.MONEY:
            return _amount(row["amount"], row["currency"])
        case CustomType.DATE:
            return Value(row["day"].isoformat(), row["day"].isoformat(), tuple(rows))
        case CustomType.YES_NO:
            return _yes_no(field, row["flag"])
        case CustomType.CONTACT:
            return _contact(field, row["ref_id"])
        case _:
            chosen = {one["choice_id"] for one in rows}
            keys = [one.key for one in field.choices if one.id in chosen]
            plain = keys if field.type is CustomType.CHOICES else next(iter(keys), None)
            return Value(plain, ", ".join(keys), tuple(rows)) if keys else None
