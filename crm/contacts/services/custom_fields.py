"""Owns making, changing, ordering and archiving fields of the workspace's own."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import delete, exists, func, select, update
from sqlalchemy.orm import Session

from crm.accounts.kinds import Permission
from crm.accounts.rules import Actor
from crm.accounts.services import audit
from crm.channels.sentences import N_
from crm.contacts import queries
from crm.contacts.custom_inputs import CustomChoiceInput, CustomFieldInput, checked
from crm.contacts.custom_models import CustomChoice, CustomField, CustomValue
from crm.contacts.custom_rules import CHOOSING, FieldShape, Value, ValueRefusedError, key_of, read
from crm.contacts.inputs import parsed
from crm.contacts.kinds import CustomSubject, CustomType
from crm.contacts.queries.custom import VALUE_COLUMNS, grouped_values
from crm.db import insert_rows, new_id
from crm.errors import ConflictError, InvalidInputError, NotFoundError, worded
from crm.filters.text import normalise

#: Pages and rules show all of them at once.
MOST_FIELDS: Final = 100
#: So many values are read again when the type of a field changes, within one request.
MOST_CONVERTED: Final = 20_000


class TypeHasValuesError(ConflictError):
    """The field has values that its new type can't take."""

    code = "type_has_values"


def create_custom_field(session: Session, actor: Actor, *, data: CustomFieldInput, now: datetime) -> FieldShape:
    """A new field behind the others of its subject; needs the right to manage the workspace.

    Raises `InvalidInputError` for a key or label that is taken, for limits in the wrong order and the like.
    """
    actor.require(Permission.MANAGE_WORKSPACE)
    values = checked(data)
    taken = queries.custom_fields(session, actor, subject=data.subject, archived=True)
    if len(taken) >= MOST_FIELDS:
        raise InvalidInputError(worded("There are %(count)s fields already.", count=MOST_FIELDS), code="too_many")
    _refuse_taken_label(taken, data.label, but=None)
    row = CustomField(
        **values, id=new_id(), key=_free_key(data, {field.key for field in taken}), position=len(taken), created_at=now
    )
    session.add(row)
    session.flush()
    if data.type in CHOOSING:
        _set_choices(session, row, data.choices, now=now)
    audit.record(session, actor, action="custom_field.created", object_kind="custom_field", object_id=row.id)
    return queries.custom_field(session, actor, field_id=row.id)


def _refuse_taken_label(taken: Sequence[FieldShape], label: str, *, but: UUID | None) -> None:
    if any(normalise(field.label) == normalise(label) and field.id != but for field in taken):
        sentence = N_("There is already a field with this name.")
        raise InvalidInputError(sentence, fields={"label": sentence})


def _free_key(data: CustomFieldInput, taken: set[str]) -> str:
    if data.key and data.key in taken:
        sentence = N_("There is already a field with this key.")
        raise InvalidInputError(sentence, fields={"key": sentence})
    wanted = data.key or key_of(data.label) or "field"
    # Labels in other scripts all make the same key; a number tells them apart.
    candidates = (wanted, *(f"{wanted[:36]}_{number}" for number in range(2, MOST_FIELDS + 2)))
    return next(key for key in candidates if key not in taken)


def update_custom_field(
    session: Session, actor: Actor, *, field_id: UUID, changes: Mapping[str, Any], now: datetime
) -> FieldShape:
    """Change a field; key and subject stay. Choices that are not named any more are archived.

    Another type is taken when each of its values can be read by it; else `TypeHasValuesError` says how many can't.
    """
    actor.require(Permission.MANAGE_WORKSPACE)
    before = queries.custom_field(session, actor, field_id=field_id)
    row = session.scalars(select(CustomField).where(CustomField.id == field_id).with_for_update()).one()
    data = parsed(CustomFieldInput, {**_as_input(before), **changes, "subject": before.subject, "key": before.key})
    values = checked(data)
    _refuse_taken_label(
        queries.custom_fields(session, actor, subject=before.subject, archived=True), data.label, but=field_id
    )
    for name, value in values.items():
        setattr(row, name, value)
    session.flush()
    if data.type in CHOOSING:
        _set_choices(session, row, data.choices, now=now)
    after = queries.custom_field(session, actor, field_id=field_id)
    if after.type is not before.type:
        _convert(session, before, after)
    audit.record(session, actor, action="custom_field.changed", object_kind="custom_field", object_id=row.id)
    return after


def _as_input(field: FieldShape) -> dict[str, Any]:
    names = ("label", "type", "help", "required", "filterable", "lowest", "highest", "pattern", "currency")
    choices = [{"key": one.key, "label": one.label} for one in field.choices if not one.is_archived]
    return {**{name: getattr(field, name) for name in names}, "choices": choices}


def _set_choices(session: Session, row: CustomField, given: Sequence[CustomChoiceInput], *, now: datetime) -> None:
    """Exactly these choices in this order; a known key keeps its row, a known label too."""
    known = {one.key: one for one in session.scalars(select(CustomChoice).where(CustomChoice.field_id == row.id)).all()}
    by_label = {normalise(one.label): one for one in known.values()}
    named: dict[str, str] = {}
    kept: set[UUID] = set()
    for position, one in enumerate(given):
        if (label := normalise(one.label)) in named:
            sentence = worded("“%(label)s” is there twice.", label=one.label)
            raise InvalidInputError(sentence, fields={"choices": sentence})
        named[label] = one.label
        choice = known.get(one.key) if one.key else by_label.get(label)
        if choice is None:
            choice = CustomChoice(id=new_id(), field_id=row.id, key=_choice_key(one, known), label=one.label)
            known[choice.key] = choice
            session.add(choice)
        choice.label, choice.position, choice.archived_at = one.label, position, None
        kept.add(choice.id)
    for choice in known.values():
        if choice.id not in kept and choice.archived_at is None:
            choice.archived_at, choice.position = now, len(given) + choice.position
    session.flush()
    used = exists(select(CustomValue.id).where(CustomValue.choice_id == CustomChoice.id))
    # What nobody has needs no archive.
    session.execute(
        delete(CustomChoice).where(CustomChoice.field_id == row.id, CustomChoice.archived_at.is_not(None), ~used)
    )


