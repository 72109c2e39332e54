"""Owns the decisions about contacts as pure functions: names, birthdays, what a finding may do to a known value."""

import re
from calendar import monthrange
from datetime import date
from enum import StrEnum
from typing import Final, NamedTuple

from stdnum.eu import vat

from crm.accounts.kinds import Permission, RecordAccess, Role
from crm.accounts.rules import RIGHTS, SEES_RESTRICTED
from crm.contacts.kinds import AccessReason, FactOrigin
from crm.filters.text import normalise

_BIRTHDAY: Final = re.compile(r"(?:(\d{4})|-)-(\d{2})-(\d{2})")
#: A leap year, so that 29 February is a birthday when the year is not known.
_LEAP_YEAR: Final = 2000
OLDEST_YEAR: Final = 1900
_PREFIXED: Final = re.compile(r"[A-Z]{2}")
#: Greece has a prefix of its own.
_VAT_PREFIXES: Final = {"GR": "EL"}
_VAT_STATES: Final = vat.MEMBER_STATES | {"el"}

#: Values of a contact that carry provenance and can be suggested; the same names in forms, API and imports.
CONTACT_FIELDS: Final = (
    "first_name",
    "last_name",
    "title",
    "company_id",
    "language",
    "address_form",
    "time_zone",
    "birthday",
    "street",
    "city",
    "country",
    "interests",
    "came_from",
    "external_id",
    "owner_id",
    "importance",
    "lifecycle",
)
#: The same of a company.
COMPANY_FIELDS: Final = (
    "name",
    "kind",
    "website",
    "domain",
    "vat_number",
    "phone",
    "street",
    "city",
    "country",
    "industry",
    "description",
    "staff",
    "parent_id",
    "owner_id",
)


class Birthday(NamedTuple):
    """A day of birth; `year` is None when only the day is known."""

    day: int
    month: int
    year: int | None = None

    def __str__(self) -> str:
        """ISO 8601, or the truncated form of vCard (RFC 6350, `--0421` written `--04-21`) without a year."""
        return f"{self.year:04d}-{self.month:02d}-{self.day:02d}" if self.year else f"--{self.month:02d}-{self.day:02d}"


def parse_birthday(text: str) -> Birthday | None:
    """`1980-04-21` or `--04-21`; None for an empty text. Raises `ValueError` for a day that doesn't exist.

    29 February is allowed without a year, and with a leap year.
    """
    if not text.strip():
        return None
    found = _BIRTHDAY.fullmatch(text.strip())
    if found is None:
        raise ValueError(text)
    year = int(found[1]) if found[1] else None
    return birthday(int(found[3]), int(found[2]), year)


def birthday(day: int, month: int, year: int | None) -> Birthday:
    """The birthday of these parts; raises `ValueError` for a day that doesn't exist or a year before 1900."""
    if not 1 <= month <= 12:  # noqa: PLR2004 - the months of a year.
        raise ValueError(month)
    if year is not None and not OLDEST_YEAR <= year <= date.max.year:
        raise ValueError(year)
    if not 1 <= day <= monthrange(year or _LEAP_YEAR, month)[1]:
        raise ValueError(day)
    return Birthday(day, month, year)


def vat_number(text: str, *, country: str) -> str:
    """A VAT number as it is kept: without spaces and dots, in capitals. Raises `ValueError` for one that is mistyped.

    Numbers of the European Union are checked by their own check digits, by their prefix or else by the `country` (ISO
    3166-1 alpha-2); of other countries none is known to be wrong.
    """
    compact = "".join(letter for letter in text.upper() if letter.isalnum())
    prefix = compact[:2] if _PREFIXED.match(compact) else _VAT_PREFIXES.get(country, country)
    if not compact or prefix.lower() not in _VAT_STATES:
        return compact
    if not vat.is_valid(prefix + compact.removeprefix(prefix)):
        raise ValueError(text)
    return compact


def display_name(first_name: str, last_name: str, *, fallback: str = "") -> str:
    """The name people read; `fallback` (an address, say) where there is none."""
    return " ".join(part for part in (first_name.strip(), last_name.strip()) if part) or fallback.strip()


def sort_name(first_name: str, last_name: str, *, fallback: str = "") -> str:
    """What lists sort by: last name first, folded so that accents and case don't matter."""
    return normalise(" ".join(part for part in (last_name, first_name) if part.strip()) or fallback)


class FactDecision(StrEnum):
    """What becomes of a value that somebody brings."""

    APPLY = "apply"
    SUGGEST = "suggest"
    IGNORE = "ignore"


def decide_fact(
    *, new: str, origin: FactOrigin, current: str, current_origin: FactOrigin | None, rejected: frozenset[str]
) -> FactDecision:
    """Whether a value of `origin` replaces the current one.

    People and their imports decide; what a machine found fills a gap or refreshes an earlier finding, and is otherwise
    only a suggestion. A value without a known origin counts as a person's. What was rejected once is not asked again.
    """
    if new == current:
        return FactDecision.IGNORE
    if origin is not FactOrigin.FOUND:
        return FactDecision.APPLY
    if new in rejected:
        return FactDecision.IGNORE
    if not current or current_origin is FactOrigin.FOUND:
        return FactDecision.APPLY
    return FactDecision.SUGGEST


#: The reasons for which a person is seen; by the others they are not.
SEEN: Final = frozenset(
    {
        AccessReason.OWNER,
        AccessReason.MANAGES,
        AccessReason.NAMED,
        AccessReason.ROLE_SEES_ALL,
        AccessReason.SAME_TEAM,
        AccessReason.NOBODYS,
    }
)


class Ties(NamedTuple):
    """How a colleague stands to a person; `unowned` when nobody owns the person."""

    is_owner: bool
    is_named: bool
    same_team: bool
    unowned: bool


def access_reason(role: Role, reach: RecordAccess, ties: Ties, *, restricted: bool) -> AccessReason:
    """Why somebody in `role`, which sees `reach` in this workspace, sees a person or does not.

    The words for `crm.contacts.queries.access.visible`; a property test holds the two together.
    """
    if Permission.VIEW_OWN not in RIGHTS[role]:
        return AccessReason.NO_PEOPLE
    for holds, reason in (
        (ties.is_owner, AccessReason.OWNER),
        (role in SEES_RESTRICTED, AccessReason.MANAGES),
        (ties.is_named, AccessReason.NAMED),
        (restricted, AccessReason.RESTRICTED),
        (reach is RecordAccess.ALL, AccessReason.ROLE_SEES_ALL),
        (reach is RecordAccess.OWN, AccessReason.OWN_ONLY),
        (ties.same_team, AccessReason.SAME_TEAM),
        (ties.unowned, AccessReason.NOBODYS),
    ):
        if holds:
            return reason
    return AccessReason.OTHER_TEAM
