"""Owns how the workspace's own fields and their values are put into words."""

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Final

from flask import url_for
from markupsafe import Markup

from crm.contacts.custom_rules import FieldShape, Value, ValueRefusedError, read
from crm.contacts.kinds import CustomSubject, CustomType, FactOrigin
from crm.contacts.queries import FactView, Values
from crm.contacts.words import ORIGIN_ICONS, FactRow, source_text
from crm.filters.sentence import money_text, number_text
from crm.filters.values import Money
from crm.web.formats import day
from crm.web.i18n import _, lazy

TYPE_LABELS: Final = {
    CustomType.TEXT: lazy("Text"),
    CustomType.NUMBER: lazy("Number"),
    CustomType.MONEY: lazy("Amount of money"),
    CustomType.DATE: lazy("Date"),
    CustomType.CHOICE: lazy("One choice"),
    CustomType.CHOICES: lazy("Several choices"),
    CustomType.YES_NO: lazy("Yes or no"),
    CustomType.URL: lazy("Web address"),
    CustomType.CONTACT: lazy("A person"),
}
TYPE_ICONS: Final = {
    CustomType.TEXT: "forms",
    CustomType.NUMBER: "hash",
    CustomType.MONEY: "coin",
    CustomType.DATE: "calendar",
    CustomType.CHOICE: "list",
    CustomType.CHOICES: "list-check",
    CustomType.YES_NO: "toggle-right",
    CustomType.URL: "link",
    CustomType.CONTACT: "user",
}
SUBJECT_LABELS: Final = {CustomSubject.CONTACT: lazy("People"), CustomSubject.COMPANY: lazy("Companies")}


def custom_text(field: FieldShape, value: Value | None, *, names: Mapping[str, str]) -> str:  # noqa: PLR0911 - a line for each type.
    """A value as people read it, '' for none; `names` gives the visible people that values refer to."""
    if value is None:
        return ""
    match field.type:
        case CustomType.NUMBER:
            return number_text(value.plain)
        case CustomType.MONEY:
            return money_text(Money.model_validate(value.plain))
        case CustomType.DATE:
            return day(date.fromisoformat(value.plain))
        case CustomType.YES_NO:
            return _("yes") if value.plain else _("no")
        case CustomType.CHOICE | CustomType.CHOICES:
            labels = {one.key: one.label for one in field.choices}
            return ", ".join(labels.get(key, key) for key in value.text.split(", "))
        case CustomType.CONTACT:
            return names.get(value.text, _("somebody whom you may not see"))
        case _:
            return value.text


def custom_link(field: FieldShape, value: Value | None, *, names: Mapping[str, str]) -> str:
    """A value as a page shows it: addresses and people lead there."""
    text = custom_text(field, value, names=names)
    if value is None:
        return text
    if field.type is CustomType.URL:
        bare = text.split("://", 1)[-1].removesuffix("/")
        return Markup('<a class="fd-link" href="{}" rel="noreferrer noopener">{}</a>').format(text, bare)
    if field.type is CustomType.CONTACT and value.text in names:
        url = url_for("contact_page.show", contact_id=value.text)
        return Markup('<a class="fd-link" href="{}">{}</a>').format(url, text)
    return text


def kept_text(field: FieldShape, text: str, *, names: Mapping[str, str]) -> str:
    """What a fact keeps of a value, as people read it."""
    try:
        return custom_text(field, read(field, text), names=names)
    except ValueRefusedError:
        return text


def custom_row(
    field: FieldShape, values: Values, facts: Mapping[str, FactView], *, names: Mapping[str, str]
) -> FactRow:
    """A value with its label and where it came from; an empty one says so."""
    value, fact = values.get(field.key), facts.get(field.name)
    return FactRow(
        field=field.key,
        label=field.label,
        value=custom_link(field, value, names=names) or _("not known"),
        icon=ORIGIN_ICONS[FactOrigin(fact.origin)] if fact else "pencil",
        source=source_text(fact) if fact and value else "",
        is_empty=value is None,
    )


def custom_rows(
    fields: Sequence[FieldShape], values: Values, facts: Mapping[str, FactView], *, names: Mapping[str, str]
) -> list[FactRow]:
    """The values of a person or company with their origin, in the order of the fields."""
    return [custom_row(field, values, facts, names=names) for field in fields]