def _choice_key(one: CustomChoiceInput, known: Mapping[str, CustomChoice]) -> str:
    wanted = one.key or key_of(one.label) or "choice"
    return next(key for key in (wanted, *(f"{wanted[:36]}_{n}" for n in range(2, len(known) + 3))) if key not in known)


def _convert(session: Session, before: FieldShape, after: FieldShape) -> None:
    """Read each value of the field by its new type and write it anew, or refuse and change nothing."""
    of_field = CustomValue.field_id == after.id
    count = session.scalar(select(func.count()).where(of_field)) or 0
    if count > MOST_CONVERTED:
        sentence = worded("%(count)s values are too many to change their type.", count=count)
        raise TypeHasValuesError(sentence, fields={"type": sentence})
    owner = CustomValue.contact_id if after.subject is CustomSubject.CONTACT else CustomValue.company_id
    columns = [getattr(CustomValue, name) for name in VALUE_COLUMNS]
    rows = session.execute(select(owner.label("owner"), CustomValue.field_id, *columns).where(of_field)).mappings()
    kept = grouped_values([before], rows)
    converted: dict[UUID, Value] = {}
    odd: list[str] = []
    for owner_id, values in kept.items():
        value = _read_anew(before, after, values[after.key])
        if value is None:
            odd.append(values[after.key].text)
        else:
            converted[owner_id] = value
    if odd:
        sentence = worded(
            "%(count)s of the values can't be of this type, “%(example)s” for one.", count=len(odd), example=odd[0]
        )
        raise TypeHasValuesError(sentence, fields={"type": sentence})
    session.execute(delete(CustomValue).where(of_field))
    empty = dict.fromkeys(("text_norm", *VALUE_COLUMNS))
    written = [
        {f"{after.subject}_id": owner_id, **empty, **columns}
        for owner_id, value in converted.items()
        for columns in value.rows
    ]
    shared = {"workspace_id": session.info["workspace_id"], "field_id": after.id}
    insert_rows(session, CustomValue, written, shared=shared)


def _read_anew(before: FieldShape, after: FieldShape, value: Value) -> Value | None:
    """The value as the new type reads it; choices are read by what people see, not by their keys."""
    if after.type is CustomType.CONTACT:
        return None
    labels = {one.key: one.label for one in before.choices}
    raw: Any = value.plain
    if before.type in CHOOSING and after.type not in CHOOSING:
        raw = ", ".join(labels.get(key, key) for key in value.text.split(", "))
    elif before.type is CustomType.CHOICES and isinstance(raw, list) and after.type is CustomType.CHOICE:
        raw = raw[0] if len(raw) == 1 else value.text
    elif before.type is not CustomType.NUMBER or after.type is not CustomType.MONEY:
        raw = value.text
    try:
        return read(after, raw)
    except ValueRefusedError:
        return None


def archive_custom_field(
    session: Session, actor: Actor, *, field_id: UUID, is_archived: bool, now: datetime
) -> FieldShape:
    """Take a field off the pages, or bring it back; its values stay either way, and rules that name it go on."""
    actor.require(Permission.MANAGE_WORKSPACE)
    queries.custom_field(session, actor, field_id=field_id)
    wanted = update(CustomField).where(CustomField.id == field_id)
    session.execute(wanted.values(archived_at=now if is_archived else None))
    action = "custom_field.archived" if is_archived else "custom_field.restored"
    audit.record(session, actor, action=action, object_kind="custom_field", object_id=field_id)
    return queries.custom_field(session, actor, field_id=field_id)


def move_custom_field(session: Session, actor: Actor, *, field_id: UUID, to: int) -> None:
    """Put a field at place `to` (0 is the first) among those of its subject that are in use."""
    actor.require(Permission.MANAGE_WORKSPACE)
    moved = queries.custom_field(session, actor, field_id=field_id)
    listed = queries.custom_fields(session, actor, subject=moved.subject, archived=True)
    others = [field.id for field in listed if field.id != field_id and not field.is_archived]
    others.insert(max(0, min(to, len(others))), field_id)
    others += [field.id for field in listed if field.is_archived and field.id != field_id]
    rows = session.scalars(select(CustomField).where(CustomField.id.in_(others)).with_for_update()).all()
    for row in rows:
        row.position = others.index(row.id)
    session.flush()


def move_custom_choice(session: Session, actor: Actor, *, field_id: UUID, key: str, to: int) -> None:
    """Put a choice at place `to` (0 is the first) among those in use; raises `NotFoundError` for none of these."""
    actor.require(Permission.MANAGE_WORKSPACE)
    queries.custom_field(session, actor, field_id=field_id)
    wanted = select(CustomChoice).where(CustomChoice.field_id == field_id, CustomChoice.archived_at.is_(None))
    rows = session.scalars(wanted.order_by(CustomChoice.position, CustomChoice.id).with_for_update()).all()
    moved = next((row for row in rows if row.key == key), None)
    if moved is None:
        raise NotFoundError(N_("There is no such choice."))
    others = [row for row in rows if row is not moved]
    others.insert(max(0, min(to, len(others))), moved)
    for position, row in enumerate(others):
        row.position = position
    session.flush()
