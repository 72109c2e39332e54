"""Owns reading the workspace's own fields and their values."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any, Final, TypeAlias
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from crm.accounts.rules import Actor
from crm.channels.sentences import N_
from crm.contacts.custom_models import CustomChoice, CustomField, CustomValue
from crm.contacts.custom_rules import ChoiceShape, FieldShape, Value, stored
from crm.contacts.kinds import CustomSubject, CustomType
from crm.contacts.models import Company, Contact
from crm.contacts.queries.access import Scope, alive, scope
from crm.db import among
from crm.errors import NotFoundError

#: Values of one person or company by the key of their field.
Values: TypeAlias = dict[str, Value]
VALUE_COLUMNS: Final = ("text_value", "number", "amount", "currency", "day", "flag", "ref_id", "choice_id")


class CustomFieldNotFoundError(NotFoundError):
    """No such field in this workspace."""

    code = "custom_field_not_found"


def custom_fields(
    session: Session, actor: Actor, *, subject: CustomSubject, archived: bool = False
) -> tuple[FieldShape, ...]:
    """The workspace's own fields of people or companies with their choices, in their order; two statements.

    Archived ones only on request. Choices that are archived are always there, marked.
    """
    if scope(actor) is Scope.NOTHING:
        return ()
    found = custom_shapes(session, subjects=(subject,))
    return tuple(field for field in found if archived or not field.is_archived)


def custom_field(session: Session, actor: Actor, *, field_id: UUID) -> FieldShape:
    """One field, archived or not; raises `CustomFieldNotFoundError`."""
    found = custom_shapes(session, ids=(field_id,)) if scope(actor) is not Scope.NOTHING else ()
    if not found:
        raise CustomFieldNotFoundError(N_("There is no such field."))
    return found[0]


def custom_shapes(
    session: Session, *, subjects: Iterable[CustomSubject] = CustomSubject, ids: Collection[UUID] = ()
) -> tuple[FieldShape, ...]:
    """The fields of the session's workspace, archived ones included: contacts' before companies', each in order."""
    wanted = select(CustomField, CustomChoice).outerjoin(CustomChoice, CustomChoice.field_id == CustomField.id)
    wanted = wanted.where(CustomField.subject.in_([str(subject) for subject in subjects]))
    if ids:
        wanted = wanted.where(CustomField.id.in_(list(ids)))
    order = (CustomField.subject.desc(), CustomField.position, CustomField.id, CustomChoice.position, CustomChoice.id)
    choices: dict[CustomField, list[ChoiceShape]] = {}
    for row, one in session.execute(wanted.order_by(*order).execution_options(populate_existing=True)):
        offered = choices.setdefault(row, [])
        if one is not None:
            is_archived = one.archived_at is not None
            offered.append(ChoiceShape(id=one.id, key=one.key, label=one.label, is_archived=is_archived))
    return tuple(_shape(row, tuple(offered)) for row, offered in choices.items())


def _shape(row: CustomField, choices: tuple[ChoiceShape, ...]) -> FieldShape:
    return FieldShape(
        id=row.id,
        subject=CustomSubject(row.subject),
        key=row.key,
        label=row.label,
        type=CustomType(row.type),
        help=row.help,
        required=row.required,
        filterable=row.filterable,
        lowest=row.lowest,
        highest=row.highest,
        pattern=row.pattern,
        currency=row.currency,
        is_archived=row.archived_at is not None,
        choices=choices,
    )


def custom_values_of(
    session: Session,
    actor: Actor,
    *,
    fields: Sequence[FieldShape],
    contact_ids: Iterable[UUID] = (),
    company_ids: Iterable[UUID] = (),
) -> dict[UUID, Values]:
    """{contact or company id: {key: value}} for those of the `fields`, only of people the actor may see."""
    people, companies = list(contact_ids), list(company_ids)
    if not fields or not (people or companies) or scope(actor) is Scope.NOTHING:
        return {}
    owner = CustomValue.contact_id if people else CustomValue.company_id
    columns = [getattr(CustomValue, name) for name in VALUE_COLUMNS]
    wanted = select(owner.label("owner"), CustomValue.field_id, *columns).where(
        among(CustomValue.field_id, [field.id for field in fields])
    )
    if people:
        wanted = wanted.join(Contact, Contact.id == CustomValue.contact_id)
        wanted = wanted.where(among(CustomValue.contact_id, people), alive(actor))
    else:
        wanted = wanted.join(Company, Company.id == CustomValue.company_id)
        wanted = wanted.where(among(CustomValue.company_id, companies), Company.deleted_at.is_(None))
    return grouped_values(fields, session.execute(wanted).mappings())


def grouped_values(fields: Iterable[FieldShape], rows: Iterable[Mapping[Any, Any]]) -> dict[UUID, Values]:
    """{owner: {key: value}} from rows of `owner`, `field_id` and the columns of values."""
    by_id = {field.id: field for field in fields}
    kept: defaultdict[UUID, defaultdict[UUID, list[Mapping[str, Any]]]] = defaultdict(lambda: defaultdict(list))
    for row in rows:
        kept[row["owner"]][row["field_id"]].append({name: row[name] for name in VALUE_COLUMNS})
    found: dict[UUID, Values] = {}
    for owner, of_fields in kept.items():
        values = {field_id: stored(by_id[field_id], rows) for field_id, rows in of_fields.items()}
        found[owner] = {by_id[key].key: value for key, value in values.items() if value is not None}
    return found


def custom_names(session: Session, actor: Actor, *, values: Iterable[Values]) -> dict[str, str]:
    """The names of the visible people that values refer to, by id as text."""
    ids = {row["ref_id"] for each in values for value in each.values() for row in value.rows if row.get("ref_id")}
    if not ids:
        return {}
    wanted = select(Contact.id, Contact.display_name).where(among(Contact.id, list(ids)), alive(actor))
    return {str(contact_id): name for contact_id, name in session.execute(wanted)}


def custom_counts(session: Session, actor: Actor) -> dict[UUID, int]:
    """How many people or companies have a value, by field; fields that nobody uses are left out."""
    if scope(actor) is Scope.NOTHING:
        return {}
    owners = func.count(func.distinct(func.coalesce(CustomValue.contact_id, CustomValue.company_id)))
    wanted = select(CustomValue.field_id, owners).group_by(CustomValue.field_id)
    return {field_id: count for field_id, count in session.execute(wanted)}  # noqa: C416 - rows are typed this way.
