"""Owns what rules can ask about the workspace's own fields of people and of their companies."""

from collections import defaultdict
from collections.abc import Callable, Mapping
from typing import Any, Final
from uuid import UUID

from sqlalchemy import ColumnElement, and_, select
from sqlalchemy.orm import Session

from crm.contacts.custom_models import CustomChoice, CustomField, CustomValue
from crm.contacts.kinds import CustomSubject, CustomType
from crm.contacts.models import Contact
from crm.filters import sources
from crm.filters.catalogue import Ask, Field, RuleContext
from crm.filters.schema import Op
from crm.filters.values import Choice, FieldType, Money
from crm.web.i18n import lazy as _

#: What names of these fields begin with in rules, by what they describe.
PREFIXES: Final = {CustomSubject.CONTACT: "custom.", CustomSubject.COMPANY: "company_custom."}
#: Where the plain facts about a person keep them: {field id: value or values}.
FACT: Final = "custom"

_TYPES: Final = {
    CustomType.TEXT: FieldType.TEXT,
    CustomType.URL: FieldType.TEXT,
    CustomType.NUMBER: FieldType.NUMBER,
    CustomType.MONEY: FieldType.MONEY,
    CustomType.DATE: FieldType.DATE,
    CustomType.CHOICE: FieldType.CHOICE,
    CustomType.CHOICES: FieldType.MULTI,
    CustomType.YES_NO: FieldType.BOOLEAN,
    CustomType.CONTACT: FieldType.CONTACT,
}
_ICONS: Final = {
    CustomType.TEXT: "forms",
    CustomType.URL: "link",
    CustomType.NUMBER: "hash",
    CustomType.MONEY: "coin",
    CustomType.DATE: "calendar",
    CustomType.CHOICE: "list",
    CustomType.CHOICES: "list-check",
    CustomType.YES_NO: "toggle-right",
    CustomType.CONTACT: "user",
}
_COLUMNS: Final = {
    CustomType.TEXT: CustomValue.text_norm,
    CustomType.URL: CustomValue.text_norm,
    CustomType.NUMBER: CustomValue.number,
    CustomType.DATE: CustomValue.day,
    CustomType.YES_NO: CustomValue.flag,
    CustomType.CONTACT: CustomValue.ref_id,
}
_GROUPS: Final = {CustomSubject.CONTACT: _("Own fields"), CustomSubject.COMPANY: _("Own fields of the company")}
_SUBJECTS: Final = {
    CustomSubject.CONTACT: lambda label: _("whose “%(label)s”", label=label),
    CustomSubject.COMPANY: lambda label: _("whose company’s “%(label)s”", label=label),
}
_YES: Final = {
    CustomSubject.CONTACT: lambda label: _("for whom “%(label)s” is yes", label=label),
    CustomSubject.COMPANY: lambda label: _("for whose company “%(label)s” is yes", label=label),
}
_NO: Final = {
    CustomSubject.CONTACT: lambda label: _("for whom “%(label)s” is not yes", label=label),
    CustomSubject.COMPANY: lambda label: _("for whose company “%(label)s” is not yes", label=label),
}


def custom_rule_fields(session: Session, workspace_id: UUID) -> tuple[Field, ...]:
    """The fields of that workspace for rules, in their order; two statements.

    Those that are archived or not meant for filters stay known, so that saved rules go on, and are not offered.
    """
    of_workspace = CustomField.workspace_id == workspace_id
    order = (CustomField.subject.desc(), CustomField.position, CustomField.id)
    rows = session.scalars(select(CustomField).where(of_workspace).order_by(*order)).all()
    if not rows:
        return ()
    choices: defaultdict[UUID, dict[str, tuple[UUID, str]]] = defaultdict(dict)
    listed = select(CustomChoice.field_id, CustomChoice.key, CustomChoice.id, CustomChoice.label)
    listed = listed.where(CustomChoice.workspace_id == workspace_id)
    for field_id, key, choice_id, label in session.execute(listed.order_by(CustomChoice.position, CustomChoice.id)):
        choices[field_id][key] = (choice_id, label)
    return tuple(_field(row, choices[row.id]) for row in rows)


