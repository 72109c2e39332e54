"""What a column can mean, and the guess from its name."""

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, TypeAlias

from crm.contacts.custom_rules import PREFIX, FieldShape
from crm.errors import worded
from crm.filters.text import normalise


class Target(StrEnum):
    """Where the values of a column go."""

    IGNORE = ""
    FIRST_NAME = "first_name"
    MIDDLE_NAME = "middle_name"
    LAST_NAME = "last_name"
    FULL_NAME = "full_name"
    EMAIL = "email"
    PHONE = "phone"
    WHATSAPP = "whatsapp"
    INSTAGRAM = "instagram"
    LINKEDIN = "linkedin"
    X = "x"
    TELEGRAM = "telegram"
    MESSENGER = "messenger"
    MASTODON = "mastodon"
    BLUESKY = "bluesky"
    SMS = "sms"
    WEBHOOK = "webhook"
    EXTERNAL_ID = "external_id"
    TITLE = "title"
    COMPANY = "company_name"
    LANGUAGE = "language"
    ADDRESS_FORM = "address_form"
    TIME_ZONE = "time_zone"
    BIRTHDAY = "birthday"
    STREET = "street"
    CITY = "city"
    COUNTRY = "country"
    INTERESTS = "interests"
    CAME_FROM = "came_from"
    IMPORTANCE = "importance"
    LIFECYCLE = "lifecycle"
    TAGS = "tags"


@dataclass(frozen=True, slots=True)
class Own:
    """A field of the workspace's own, by its key, as where the values of a column go."""

    key: str

    @property
    def value(self) -> str:
        """How mappings write it."""
        return f"{PREFIX}{self.key}"


Meaning: TypeAlias = Target | Own


def meaning(text: str) -> Meaning:
    """What a mapping says of a column; raises `ValueError` for what nothing is called."""
    return Own(text.removeprefix(PREFIX)) if text.startswith(PREFIX) else Target(text)


#: Names of columns as exports in Italian and English write them, in the normal form of `normalise`.
NAMES: Final[dict[Target, frozenset[str]]] = {
    Target.FIRST_NAME: frozenset(
        {"first name", "firstname", "given name", "nome", "nome proprio", "first_name", "name"}
    ),
    Target.MIDDLE_NAME: frozenset({"middle name", "middle_name", "secondo nome", "additional name", "altri nomi"}),
    Target.LAST_NAME: frozenset({"last name", "lastname", "surname", "family name", "cognome", "last_name"}),
    Target.FULL_NAME: frozenset(
        {
            "full name",
            "display name",
            "nome completo",
            "nominativo",
            "contact",
            "contatto",
            "nome e cognome",
            "full_name",
            "whole name",
        }
    ),
    Target.EMAIL: frozenset(
        {
            "email",
            "e-mail",
            "email address",
            "e-mail address",
            "mail",
            "posta elettronica",
            "indirizzo email",
            "indirizzo e-mail",
            "e-mail 1 - value",
            "email 1",
            "primary email",
            "posta",
        }
    ),
    Target.PHONE: frozenset(
        {
            "phone",
            "telephone",
            "phone number",
            "telefono",
            "tel",
            "tel.",
            "mobile",
            "mobile phone",
            "cellulare",
            "cell",
            "phone 1 - value",
            "numero di telefono",
            "business phone",
        }
    ),
    Target.WHATSAPP: frozenset({"whatsapp", "numero whatsapp", "whatsapp number"}),
    Target.INSTAGRAM: frozenset({"instagram", "instagram handle", "profilo instagram", "ig"}),
    Target.LINKEDIN: frozenset({"linkedin", "linkedin url", "profilo linkedin", "linkedin profile", "url"}),
    Target.X: frozenset({"x", "twitter", "twitter handle", "x handle"}),
    Target.TELEGRAM: frozenset({"telegram", "telegram username"}),
    Target.MESSENGER: frozenset({"messenger", "facebook", "profilo facebook", "facebook url"}),
    Target.MASTODON: frozenset({"mastodon"}),
    Target.BLUESKY: frozenset({"bluesky"}),
    Target.SMS: frozenset({"sms"}),
    Target.WEBHOOK: frozenset({"webhook"}),
    Target.EXTERNAL_ID: frozenset(
        {
            "external id",
            "code in another program",
            "codice in un altro programma",
            "external_id",
            "id",
            "contact id",
            "customer id",
            "customer code",
            "record id",
            "codice",
            "codice cliente",
            "codice contatto",
            "id contatto",
            "id cliente",
        }
    ),
    Target.TITLE: frozenset(
        {
            "title",
            "job title",
            "role",
            "position",
            "ruolo",
            "qualifica",
            "mansione",
            "posizione",
            "organization title",
            "role in the company",
            "ruolo in azienda",
        }
    ),
    Target.COMPANY: frozenset(
        {
            "company",
            "company name",
            "organization",
            "organisation",
            "azienda",
            "societa",
            "ragione sociale",
            "ditta",
            "organization name",
            "company_name",
            "impresa",
        }
    ),
    Target.LANGUAGE: frozenset({"language", "lingua"}),
    Target.ADDRESS_FORM: frozenset({"address_form", "form of address", "lei o tu", "tu o lei", "forma di cortesia"}),
    Target.TIME_ZONE: frozenset({"time zone", "time_zone", "timezone", "fuso orario"}),
    Target.BIRTHDAY: frozenset({"birthday", "date of birth", "birth date", "compleanno", "data di nascita", "nascita"}),
    Target.STREET: frozenset({"street", "address", "indirizzo", "via", "street address"}),
    Target.CITY: frozenset({"city", "town", "citta", "comune", "localita"}),
    Target.COUNTRY: frozenset({"country", "paese", "nazione", "stato", "country code"}),
    Target.INTERESTS: frozenset({"interests", "interessi", "interests and notes", "interessi e note", "notes", "note"}),
    Target.CAME_FROM: frozenset({"source", "origin", "origine", "provenienza", "fonte", "came from", "came_from"}),
    Target.IMPORTANCE: frozenset({"importance", "importanza", "priority", "priorita"}),
    Target.LIFECYCLE: frozenset({"lifecycle", "stage", "relationship", "rapporto", "lifecycle stage", "fase", "tipo"}),
    Target.TAGS: frozenset({"tags", "tag", "labels", "etichette", "etichetta", "gruppi", "groups", "label"}),
}
_BY_NAME: Final = {name: target for target, names in NAMES.items() for name in names}
#: Where the value is an address on a channel of this name.
ADDRESSES: Final = frozenset(
    {
        Target.EMAIL,
        Target.PHONE,
        Target.WHATSAPP,
        Target.INSTAGRAM,
        Target.LINKEDIN,
        Target.X,
        Target.TELEGRAM,
        Target.MESSENGER,
        Target.MASTODON,
        Target.BLUESKY,
        Target.SMS,
        Target.WEBHOOK,
    }
)
#: More than one column may feed these.
REPEATABLE: Final[frozenset[Meaning]] = ADDRESSES | {Target.IGNORE, Target.TAGS}
#: Without one of these a row speaks of nobody; a field of the workspace's own that is called so does not take them.
_NAMING: Final = ADDRESSES | {Target.FIRST_NAME, Target.LAST_NAME, Target.FULL_NAME}
_NUMBER: Final = re.compile(r"\s*\(?\d{1,2}\)?$")


