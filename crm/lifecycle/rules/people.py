"""How one row of a file becomes a person, or the reason why it can't."""

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import date
from typing import Any, Final

from babel import Locale
from nameparser import HumanName
from pydantic import ValidationError

from crm.channels.addresses import DEFAULT_REGION, AddressError
from crm.channels.addresses import normalise as normalise_address
from crm.channels.base import ChannelKind
from crm.contacts.inputs import ContactInput, HandleInput
from crm.contacts.kinds import Address, Importance, Lifecycle
from crm.filters.text import normalise
from crm.lifecycle.rules.columns import ADDRESSES, Meaning, Own, Target

CHANNELS: Final = {target: ChannelKind(target.value) for target in ADDRESSES}
_WORDS: Final = {
    Target.LIFECYCLE: {
        "cliente": Lifecycle.CUSTOMER, "clienti": Lifecycle.CUSTOMER, "potenziale": Lifecycle.PROSPECT,
        "contatto": Lifecycle.LEAD, "stampa": Lifecycle.PRESS, "ex cliente": Lifecycle.PAST,
        "ambasciatore": Lifecycle.AMBASSADOR, "former": Lifecycle.PAST,
        # The stages of HubSpot (knowledge.hubspot.com, "Use contact and company lifecycle stages").
        "subscriber": Lifecycle.LEAD, "marketing qualified lead": Lifecycle.LEAD, "other": Lifecycle.LEAD,
        "sales qualified lead": Lifecycle.PROSPECT, "opportunity": Lifecycle.PROSPECT,
        "evangelist": Lifecycle.AMBASSADOR, **{kind.value: kind for kind in Lifecycle},
    },
    Target.IMPORTANCE: {
        "chiave": Importance.KEY, "alta": Importance.HIGH, "normale": Importance.NORMAL, "media": Importance.NORMAL,
        "low": Importance.NORMAL, "bassa": Importance.NORMAL, **{kind.value: kind for kind in Importance},
    },
    Target.ADDRESS_FORM: {
        "lei": Address.FORMAL, "tu": Address.INFORMAL, **{kind.value: kind for kind in Address},
    },
    Target.LANGUAGE: {
        "italiano": "it", "italian": "it", "inglese": "en", "english": "en", "francese": "fr", "french": "fr",
        "tedesco": "de", "german": "de", "spagnolo": "es", "spanish": "es",
    },
    Target.COUNTRY: {
        **{
            normalise(name): code
            for locale in ("en", "it")
            for code, name in Locale(locale).territories.items()
            if len(code) == 2 and code.isalpha()  # noqa: PLR2004 - ISO 3166-1 alpha-2.
        },
        "uk": "GB", "usa": "US", "united states of america": "US", "stati uniti d'america": "US",
    },
}  # fmt: skip
#: One tag of a cell; one that holds a separator stands in quotes.
_TAG: Final = re.compile(r':::|\s*"((?:[^"]|"")*)"\s*(?=[;,|]|:::|$)|((?:(?!:::)[^;,|])+)')
#: Google writes several addresses into one cell (support.google.com/contacts, "Export contacts").
_BETWEEN: Final = ":::"
#: Labels that Google gives to everybody, and the birthday of Outlook that is none.
_NO_TAGS: Final = frozenset({"* mycontacts", "mycontacts", "* starred"})
_NO_DAY: Final = frozenset({"0/0/00", "00/00/00", "0/0/0000", "00/00/0000"})
_LOCAL_DATE: Final = re.compile(r"(\d{1,2})[/.-](\d{1,2})[/.-](\d{4})")
#: RFC 6350, section 4.3.1: a day without its year.
_DAY_ONLY: Final = re.compile(r"--(\d{2})-?(\d{2})")
_ISO_DATE: Final = re.compile(r"(\d{4})-(\d{2})-(\d{2})")


class RowError(ValueError):
    """A row can't go in: the machine `code`, and the column at fault ('' for the whole row).

    `sentence` says why where one code has many reasons (values of own fields).
    """

    def __init__(self, code: str, column: str = "", sentence: str = "") -> None:
        super().__init__(code)
        self.code = code
        self.column = column
        self.sentence = sentence


@dataclass(frozen=True, slots=True)
class Person:
    """What a row says about a person: validated values, and normalised addresses in the order of the columns."""

    data: ContactInput
    values: dict[str, Any]
    """What the row gives, by the names of `ContactInput`, in the form that a fact keeps; without the company."""
    addresses: tuple[tuple[ChannelKind, str, str], ...] = field(default=())
    """(channel, address, normalised address)"""
    own: Mapping[str, tuple[str, str]] = field(default_factory=dict[str, tuple[str, str]])
    """{key of a field of the workspace's own: (what the cell says, its column)}; read when the fields are known."""


@dataclass(frozen=True, slots=True)
class ReadRow:
    """A numbered row of the file, and the person it speaks of or why it can't go in."""

    number: int
    cells: list[str]
    person: Person | RowError


@dataclass(frozen=True, slots=True)
class Layout:
    """How the rows of a file are to be read: the names of its columns, what they mean, and 4/12 as 12 April or not.

    `region` is the country (ISO 3166) of phone numbers without a prefix.
    """

    columns: list[str]
    mapping: Mapping[str, Meaning]
    month_first: bool = False
    region: str = DEFAULT_REGION


