"""Owns how contacts are put into words and icons: channels, fields, where a value came from."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any, Final
from uuid import UUID

from flask_babel import format_date

from crm.accounts.places import Words
from crm.channels.base import ChannelKind
from crm.contacts.fields.choices import (
    CHANNELS,
    COMPANY_KINDS,
    COUNTRIES,
    IMPORTANCES,
    LANGUAGES,
    LIFECYCLES,
)
from crm.contacts.kinds import AccessReason, Address, FactOrigin, HandleState, LinkKind
from crm.contacts.models import Company, Contact
from crm.contacts.queries import FactView
from crm.contacts.rules import parse_birthday
from crm.contacts.values import text_of
from crm.web.formats import day, number
from crm.web.i18n import _, lazy

CHANNEL_LABELS: Final = {choice.value: choice.label for choice in CHANNELS}
#: The same within a sentence: "by e-mail".
CHANNEL_WORDS: Final = {
    **CHANNEL_LABELS,
    ChannelKind.EMAIL.value: lazy("e-mail"),
    ChannelKind.PHONE.value: lazy("phone"),
}
CHANNEL_ICONS: Final = {
    ChannelKind.EMAIL: "mail",
    ChannelKind.PHONE: "phone",
    ChannelKind.SMS: "message",
    ChannelKind.WHATSAPP: "brand-whatsapp",
    ChannelKind.TELEGRAM: "brand-telegram",
    ChannelKind.INSTAGRAM: "brand-instagram",
    ChannelKind.MESSENGER: "brand-facebook",
    ChannelKind.LINKEDIN: "brand-linkedin",
    ChannelKind.X: "brand-x",
    ChannelKind.MASTODON: "brand-mastodon",
    ChannelKind.BLUESKY: "brand-bluesky",
    ChannelKind.WEBHOOK: "webhook",
}
#: What the audit log tells of people and companies.
TOLD: Final = {
    "contact.access_changed": Words(lazy("Changed who sees a person"), "lock"),
    "people.bulk_edited": Words(lazy("Changed many people at once"), "users"),
    "contact.assigned": Words(lazy("Gave a person another owner"), "user"),
    "contact.deleted": Words(lazy("Deleted a person"), "trash"),
    "contact.restored": Words(lazy("Brought a deleted person back"), "refresh"),
    "custom_field.created": Words(lazy("Added a field"), "forms"),
    "custom_field.changed": Words(lazy("Changed a field"), "forms"),
    "custom_field.archived": Words(lazy("Archived a field"), "archive"),
    "custom_field.restored": Words(lazy("Brought an archived field back"), "refresh"),
    "company.deleted": Words(lazy("Deleted a company"), "trash"),
    "company.restored": Words(lazy("Brought a deleted company back"), "refresh"),
}
ACCESS_REASONS: Final = {
    AccessReason.OWNER: lazy("the owner of this person"),
    AccessReason.MANAGES: lazy("owners and managers see everybody"),
    AccessReason.NAMED: lazy("named for this person"),
    AccessReason.ROLE_SEES_ALL: lazy("the role sees everybody"),
    AccessReason.SAME_TEAM: lazy("same team as the owner"),
    AccessReason.NOBODYS: lazy("nobody owns this person"),
    AccessReason.RESTRICTED: lazy("restricted, and not named"),
    AccessReason.OTHER_TEAM: lazy("not the owner's team"),
    AccessReason.OWN_ONLY: lazy("the role sees its own people only"),
    AccessReason.NO_PEOPLE: lazy("the role sees no people"),
}
LIFECYCLE_LABELS: Final = {choice.value: choice.label for choice in LIFECYCLES}
IMPORTANCE_LABELS: Final = {choice.value: choice.label for choice in IMPORTANCES}
COMPANY_KIND_LABELS: Final = {choice.value: choice.label for choice in COMPANY_KINDS}
LANGUAGE_LABELS: Final = {choice.value: choice.label for choice in LANGUAGES}
COUNTRY_LABELS: Final = {choice.value: choice.label for choice in COUNTRIES}
ADDRESS_LABELS: Final = {Address.FORMAL: lazy("formal (Lei)"), Address.INFORMAL: lazy("informal (tu)")}
LINK_LABELS: Final = {
    (LinkKind.KNOWS, True): lazy("knows each other"),
    (LinkKind.KNOWS, False): lazy("knows each other"),
    (LinkKind.INTRODUCED_BY, True): lazy("introduced them to us"),
    (LinkKind.INTRODUCED_BY, False): lazy("was introduced by them"),
    (LinkKind.ASSISTANT_OF, True): lazy("is assisted by them"),
    (LinkKind.ASSISTANT_OF, False): lazy("is their assistant"),
    (LinkKind.REPORTS_TO, True): lazy("is their boss"),
    (LinkKind.REPORTS_TO, False): lazy("reports to them"),
}
LINK_CHOICES: Final = (
    (LinkKind.KNOWS, lazy("knows")),
    (LinkKind.INTRODUCED_BY, lazy("was introduced by")),
    (LinkKind.ASSISTANT_OF, lazy("is the assistant of")),
    (LinkKind.REPORTS_TO, lazy("reports to")),
)
STATE_LABELS: Final = {
    HandleState.ACTIVE: "",
    HandleState.BOUNCED: lazy("messages came back"),
    HandleState.BLOCKED: lazy("blocked us"),
    HandleState.GONE: lazy("no longer in use"),
}
FIELD_LABELS: Final = {
    "first_name": lazy("First name"),
    "last_name": lazy("Last name"),
    "title": lazy("Role"),
    "company_id": lazy("Company"),
    "language": lazy("Language"),
    "address_form": lazy("Form of address"),
    "time_zone": lazy("Time zone"),
    "birthday": lazy("Birthday"),
    "street": lazy("Street"),
    "city": lazy("City"),
    "country": lazy("Country"),
    "interests": lazy("Interests"),
    "came_from": lazy("Came from"),
    "external_id": lazy("Code in another program"),
    "owner_id": lazy("Owner"),
    "importance": lazy("Importance"),
    "lifecycle": lazy("Stage"),
    "name": lazy("Name"),
    "kind": lazy("Kind"),
    "website": lazy("Website"),
    "domain": lazy("Domain"),
    "vat_number": lazy("VAT number"),
    "phone": lazy("Phone"),
    "industry": lazy("Industry"),
    "description": lazy("Description"),
    "staff": lazy("Staff"),
    "parent_id": lazy("Belongs to"),
}
ORIGIN_ICONS: Final = {
    FactOrigin.TYPED: "pencil",
    FactOrigin.IMPORTED: "file-import",
    FactOrigin.FOUND: "world",
    FactOrigin.RECEIVED: "mail",
}


def birthday_text(value: str) -> str:
    """A birthday as people say it: "21 April", with the year when it is known."""
    known = parse_birthday(value)
    if known is None:
        return ""
    if known.year:
        return format_date(date(known.year, known.month, known.day), "d MMMM y")
    # Any leap year will do: the year is not shown.
    return format_date(date(2000, known.month, known.day), "d MMMM")


def value_text(field: str, value: str, *, names: Mapping[str, str]) -> str:
    """A value of a fact as people read it; `names` gives the names behind ids."""
    if not value:
        return ""
    if field == "birthday":
        return birthday_text(value)
    if field.endswith("_id"):
        return names.get(value, "")
    if field == "staff":
        return number(int(value))
    labels: Mapping[Any, Any] = {
        "language": LANGUAGE_LABELS,
        "country": COUNTRY_LABELS,
        "lifecycle": LIFECYCLE_LABELS,
        "importance": IMPORTANCE_LABELS,
        "address_form": ADDRESS_LABELS,
        "kind": COMPANY_KIND_LABELS,
    }.get(field, {})
    return str(labels.get(value, value))


def source_text(fact: FactView) -> str:
    """Where a value came from, in one line: "Typed by Marco, 3 March"."""
    on = day(fact.at)
    if fact.origin == FactOrigin.TYPED:
        if fact.source:
            return _("Typed in %(source)s, %(day)s", source=fact.source, day=on)
        return _("Typed by %(name)s, %(day)s", name=fact.user_name or _("the system"), day=on)
    if fact.origin == FactOrigin.IMPORTED:
        return _("Imported from %(source)s, %(day)s", source=fact.source, day=on)
    if fact.origin == FactOrigin.FOUND:
        return _("Found on %(source)s, %(day)s", source=fact.source_url or fact.source, day=on)
    return _("Received by %(source)s, %(day)s", source=fact.source, day=on)


@dataclass(frozen=True, slots=True, kw_only=True)
class FactRow:
    """One value of a person or company, ready for the page."""

    field: str
    label: str
    value: str
    icon: str
    source: str
    is_empty: bool


def fact_row(
    subject: Contact | Company, field: str, facts: Mapping[str, FactView], *, names: Mapping[str, str]
) -> FactRow:
    """A value with its label and provenance; an empty one says so."""
    value = value_text(field, text_of(subject, field), names=names)
    if field == "language" and isinstance(subject, Contact) and value:
        value = f"{value}, {ADDRESS_LABELS[Address(subject.address_form)]}"
    fact = facts.get(field)
    return FactRow(
        field=field,
        label=str(FIELD_LABELS[field]),
        value=value or _("not known"),
        icon=ORIGIN_ICONS[FactOrigin(fact.origin)] if fact else "pencil",
        source=source_text(fact) if fact else "",
        is_empty=not value,
    )


def fact_rows(
    subject: Contact | Company, fields: tuple[str, ...], facts: Mapping[str, FactView], *, names: Mapping[str, str]
) -> list[FactRow]:
    """Values with their provenance, in the given order."""
    return [fact_row(subject, field, facts, names=names) for field in fields]


def names_of(colleagues: Mapping[UUID, str], *companies: Company | None) -> dict[str, str]:
    """Names by id as text, for values that are ids."""
    found = {str(user_id): name for user_id, name in colleagues.items()}
    found.update({str(company.id): company.name for company in companies if company is not None})
    return found
