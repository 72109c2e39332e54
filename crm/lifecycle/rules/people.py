"""How one row of a file becomes a person, or the reason why it can't."""

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date
from typing import Any, Final

from nameparser import HumanName
from pydantic import ValidationError

from crm.channels.addresses import AddressError
from crm.channels.addresses import normalise as normalise_address
from crm.channels.base import ChannelKind
from crm.contacts.inputs import ContactInput, HandleInput
from crm.contacts.kinds import Importance, Lifecycle
from crm.filters.text import normalise
from crm.lifecycle.rules.columns import Target

CHANNELS: Final = {
    Target.EMAIL: ChannelKind.EMAIL,
    Target.PHONE: ChannelKind.PHONE,
    Target.WHATSAPP: ChannelKind.WHATSAPP,
    Target.INSTAGRAM: ChannelKind.INSTAGRAM,
    Target.LINKEDIN: ChannelKind.LINKEDIN,
    Target.X: ChannelKind.X,
    Target.TELEGRAM: ChannelKind.TELEGRAM,
}
_WORDS: Final = {
    Target.LIFECYCLE: {
        "cliente": Lifecycle.CUSTOMER, "clienti": Lifecycle.CUSTOMER, "potenziale": Lifecycle.PROSPECT,
        "contatto": Lifecycle.LEAD, "follower": Lifecycle.FOLLOWER, "stampa": Lifecycle.PRESS,
        "ex cliente": Lifecycle.PAST, **{kind.value: kind for kind in Lifecycle},
    },
    Target.IMPORTANCE: {
        "chiave": Importance.KEY, "alta": Importance.HIGH, "normale": Importance.NORMAL, "media": Importance.NORMAL,
        **{kind.value: kind for kind in Importance},
    },
    Target.LANGUAGE: {
        "italiano": "it", "italian": "it", "inglese": "en", "english": "en", "francese": "fr", "french": "fr",
        "tedesco": "de", "german": "de", "spagnolo": "es", "spanish": "es",
    },
    Target.COUNTRY: {
        "italia": "IT", "italy": "IT", "francia": "FR", "france": "FR", "germania": "DE", "germany": "DE",
        "svizzera": "CH", "switzerland": "CH", "spagna": "ES", "spain": "ES", "austria": "AT",
        "regno unito": "GB", "united kingdom": "GB", "stati uniti": "US", "united states": "US",
    },
}  # fmt: skip
_TAG_SEPARATORS: Final = re.compile(r"[;,|]|:::")
_LOCAL_DATE: Final = re.compile(r"(\d{1,2})[/.-](\d{1,2})[/.-](\d{4})")
_ISO_DATE: Final = re.compile(r"(\d{4})-(\d{2})-(\d{2})")


class RowError(ValueError):
    """A row can't go in: the machine `code`, and the column at fault ('' for the whole row)."""

    def __init__(self, code: str, column: str = "") -> None:
        super().__init__(code)
        self.code = code
        self.column = column


@dataclass(frozen=True, slots=True)
class Person:
    """What a row says about a person: validated values, and normalised addresses in the order of the columns."""

    data: ContactInput
    values: dict[str, Any]
    """What the row gives, by the names of `ContactInput`, in the form that a fact keeps; without the company."""
    addresses: tuple[tuple[ChannelKind, str, str], ...] = field(default=())
    """(channel, address, normalised address)"""


@dataclass(frozen=True, slots=True)
class ReadRow:
    """A numbered row of the file, and the person it speaks of or why it can't go in."""

    number: int
    cells: list[str]
    person: Person | RowError


def read_rows(
    rows: Iterable[tuple[int, list[str]]], columns: list[str], mapping: dict[str, Target]
) -> tuple[ReadRow, ...]:
    """The numbered `rows` read one by one."""
    return tuple(ReadRow(number, cells, _person_or_error(cells, columns, mapping)) for number, cells in rows)


def _person_or_error(cells: list[str], columns: list[str], mapping: dict[str, Target]) -> Person | RowError:
    try:
        return read_person(cells, columns, mapping)
    except RowError as error:
        return error


def read_person(cells: list[str], columns: list[str], mapping: dict[str, Target]) -> Person:
    """The person of one row; raises `RowError` naming the column that is wrong."""
    if len(cells) > len(columns):
        raise RowError("too_many_cells")
    values: dict[str, object] = {}
    where: dict[str, str] = {}
    addresses: list[tuple[ChannelKind, str, str]] = []
    tags: list[str] = []
    for column, cell in zip(columns, cells, strict=False):
        target = mapping.get(column, Target.IGNORE)
        if not cell or target is Target.IGNORE:
            continue
        where[target.value] = column
        if target in CHANNELS:
            addresses.append(_address(CHANNELS[target], cell, column))
        elif target is Target.TAGS:
            tags += [tag.strip() for tag in _TAG_SEPARATORS.split(cell) if tag.strip()]
        elif target is Target.FULL_NAME:
            name = HumanName(cell)
            values.setdefault("first_name", " ".join(part for part in (name.first, name.middle) if part))
            values.setdefault("last_name", str(name.last))
        else:
            values[target.value] = _value(target, cell, column)
    return _validated(values, where, addresses, tags)


def _validated(
    values: dict[str, object], where: dict[str, str], addresses: list[tuple[ChannelKind, str, str]], tags: list[str]
) -> Person:
    unique = tuple(dict.fromkeys(addresses))
    if not unique and not values.get("first_name") and not values.get("last_name"):
        raise RowError("nobody")
    try:
        data = ContactInput.model_validate(
            {
                **values,
                "tags": tags,
                "handles": [HandleInput(channel=channel, address=address) for channel, address, _ in unique],
            }
        )
    except ValidationError as error:
        name = str(error.errors()[0]["loc"][0])
        raise RowError(f"bad_{name}", where.get(name, "")) from error
    told = data.model_dump(mode="json", include=values.keys() - {"company_name"})
    return Person(data, told, unique)


def _address(channel: ChannelKind, cell: str, column: str) -> tuple[ChannelKind, str, str]:
    try:
        address = normalise_address(channel, cell)
    except AddressError as error:
        raise RowError(f"bad_{channel.value}", column) from error
    return channel, address[0], address[1]


def _value(target: Target, cell: str, column: str) -> object:
    if target in _WORDS:
        known = _WORDS[target].get(normalise(cell))
        if known is None and target in {Target.LIFECYCLE, Target.IMPORTANCE}:
            raise RowError(f"bad_{target.value}", column)
        return known or cell
    if target is Target.BIRTHDAY:
        return _birthday(cell, column)
    return cell


def _birthday(cell: str, column: str) -> str:
    """Day first, as Italian files write it, or ISO 8601."""
    local, iso = _LOCAL_DATE.fullmatch(cell), _ISO_DATE.fullmatch(cell[:10])
    try:
        if iso:
            return date(int(iso[1]), int(iso[2]), int(iso[3])).isoformat()
        if local:
            return date(int(local[3]), int(local[2]), int(local[1])).isoformat()
    except ValueError as error:
        raise RowError("bad_birthday", column) from error
    if cell.startswith("--"):
        return cell
    raise RowError("bad_birthday", column)