def guess(columns: list[str], own: Iterable[FieldShape] = ()) -> dict[str, Meaning]:
    """{column: what it probably means}; a target that only one column may feed goes to the first that fits.

    A column that is called like one of the `own` fields goes there. A number behind the name of an address ("E-mail 2")
    changes nothing. "Nome" beside no surname column is taken as the whole name.
    """
    taken: set[Meaning] = set()
    guessed: dict[str, Meaning] = {}
    called = own_columns(columns, own)
    for column in columns:
        target = called.get(column) or _named(normalise(column))
        if target not in REPEATABLE and target in taken:
            target = Target.IGNORE
        taken.add(target)
        guessed[column] = target
    if Target.FIRST_NAME in taken and not taken & {Target.LAST_NAME, Target.FULL_NAME}:
        guessed = {
            column: Target.FULL_NAME if target is Target.FIRST_NAME else target for column, target in guessed.items()
        }
    return guessed


def own_columns(columns: Iterable[str], own: Iterable[FieldShape]) -> dict[str, Own]:
    """{column: the field that it is called like}: by `custom.<key>` before all, then by label or key, each once."""
    fields, left = list(own), list(columns)
    by_name = {field.name: Own(field.key) for field in fields}
    found = {column: one for column in left if (one := by_name.get(column.strip().lower()))}
    by_label = {field.key: Own(field.key) for field in fields} | {
        normalise(field.label): Own(field.key) for field in fields
    }
    for column in left:
        one = by_label.get(normalise(column))
        is_free = one is not None and one not in found.values() and column not in found
        if one is not None and is_free and _BY_NAME.get(normalise(column)) not in _NAMING:
            found[column] = one
    return found


def heading(field: FieldShape) -> str:
    """How an export calls the column of an own field: by its label, unless another column is called so."""
    return field.name if normalise(field.label) in _BY_NAME else field.label


def living(mapping: Mapping[str, str], own: Iterable[FieldShape], *, instead: Mapping[str, Meaning]) -> dict[str, str]:
    """A remembered mapping as it can be used today: for a field that is gone, what would be guessed now."""
    known = {field.name for field in own}
    return {
        column: value if not value.startswith(PREFIX) or value in known else _spare(mapping, instead.get(column))
        for column, value in mapping.items()
    }


def _spare(mapping: Mapping[str, str], guessed: Meaning | None) -> str:
    is_free = guessed is not None and (guessed in REPEATABLE or guessed.value not in mapping.values())
    return guessed.value if guessed is not None and is_free else Target.IGNORE.value


def _named(name: str) -> Target:
    target = _BY_NAME.get(name)
    if target is None:
        target = _BY_NAME.get(_NUMBER.sub("", name), Target.IGNORE)
        return target if target in REPEATABLE else Target.IGNORE
    return target


def problems(mapping: Mapping[str, Meaning], columns: Sequence[str], own: Collection[str] = ()) -> dict[str, str]:
    """{column: why its choice is impossible}; under "" what is missing from the whole. `own` are the keys of fields."""
    found = {column: worded("The file has no such column.") for column in mapping if column not in columns}
    used: set[Meaning] = set()
    for column, target in mapping.items():
        if isinstance(target, Own) and target.key not in own:
            found[column] = worded("There is no field with this name.")
        if target in used and target not in REPEATABLE:
            found[column] = worded("This is chosen for another column already.")
        used.add(target)
    if not _NAMING & used:
        found[""] = worded("Choose at least one column with a name, an e-mail address or a phone number.")
    return found
