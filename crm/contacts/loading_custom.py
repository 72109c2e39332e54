"""Writes values of the workspace's own fields for many people or companies at once: the set-based path of imports."""

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import delete, select, update
from sqlalchemy.orm import Session

from crm.accounts.rules import Actor
from crm.channels.sentences import N_
from crm.contacts.custom_models import CustomValue
from crm.contacts.custom_rules import CHOOSING, FieldShape, Value, ValueRefusedError, read, stored
from crm.contacts.kinds import CustomSubject, CustomType, FactOrigin, FactState
from crm.contacts.loading import Source, Written
from crm.contacts.models import Company, Contact, Fact
from crm.db import among, insert_rows, new_id

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
    fields: Mapping[str, FieldShape], raw: Mapping[str, Any], *, people: Mapping[str, UUID | None] | None = None
) -> tuple[dict[FieldShape, Value], dict[str, str]]:
    """The values that a row of a file brings, by field, and one sentence per `custom.<key>` that can't be taken.

    `raw` holds what the row says by key; empty cells bring nothing. A field that refers to a person takes what `people`
    knows: {what the cell says, in small letters: contact id, None when several people are meant}.
    """
    found: dict[FieldShape, Value] = {}
    refused: dict[str, str] = {}
    for key, text in raw.items():
        field = fields[key]
        meant = text
        if field.type is CustomType.CONTACT and str(text).strip():
            meant = (people or {}).get(str(text).strip().lower(), UNKNOWN)
            if meant is None:
                refused[field.name] = N_("Several people are called so: write the e-mail address.")
                continue
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
    fresh_owners: Collection[UUID] = (),
    now: datetime,
) -> list[Written]:
    """Set many values of people, or of companies, with their origin, by a handful of statements.

    What is the same already changes nothing. The owners exist, the fields are the subject's; of two values for one
    field the later one holds. Nothing is looked up of the `fresh_owners`, who are new in this transaction. Returns what
    became of the rows of the others: values and facts.
    """
    last = {(one.owner_id, one.field.id): one for one in values}
    kept = _kept(session, subject, [key for key in last if key[0] not in fresh_owners])
    fresh = [one for key, one in last.items() if not _says_same(one, kept.get(key, []))]
    if not fresh:
        return []
    writing = _Writing(session, actor, subject, kept)
    for one in fresh:
        writing.add(one)
    written = writing.write() + _tell(session, actor, subject, fresh, source=source, news=fresh_owners, now=now)
    table = Contact if subject is CustomSubject.CONTACT else Company
    known = sorted({one.owner_id for one in fresh} - set(fresh_owners))
    if known:
        session.execute(
            update(table).where(among(table.id, known)).values(updated_at=now, version=table.version + 1),
            execution_options={"synchronize_session": False},
        )
    return [one for one in written if one.contact_id not in fresh_owners]


def _owner(subject: CustomSubject, table: type[CustomValue | Fact]) -> Any:
    return table.contact_id if subject is CustomSubject.CONTACT else table.company_id


def _says_same(one: LoadedValue, rows: list[Mapping[str, Any]]) -> bool:
    value = stored(one.field, rows)
    return (value.text if value else "") == (one.value.text if one.value else "")


def _kept(
    session: Session, subject: CustomSubject, pairs: Sequence[tuple[UUID, UUID]]
) -> dict[tuple[UUID, UUID], list[Mapping[str, Any]]]:
    """The rows that are there for pairs of owner and field."""
    if not pairs:
        return {}
    owners, fields = {owner for owner, _ in pairs}, {field for _, field in pairs}
    columns = [column for column in CustomValue.__table__.columns if column.computed is None]
    wanted = select(*columns).where(
        among(_owner(subject, CustomValue), sorted(owners)), among(CustomValue.field_id, sorted(fields))
    )
    found: defaultdict[tuple[UUID, UUID], list[Mapping[str, Any]]] = defaultdict(list)
    for row in session.execute(wanted).mappings():
        found[row[f"{subject}_id"], row["field_id"]].append(dict(row))
    return found