def read_rows(rows: Iterable[tuple[int, list[str]]], layout: Layout) -> tuple[ReadRow, ...]:
    """The numbered `rows` read one by one."""
    return tuple(ReadRow(number, cells, _person_or_error(cells, layout)) for number, cells in rows)


def _person_or_error(cells: list[str], layout: Layout) -> Person | RowError:
    try:
        return read_person(cells, layout)
    except RowError as error:
        return error


def read_person(cells: list[str], layout: Layout) -> Person:
    """The person of one row; raises `RowError` naming the column that is wrong."""
    if len(cells) > len(layout.columns) and any(cells[len(layout.columns) :]):
        raise RowError("too_many_cells")
    values: dict[str, object] = {}
    where: dict[str, str] = {}
    addresses: list[tuple[ChannelKind, str, str]] = []
    tags: list[str] = []
    own: dict[str, tuple[str, str]] = {}
    for column, cell in zip(layout.columns, cells, strict=False):
        target = layout.mapping.get(column, Target.IGNORE)
        if not cell or target is Target.IGNORE:
            continue
        if isinstance(target, Own):
            own[target.key] = (cell, column)
            continue
        where[target.value] = column
        if target in CHANNELS:
            addresses += _addresses(CHANNELS[target], cell, column, layout.region)
        elif target is Target.TAGS:
            tags += split_tags(cell)
        elif target is Target.FULL_NAME:
            first, last = split_name(cell)
            values.setdefault("first_name", first)
            values.setdefault("last_name", last)
        else:
            values[target.value] = _value(target, cell, column, month_first=layout.month_first)
    if middle := values.pop("middle_name", ""):
        values["first_name"] = f"{values.get('first_name', '')} {middle}".strip()
    person = _validated(values, where, addresses, tags)
    return replace(person, own=own) if own else person


def split_name(whole: str) -> tuple[str, str]:
    """First and last name of a whole one, cut at its last space where the parser would lose letters."""
    name = HumanName(whole)
    parts = (name.title, name.first, name.middle, name.last, name.suffix)
    if Counter("".join(parts)) >= Counter(whole) - Counter(" ," * len(whole)):
        return " ".join(part for part in (name.first, name.middle) if part), str(name.last)
    first, _space, last = whole.strip().rpartition(" ")
    return (first, last) if first else (last, "")


def split_tags(cell: str) -> list[str]:
    """The tags of a cell: between `;`, `,`, `|` or `:::`; in quotes what holds one of those."""
    found = (quoted.replace('""', '"') or bare for quoted, bare in _TAG.findall(cell))
    return [tag for part in found if (tag := part.strip()) and tag.lower() not in _NO_TAGS]


def join_tags(tags: Iterable[str]) -> str:
    """The cell of which `split_tags` makes the `tags` again."""
    return "; ".join('"{}"'.format(tag.replace('"', '""')) if re.search(r'[;,|"]|:::', tag) else tag for tag in tags)


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


def _addresses(channel: ChannelKind, cell: str, column: str, region: str) -> list[tuple[ChannelKind, str, str]]:
    if _BETWEEN in cell:
        return [_address(channel, part, column, region) for entry in cell.split(_BETWEEN) if (part := entry.strip())]
    return [_address(channel, cell, column, region)]


def _address(channel: ChannelKind, cell: str, column: str, region: str) -> tuple[ChannelKind, str, str]:
    try:
        address = normalise_address(channel, cell, region=region)
    except AddressError as error:
        raise RowError(f"bad_{channel.value}", column) from error
    return channel, address[0], address[1]


def _value(target: Target, cell: str, column: str, *, month_first: bool) -> object:
    if target in _WORDS:
        known = _WORDS[target].get(normalise(cell))
        if known is None and target in {Target.LIFECYCLE, Target.IMPORTANCE, Target.ADDRESS_FORM}:
            raise RowError(f"bad_{target.value}", column)
        return known or cell
    if target is Target.BIRTHDAY:
        return _birthday(cell, column, month_first=month_first)
    return cell


def _birthday(cell: str, column: str, *, month_first: bool) -> str:
    """ISO 8601, vCard's day without a year, or day, month and year in the order of the file.

    A day that the order makes impossible and the other one possible is read in the other one.
    """
    local, iso = _LOCAL_DATE.fullmatch(cell), _ISO_DATE.fullmatch(cell[:10])
    if cell in _NO_DAY:
        return ""
    try:
        if iso:
            return date(int(iso[1]), int(iso[2]), int(iso[3])).isoformat()
        if local:
            day, month = (int(local[2]), int(local[1])) if month_first else (int(local[1]), int(local[2]))
            if month > 12 >= day:  # noqa: PLR2004 - the months of a year.
                day, month = month, day
            return date(int(local[3]), month, day).isoformat()
    except ValueError as error:
        raise RowError("bad_birthday", column) from error
    if yearless := _DAY_ONLY.fullmatch(cell):
        return f"--{yearless[1]}-{yearless[2]}"
    raise RowError("bad_birthday", column)


def month_comes_first(days: Iterable[str]) -> bool | None:
    """In which order the dates of a file are written, by those that allow only one; None when none tells."""
    for day in days:
        found = _LOCAL_DATE.fullmatch(day)
        if found and (int(found[1]) > 12) is not (int(found[2]) > 12):  # noqa: PLR2004 - the months of a year.
            return int(found[2]) > 12  # noqa: PLR2004
    return None
