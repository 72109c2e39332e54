"""Owns how a value of a contact or company is read as text and set, with the columns derived from it."""

from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import urlsplit
from uuid import UUID

from crm.contacts import rules
from crm.contacts.models import Company, Contact
from crm.filters.text import normalise

_NAMES: Final = frozenset({"first_name", "last_name"})
_FOLDED: Final = {"first_name", "last_name", "title", "city"}


def text_of(subject: Contact | Company, field: str) -> str:
    """The value of `field` as text, the form in which facts keep it; empty when there is none."""
    if field == "birthday" and isinstance(subject, Contact):
        return birthday_of(subject)
    value = getattr(subject, field)
    return "" if value is None else str(value)


def birthday_of(contact: Contact) -> str:
    """The birthday as `1980-04-21`, `--04-21` or nothing."""
    if contact.birth_day is None or contact.birth_month is None:
        return ""
    return str(rules.Birthday(contact.birth_day, contact.birth_month, contact.birth_year))


def set_values(contact: Contact, values: Mapping[str, Any], *, fallback: str = "") -> None:
    """Set plain fields (not the company) of a contact, and every column that follows from them.

    `fallback` names a person without a name; the present name stays when it is empty.
    """
    for field, value in values.items():
        if field == "birthday":
            day = rules.parse_birthday(value)
            contact.birth_day, contact.birth_month, contact.birth_year = day or (None, None, None)
        else:
            setattr(contact, field, value)
        if field in _FOLDED:
            setattr(contact, f"{field}_norm", normalise(value))
    if _NAMES & values.keys() or not contact.display_name:
        first, last = contact.first_name or "", contact.last_name or ""
        known_as = fallback or contact.email or contact.display_name or ""
        contact.display_name = rules.display_name(first, last, fallback=known_as)
        contact.sort_name = rules.sort_name(first, last, fallback=known_as)


def set_company_values(company: Company, values: Mapping[str, Any]) -> None:
    """Set fields of a company, and every column that follows from them."""
    for field, value in values.items():
        setattr(company, field, value)
        if field in {"name", "city"}:
            setattr(company, f"{field}_norm", normalise(value))


def typed(field: str, value: str) -> Any:
    """A fact's text as the value a contact or company takes; raises `ValueError`."""
    if field.endswith("_id"):
        return UUID(value) if value else None
    if field == "staff":
        return int(value) if value else None
    return value


def bare_domain(text: str) -> str:
    """The domain of a web address or of a bare name, in lower case without `www.`; empty when there is none."""
    candidate = text.strip()
    if not candidate:
        return ""
    try:
        host = urlsplit(candidate if "://" in candidate else f"https://{candidate}").hostname or ""
        host = host.encode("idna").decode("ascii").lower().removeprefix("www.")
    except (ValueError, UnicodeError):
        return ""
    return host if "." in host else ""
