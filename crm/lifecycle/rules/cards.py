"""What the cards of a vCard file say about people, as rows of a table."""

import re
from collections import Counter
from collections.abc import Collection, Iterator
from typing import BinaryIO, Final

from crm.channels.addresses import channel_of_url
from crm.contacts.custom_rules import KEY
from crm.contacts.rules import Birthday
from crm.lifecycle.rules.columns import ADDRESSES, Meaning, Own, Target
from crm.lifecycle.rules.people import join_tags, split_name
from crm.lifecycle.rules.vcard import Card, Property, cards

Row = dict[Meaning, list[str]]
#: The order of the columns.
ORDER: Final = tuple(target for target in Target if target not in {Target.IGNORE, Target.FULL_NAME, Target.MIDDLE_NAME})
#: Our own cards name themselves so; their UID is the id that we gave.
OURS: Final = "-//Filodiretto//"
#: Before the key of a field of the workspace's own, with "-" for "_", in our own cards.
OWN_PROPERTY: Final = "X-FILODIRETTO-CUSTOM-"
#: No workspace has more such fields; strange cards could name any number.
_MOST_OWN: Final = 100
#: The year that Apple writes for a birthday without one, unless the card names another.
_APPLE_NO_YEAR: Final = "1604"
_DAY: Final = re.compile(r"(?:(\d{4})|-)-?(\d{2})-?(\d{2})(?:[T ].*)?")
#: Names of messengers as cards write them, and where an address on them goes.
_SERVICES: Final = {
    "whatsapp": Target.WHATSAPP, "telegram": Target.TELEGRAM, "instagram": Target.INSTAGRAM, "twitter": Target.X,
    "x": Target.X, "linkedin": Target.LINKEDIN, "facebook": Target.MESSENGER, "messenger": Target.MESSENGER,
    "mastodon": Target.MASTODON, "bluesky": Target.BLUESKY,
}  # fmt: skip
_NOT_A_VOICE: Final = frozenset({"FAX", "PAGER", "MODEM", "BBS", "TEXTPHONE"})
#: Google puts everybody into this one.
_NO_TAG: Final = frozenset({"mycontacts", "* mycontacts", "starred", "* starred"})
#: What vCard has no property for, as our own export names it.
_OWN_PROPERTIES: Final = {f"X-FILODIRETTO-{target.value.upper().replace('_', '-')}": target for target in ORDER}


def read(file: BinaryIO) -> Iterator[Row]:
    """What each card says; cards of groups and lists are no people and are left out."""
    for card in cards(file):
        kinds = {
            entry.text.strip().lower() for name in ("KIND", "X-ADDRESSBOOKSERVER-KIND") for entry in card.all(name)
        }
        if not kinds & {"group", "location"}:
            yield _row(card)


def widths(rows: Iterator[Row]) -> Counter[Meaning]:
    """How many columns each meaning needs."""
    found: Counter[Meaning] = Counter()
    left = _MOST_OWN
    for row in rows:
        for target, values in row.items():
            if isinstance(target, Own) and target not in found:
                if not left:
                    continue
                left -= 1
            found[target] = max(found[target], len(values))
    return found


def columns(needed: Counter[Meaning]) -> list[tuple[str, Meaning]]:
    """The columns of the table and what each means: `email`, `email (2)`, ..."""
    return [
        (target.value if number == 1 else f"{target.value} ({number})", target)
        for target in _order(needed)
        for number in range(1, needed[target] + 1)
    ]


def _order(needed: Counter[Meaning]) -> tuple[Meaning, ...]:
    own = [target for target in needed if isinstance(target, Own)]
    return (*ORDER, *sorted(own, key=lambda one: one.value))


def cells(row: Row, needed: Counter[Meaning]) -> list[str]:
    """The row in the order of `columns`."""
    line: list[str] = []
    for target in _order(needed):
        values = row.get(target, [])
        line += [*values, *[""] * (needed[target] - len(values))]
    return line


def is_ours(file: BinaryIO) -> bool:
    """Whether the first card was written by this product."""
    first = next(cards(file), None)
    made = first.first("PRODID") if first else None
    return made is not None and made.text.startswith(OURS)


