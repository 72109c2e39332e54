"""Writes values of the workspace's own fields for many people or companies at once: the set-based path of imports."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import delete, select, tuple_, update
from sqlalchemy.orm import Session

from crm.accounts.rules import Actor
from crm.contacts.custom_models import CustomValue
from crm.contacts.custom_rules import FieldShape, Value, ValueRefusedError, read
from crm.contacts.kinds import CustomSubject, CustomType, FactOrigin, FactState
from crm.contacts.loading import Source
from crm.contacts.models import Company, Contact, Fact
from crm.db import among, insert_rows

_COLUMNS: Final = (
    "text_value", "text_norm", "number", "amount", "currency", "day", "flag", "ref_id", "choice_id",
)  # fmt: skip


#: Nobody has this id.
UNKNOWN: Final = "?"


@dataclass(frozen=True, slots=True)
class LoadedValue:
    """One value to write: of whom, of which field, and what (None takes the present one away)."""

    owner_id: UUID
    field: FieldShape
    value: Value | None


def read_row(
    fields: Mapping[str, FieldShape], raw: Mapping[str, Any], *, people: Mapping[str, UUID] | None = None
) -> tuple[dict[FieldShape, Value], dict[str, str]]:
    """The values that a row of a file brings, by field, and one sentence per `custom.<key>` that can't be taken.

    `raw` holds what the row says by key; empty cells bring nothing. A field that refers to a person takes what `people`
    knows: {e-mail address or id in small letters: contact id}.
    """
    found: dict[FieldShape, Value] = {}
    refused: dict[str, str] = {}
    for key, text in raw.items():
        field = fields[key]
        meant = text
        if field.type is CustomType.CONTACT and str(text).strip():
            meant = (people or {}).get(str(text).strip().lower(), UNKNOWN)
        try:
            value = read(field, meant)
        except ValueRefusedError as error:
            refused[field.name] = error.sentence
        else:
            if value is not None:
                found[field] = value
    return found, refused


def add_custom_values(
    session: Session,
    actor: Actor,
    *,
    subject: CustomSubject,
    values: Sequence[LoadedValue],
    source: Source,
    now: datetime,
) -> None:
    """Set many values of people, or of companies, with their origin, by a handful of statements.

    What is the same already changes nothing. The owners exist, the fields are the subject's; of two values for one
    field the later one holds.
    """
    last = {(one.owner_id, one.field.id): one for one in values}
    same = _unchanged(session, subject, last) if last else set()
    fresh = [one for key, one in last.items() if key not in same]
    if not fresh:
        return
    mine = CustomValue.contact_id if subject is CustomSubject.CONTACT else CustomValue.company_id
    pairs = [(one.owner_id, one.field.id) for one in fresh]
    session.execute(delete(CustomValue).where(tuple_(mine, CustomValue.field_id).in_(pairs)))
    owned = {"workspace_id": actor.workspace_id}
    owner = f"{subject}_id"
    rows = [
        {owner: one.owner_id, "field_id": one.field.id, **{name: columns.get(name) for name in _COLUMNS}}
        for one in fresh
        for columns in (one.value.rows if one.value else ())
    ]
    insert_rows(session, CustomValue, rows, shared=owned)
    told = Fact.contact_id if subject is CustomSubject.CONTACT else Fact.company_id
    names = [(one.owner_id, one.field.name) for one in fresh]
    session.execute(
        update(Fact)
        .where(tuple_(told, Fact.field).in_(names), Fact.state == FactState.CURRENT.value)
        .values(state=FactState.SUPERSEDED.value)
    )
    facts = [
        {owner: one.owner_id, "field": one.field.name, "value": one.value.text if one.value else ""} for one in fresh
    ]
    origin = {"origin": FactOrigin.IMPORTED.value, "source": source.name, "source_id": source.id, "at": now}
    insert_rows(
        session,
        Fact,
        facts,
        shared={**owned, **origin, "state": FactState.CURRENT.value, "user_id": actor.user_id},
    )
    table = Contact if subject is CustomSubject.CONTACT else Company
    owners = sorted({one.owner_id for one in fresh})
    session.execute(
        update(table).where(among(table.id, owners)).values(updated_at=now, version=table.version + 1),
        execution_options={"synchronize_session": False},
    )


def _unchanged(
    session: Session, subject: CustomSubject, asked: Mapping[tuple[UUID, UUID], LoadedValue]
) -> set[tuple[UUID, UUID]]:
    """The keys of `asked` whose current fact says the same already."""
    by_name: dict[tuple[UUID | None, str], tuple[UUID, UUID]] = {
        (one.owner_id, one.field.name): key for key, one in asked.items()
    }
    owner = Fact.contact_id if subject is CustomSubject.CONTACT else Fact.company_id
    wanted = select(owner, Fact.field, Fact.value).where(
        among(owner, sorted({one.owner_id for one in asked.values()})),
        among(Fact.field, sorted({one.field.name for one in asked.values()})),
        Fact.state == FactState.CURRENT.value,
    )
    same: set[tuple[UUID, UUID]] = set()
    for owner_id, name, text in session.execute(wanted):
        key = by_name.get((owner_id, name))
        if key is not None:
            value = asked[key].value
            if (value.text if value else "") == text:
                same.add(key)
    return same