def _field(row: CustomField, choices: Mapping[str, tuple[UUID, str]]) -> Field:
    subject, kind = CustomSubject(row.subject), CustomType(row.type)
    # A sentence fills its values into places that begin with this sign.
    label = row.label.replace("%", "%%")
    return Field(
        f"{PREFIXES[subject]}{row.key}",
        _TYPES[kind],
        row.label,
        _GROUPS[subject],
        _SUBJECTS[subject](label),
        _compiled(row.id, subject, kind, {key: choice_id for key, (choice_id, _label) in choices.items()}),
        _read(row.id),
        tuple(Choice(key, name) for key, (_id, name) in choices.items()),
        phrases={Op.IS: _YES[subject](label), Op.IS_NOT: _NO[subject](label)} if kind is CustomType.YES_NO else {},
        icon=_ICONS[kind],
        is_offered=row.filterable and row.archived_at is None,
    )


def _read(field_id: UUID) -> Callable[[Mapping[str, Any], Ask], Any]:
    return lambda facts, _ask: facts[FACT].get(field_id)


def _compiled(
    field_id: UUID, subject: CustomSubject, kind: CustomType, choices: Mapping[str, UUID]
) -> Callable[[Ask], ColumnElement[bool]]:
    """The condition that the person (or their company) has a fitting value; each column is one that is indexed."""
    owner, key = (CustomValue.contact_id, None)
    if subject is CustomSubject.COMPANY:
        owner, key = CustomValue.company_id, Contact.company_id
    rows = sources.Rows(
        CustomValue.__table__,
        owner,
        CustomValue.workspace_id,
        lambda _ask: [CustomValue.field_id == field_id],
        key=key,
    )
    if kind is CustomType.MONEY:
        money = sources.money(CustomValue.amount, CustomValue.currency)
        return lambda ask: sources.exists_row(rows, ask, money(ask))
    if kind in {CustomType.CHOICE, CustomType.CHOICES}:
        return lambda ask: _chosen(rows, choices, ask)
    return sources.any_row(rows, _COLUMNS[kind])


def _chosen(rows: sources.Rows, choices: Mapping[str, UUID], ask: Ask) -> ColumnElement[bool]:
    column = CustomValue.choice_id
    if ask.op is Op.HAS_VALUE:
        return sources.exists_row(rows, ask, column.is_not(None))
    if ask.op is Op.ALL_OF:
        return and_(*(sources.exists_row(rows, ask, column == choices[key]) for key in ask.value))
    wanted = [ask.value] if ask.op is Op.IS else ask.value
    return sources.exists_row(rows, ask, column.in_([choices[key] for key in wanted]))


def load_custom_facts(
    session: Session, context: RuleContext, people: Mapping[UUID, UUID | None]
) -> dict[UUID, dict[UUID, Any]]:
    """{contact id: {field id: value, list of choice keys, or None}}; `people` gives the company of each contact."""
    companies = {company_id for company_id in people.values() if company_id is not None}
    rows = session.execute(
        select(CustomValue, CustomChoice.key)
        .outerjoin(
            CustomChoice,
            (CustomChoice.workspace_id == CustomValue.workspace_id) & (CustomChoice.id == CustomValue.choice_id),
        )
        .where(
            CustomValue.workspace_id == context.workspace_id,
            CustomValue.contact_id.in_(list(people)) | CustomValue.company_id.in_(list(companies)),
        )
    )
    by_owner: defaultdict[UUID | None, dict[UUID, Any]] = defaultdict(dict)
    for row, choice in rows:
        kept = by_owner[row.contact_id or row.company_id]
        if choice is not None:
            kept.setdefault(row.field_id, []).append(choice)
        else:
            kept[row.field_id] = _fact(row)
    return {
        contact_id: {**(by_owner[company_id] if company_id else {}), **by_owner[contact_id]}
        for contact_id, company_id in people.items()
    }


def _fact(row: CustomValue) -> Any:
    if row.amount is not None and row.currency is not None:
        return Money(amount=row.amount, currency=row.currency)
    candidates = (row.text_value, row.number, row.day, row.flag, row.ref_id)
    return next((value for value in candidates if value is not None), None)
