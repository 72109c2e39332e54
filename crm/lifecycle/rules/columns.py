"""What a column can mean, and the guess from its name."""

from enum import StrEnum
from typing import Final

from crm.errors import worded
from crm.filters.text import normalise


class Target(StrEnum):
    """Where the values of a column go."""

    IGNORE = ""
    FIRST_NAME = "first_name"
    LAST_NAME = "last_name"
    FULL_NAME = "full_name"
    EMAIL = "email"
    PHONE = "phone"
    WHATSAPP = "whatsapp"
    INSTAGRAM = "instagram"
    LINKEDIN = "linkedin"
    X = "x"
    TELEGRAM = "telegram"
    TITLE = "title"
    COMPANY = "company_name"
    LANGUAGE = "language"
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
    Target.TITLE: frozenset(
        {"title", "job title", "role", "position", "ruolo", "qualifica", "mansione", "posizione", "organization title"}
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
    Target.BIRTHDAY: frozenset({"birthday", "date of birth", "birth date", "compleanno", "data di nascita", "nascita"}),
    Target.STREET: frozenset({"street", "address", "indirizzo", "via", "street address"}),
    Target.CITY: frozenset({"city", "town", "citta", "comune", "localita"}),
    Target.COUNTRY: frozenset({"country", "paese", "nazione", "stato", "country code"}),
    Target.INTERESTS: frozenset({"interests", "interessi", "notes", "note"}),
    Target.CAME_FROM: frozenset({"source", "origin", "origine", "provenienza", "fonte", "came from", "came_from"}),
    Target.IMPORTANCE: frozenset({"importance", "importanza", "priority", "priorita"}),
    Target.LIFECYCLE: frozenset({"lifecycle", "stage", "lifecycle stage", "fase", "tipo"}),
    Target.TAGS: frozenset({"tags", "tag", "labels", "etichette", "etichetta", "gruppi", "groups", "label"}),
}
_BY_NAME: Final = {name: target for target, names in NAMES.items() for name in names}
#: More than one column may feed these.
REPEATABLE: Final = frozenset({Target.IGNORE, Target.TAGS, Target.EMAIL, Target.PHONE})


def guess(columns: list[str]) -> dict[str, Target]:
    """{column: what it probably means}; a target that only one column may feed goes to the first that fits.

    "Nome" beside no surname column is taken as the whole name.
    """
    taken: set[Target] = set()
    guessed: dict[str, Target] = {}
    for column in columns:
        target = _BY_NAME.get(normalise(column), Target.IGNORE)
        if target not in REPEATABLE and target in taken:
            target = Target.IGNORE
        taken.add(target)
        guessed[column] = target
    if Target.FIRST_NAME in taken and not taken & {Target.LAST_NAME, Target.FULL_NAME}:
        guessed = {
            column: Target.FULL_NAME if target is Target.FIRST_NAME else target for column, target in guessed.items()
        }
    return guessed


def problems(mapping: dict[str, Target], columns: list[str]) -> dict[str, str]:
    """{column: why its choice is impossible}; under "" what is missing from the whole."""
    found = {column: worded("The file has no such column.") for column in mapping if column not in columns}
    used: set[Target] = set()
    for column, target in mapping.items():
        if target in used and target not in REPEATABLE:
            found[column] = worded("This is chosen for another column already.")
        used.add(target)
    names = {Target.FIRST_NAME, Target.LAST_NAME, Target.FULL_NAME, Target.EMAIL, Target.PHONE, Target.WHATSAPP}
    if not names & used:
        found[""] = worded("Choose at least one column with a name, an e-mail address or a phone number.")
    return found
