"""What a column can mean, and the guess from its name."""

import re
from enum import StrEnum
from typing import Final

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
REPEATABLE: Final = ADDRESSES | {Target.IGNORE, Target.TAGS}
_NUMBER: Final = re.compile(r"\s*\(?\d{1,2}\)?$")


def guess(columns: list[str]) -> dict[str, Target]:
    """{column: what it probably means}; a target that only one column may feed goes to the first that fits.

    A number behind the name of an address ("E-mail 2") changes nothing. "Nome" beside no surname column is taken as the
    whole name.
    """
    taken: set[Target] = set()
    guessed: dict[str, Target] = {}
    for column in columns:
        target = _named(normalise(column))
        if target not in REPEATABLE and target in taken:
            target = Target.IGNORE
        taken.add(target)
        guessed[column] = target
    if Target.FIRST_NAME in taken and not taken & {Target.LAST_NAME, Target.FULL_NAME}:
        guessed = {
            column: Target.FULL_NAME if target is Target.FIRST_NAME else target for column, target in guessed.items()
        }
    return guessed


def _named(name: str) -> Target:
    target = _BY_NAME.get(name)
    if target is None:
        target = _BY_NAME.get(_NUMBER.sub("", name), Target.IGNORE)
        return target if target in REPEATABLE else Target.IGNORE
    return target


def problems(mapping: dict[str, Target], columns: list[str]) -> dict[str, str]:
    """{column: why its choice is impossible}; under "" what is missing from the whole."""
    found = {column: worded("The file has no such column.") for column in mapping if column not in columns}
    used: set[Target] = set()
    for column, target in mapping.items():
        if target in used and target not in REPEATABLE:
            found[column] = worded("This is chosen for another column already.")
        used.add(target)
    names = {Target.FIRST_NAME, Target.LAST_NAME, Target.FULL_NAME} | ADDRESSES
    if not names & used:
        found[""] = worded("Choose at least one column with a name, an e-mail address or a phone number.")
    return found