def _row(card: Card) -> Row:
    row: Row = {}
    _add_addresses(row, card)
    _add_our_own(row, card)
    first, last = _name(card, {value for target in ADDRESSES for value in row.get(target, ())})
    organisation = card.first("ORG")
    place = card.first("ADR")
    _add(row, Target.FIRST_NAME, first)
    _add(row, Target.LAST_NAME, last)
    _add(row, Target.COMPANY, organisation.parts()[0] if organisation else "")
    _add(row, Target.TITLE, _text(card, "TITLE") or _text(card, "ROLE"))
    _add(row, Target.BIRTHDAY, _birthday(card.first("BDAY")))
    _add(row, Target.LANGUAGE, _text(card, "LANG").partition("-")[0])
    _add(row, Target.TIME_ZONE, _zone(card))
    _add(row, Target.INTERESTS, _text(card, "NOTE"))
    _add(row, Target.EXTERNAL_ID, _text(card, "UID").removeprefix("urn:uuid:"))
    if place:
        box, extended, street, city, _region, code, country = [*place.parts(), *[""] * 7][:7]
        lines = [" ".join(map(str.strip, part.splitlines())) for part in (street, extended, box, code) if part]
        _add(row, Target.STREET, ", ".join(lines))
        _add(row, Target.CITY, city)
        _add(row, Target.COUNTRY, country)
    tags = [tag for entry in card.all("CATEGORIES") for tag in entry.parts(",") if tag.lower() not in _NO_TAG]
    _add(row, Target.TAGS, join_tags(tag for tag in tags if tag))
    return row


def _add(row: Row, target: Meaning, value: str) -> None:
    value = value.strip()
    if value and value not in row.get(target, ()) and (target in ADDRESSES or target not in row):
        row.setdefault(target, []).append(value)


def _text(card: Card, name: str) -> str:
    entry = card.first(name)
    return entry.text.strip() if entry else ""


def _name(card: Card, addresses: Collection[str]) -> tuple[str, str]:
    """First and last name; of a card with nothing but a shown name its parts, unless that is no name.

    A card has to show something (RFC 6350, section 6.2.1): of a company its name, of somebody unknown an address.
    """
    entry = card.first("N")
    last, first, middle, *_rest = [*(entry.parts() if entry else []), "", "", ""]
    if first or last or middle:
        return " ".join(part for part in (first, middle) if part), last
    shown, organisation = _text(card, "FN"), card.first("ORG")
    if (organisation and shown == organisation.parts()[0]) or shown in {*addresses, "?"}:
        return "", ""
    return split_name(shown)


def _birthday(entry: Property | None) -> str:
    """`1980-04-21`, or `--04-21` without a year; nothing for a text, or where the day is missing."""
    if entry is None:
        return ""
    found = _DAY.fullmatch(entry.text.strip())
    if found is None:
        return ""
    year = found[1]
    omitted = entry.params.get("X-APPLE-OMIT-YEAR", [_APPLE_NO_YEAR])
    return str(Birthday(int(found[3]), int(found[2]), None if not year or year in omitted else int(year)))


def _zone(card: Card) -> str:
    """Only a name like Europe/Rome; an offset says nothing about summer."""
    zone = _text(card, "TZ")
    return zone if re.fullmatch(r"[A-Z]\w+/[\w/+-]+", zone) else ""


def _add_addresses(row: Row, card: Card) -> None:
    for entry in card.all("EMAIL"):
        _add(row, Target.EMAIL, entry.text.strip().removeprefix("mailto:"))
    for entry in card.all("TEL"):
        label = card.label(entry)
        if not entry.types & _NOT_A_VOICE and "fax" not in label and "pager" not in label:
            _add(row, Target.WHATSAPP if "whatsapp" in label else Target.PHONE, entry.text.strip().removeprefix("tel:"))
    for name in ("IMPP", "X-SOCIALPROFILE", "SOCIALPROFILE", "URL"):
        for entry in card.all(name):
            _add_profile(row, entry, card.label(entry))
    for name, target in (("X-TWITTER", Target.X), ("X-TELEGRAM", Target.TELEGRAM), ("X-INSTAGRAM", Target.INSTAGRAM)):
        for entry in card.all(name):
            _add(row, target, entry.text)


def _add_profile(row: Row, entry: Property, label: str) -> None:
    """A messenger or a profile page: by its address where that is one of a network, else by the service it names.

    Pages that belong to no network are left out.
    """
    text = entry.text.strip()
    known = channel_of_url(text) if "://" in text else None
    if known is not None:
        _add(row, Target(known[0].value), known[1].address)
        return
    named = [*entry.params.get("X-SERVICE-TYPE", ()), *entry.params.get("SERVICE-TYPE", ()), *entry.types, label]
    scheme, _, rest = text.partition(":")
    target = next((_SERVICES[name.lower()] for name in [*named, scheme] if name.lower() in _SERVICES), None)
    if target is None:
        return
    user = "".join(entry.params.get("X-USER", ())[:1])
    plain = text if "://" in text or not rest else rest
    _add(row, target, plain if "://" in plain else user or plain.removeprefix("x-apple:").removeprefix("//"))


def _add_our_own(row: Row, card: Card) -> None:
    """What vCard has no property for, as our own export writes it."""
    for name, target in _OWN_PROPERTIES.items():
        for entry in card.all(name):
            _add(row, target, entry.text)
    for entry in card.properties:
        key = entry.name.removeprefix(OWN_PROPERTY).lower().replace("-", "_")
        if entry.name.startswith(OWN_PROPERTY) and KEY.fullmatch(key):
            _add(row, Own(key), entry.text)