class _Writing:
    """Rows to insert, to change and to delete: one value keeps its row, of several chosen ones each is a row."""

    def __init__(
        self,
        session: Session,
        actor: Actor,
        subject: CustomSubject,
        kept: Mapping[tuple[UUID, UUID], list[Mapping[str, Any]]],
    ) -> None:
        self._session, self._actor, self._subject, self._kept = session, actor, subject, kept
        self._new: list[dict[str, Any]] = []
        self._changed: list[dict[str, Any]] = []
        self._gone: list[UUID] = []
        self._written: list[Written] = []

    def add(self, one: LoadedValue) -> None:
        """What has to be done for one value."""
        before = {row["choice_id"]: row for row in self._kept.get((one.owner_id, one.field.id), [])}
        wanted = {row.get("choice_id"): row for row in (one.value.rows if one.value else ())}
        if one.field.type not in CHOOSING and before and wanted:
            self._change(one, next(iter(before.values())), next(iter(wanted.values())))
            return
        for choice_id, row in before.items():
            if choice_id not in wanted:
                self._gone.append(row["id"])
                self._note(one, row["id"], before=row, after=None)
        for choice_id, row in wanted.items():
            if choice_id not in before:
                columns = {name: row.get(name) for name in _COLUMNS}
                made = {"id": new_id(), f"{self._subject}_id": one.owner_id, "field_id": one.field.id, **columns}
                self._new.append(made)
                self._note(one, made["id"], before=None, after=columns)

    def _change(self, one: LoadedValue, before: Mapping[str, Any], wanted: Mapping[str, Any]) -> None:
        after = {name: wanted.get(name) for name in _COLUMNS if before[name] != wanted.get(name)}
        self._changed.append({"id": before["id"], **{name: wanted.get(name) for name in _COLUMNS}})
        self._note(one, before["id"], before={name: before[name] for name in after}, after=after)

    def _note(
        self, one: LoadedValue, row_id: UUID, *, before: Mapping[str, Any] | None, after: Mapping[str, Any] | None
    ) -> None:
        ids = {"row_id": row_id, "contact_id": one.owner_id}
        self._written.append(Written(table="custom_value", before=before, after=after, **ids))

    def write(self) -> list[Written]:
        """Do it, with one statement for each kind; returns what was done."""
        owned = {"workspace_id": self._actor.workspace_id}
        if self._gone:
            self._session.execute(delete(CustomValue).where(among(CustomValue.id, self._gone)))
        if self._changed:
            self._session.execute(update(CustomValue), self._changed)
        insert_rows(self._session, CustomValue, self._new, shared=owned)
        return self._written


def _tell(
    session: Session,
    actor: Actor,
    subject: CustomSubject,
    values: Sequence[LoadedValue],
    *,
    source: Source,
    news: Collection[UUID],
    now: datetime,
) -> list[Written]:
    """The new facts, and those that step back for them."""
    told, asked = _owner(subject, Fact), {(one.owner_id, one.field.name) for one in values}
    wanted = select(Fact.id, told.label("owner"), Fact.field).where(
        among(told, sorted({owner for owner, _ in asked} - set(news))),
        among(Fact.field, sorted({name for _, name in asked})),
        Fact.state == FactState.CURRENT.value,
    )
    current = {"state": FactState.CURRENT.value}
    stepped = {"state": FactState.SUPERSEDED.value}
    old = [row for row in session.execute(wanted) if (row.owner, row.field) in asked]
    if old:
        session.execute(
            update(Fact).where(among(Fact.id, [row.id for row in old])).values(stepped),
            execution_options={"synchronize_session": False},
        )
    facts = [
        {
            "id": new_id(),
            f"{subject}_id": one.owner_id,
            "field": one.field.name,
            "value": one.value.text if one.value else "",
        }
        for one in values
    ]
    origin = {"origin": FactOrigin.IMPORTED.value, "source": source.name, "source_id": source.id, "at": now}
    insert_rows(
        session,
        Fact,
        facts,
        shared={"workspace_id": actor.workspace_id, **origin, **current, "user_id": actor.user_id},
    )
    return [
        *(Written(table="fact", row_id=row.id, contact_id=row.owner, before=current, after=stepped) for row in old),
        *(
            Written(table="fact", row_id=row["id"], contact_id=row[f"{subject}_id"], before=None, after=current)
            for row in facts
        ),
    ]
