"""Use case of bulk edits: one change to many people in one transaction, with few statements, that can be taken back."""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import Row, Select, delete, func, select, update
from sqlalchemy.orm import Session

from crm.accounts.kinds import Permission
from crm.accounts.rules import Actor
from crm.accounts.services import audit
from crm.contacts import queries as contacts
from crm.contacts.change_models import ChangeSet
from crm.contacts.kinds import ChangeSetKind, FactOrigin, FactState, Importance, Lifecycle
from crm.contacts.models import Contact, ContactTag, Fact, Handle, Tag
from crm.contacts.queries import ContactFilter
from crm.contacts.services import check_owner, tag_named
from crm.db import among, insert_rows, new_id
from crm.errors import InvalidInputError, worded
from crm.events import ContactDeleted, ImportanceChanged, publish
from crm.filters.text import normalise
from crm.lifecycle.kinds import BulkField
from crm.lifecycle.services.changes import (
    ChangeSetNotFoundError,
    RowChange,
    close_change_set,
    open_change_set,
    record_changes,
)

#: So many people may one bulk edit change; what waits for their rows waits a second or two.
MOST: Final = 20_000
LONGEST_TAG: Final = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Chosen:
    """Who is meant: the given people, or everybody whom a filter of the list finds; only visible ones count."""

    contact_ids: Collection[UUID] = ()
    where: ContactFilter | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class BulkChange:
    """What to do: `value` is a user id or '' for nobody, a stage, an importance, or the name of a tag."""

    field: BulkField
    value: str = ""


@dataclass(frozen=True, slots=True)
class Preview:
    """How many people are meant, how many of them would change, and some of their names."""

    meant: int
    changing: int
    names: list[str]


@dataclass(frozen=True, slots=True)
class BulkEdited:
    """How many people changed, and the change set that takes it back; None when nobody did."""

    changed: int
    change_set_id: UUID | None


@dataclass(frozen=True, slots=True)
class _Work:
    session: Session
    actor: Actor
    change: BulkChange
    now: datetime


def preview(session: Session, actor: Actor, *, chosen: Chosen, change: BulkChange) -> Preview:
    """What `bulk_edit` would do; raises what it raises, and changes nothing."""
    _check(session, actor, change)
    rows = _people(session, actor, chosen)
    changing = _changing(session, change, rows)
    return Preview(len(rows), len(changing), [row.display_name for row in changing[:10]])


def bulk_edit(session: Session, actor: Actor, *, chosen: Chosen, change: BulkChange, now: datetime) -> BulkEdited:
    """Change one thing of many people, as a change set of its own that `changes.undo` takes back for 30 days.

    The number of statements does not depend on how many they are. Values are noted as typed by the actor; who has the
    value already is left alone. Raises `ForbiddenError` and `InvalidInputError`, also for more than `MOST` people.
    """
    _check(session, actor, change)
    rows = _changing(session, change, _people(session, actor, chosen, lock=True))
    if not rows:
        return BulkEdited(0, None)
    if change.field is BulkField.OWNER:
        for current in {row.owner_id for row in rows}:
            check_owner(session, actor, current=current, wanted=_owner(change))
    work = _Work(session, actor, change, now)
    title = f"{change.field.value}={change.value}"
    kept = open_change_set(session, actor, kind=ChangeSetKind.BULK_EDIT, title=title, now=now)
    record_changes(session, change_set_id=kept.id, changes=_WAYS[change.field](work, rows))
    kept.result = {"changed": len(rows)}
    session.flush()
    close_change_set(session, change_set_id=kept.id)
    _forget(session)
    audit.record(
        session,
        actor,
        action="people.bulk_edited",
        object_kind="change_set",
        object_id=kept.id,
        after={"field": change.field.value, "value": change.value, "people": len(rows)},
    )
    return BulkEdited(len(rows), kept.id)


def _forget(session: Session) -> None:
    """Let what is loaded of people be read anew: the statements above went past it."""
    for row in list(session.identity_map.values()):
        if isinstance(row, Contact | ContactTag | Handle | Fact):
            session.expire(row)


def meant(session: Session, actor: Actor, *, chosen: Chosen) -> int:
    """How many people are meant, at most one more than `MOST`."""
    actor.require(Permission.BULK_EDIT)
    return session.scalar(select(func.count()).select_from(_meant(actor, chosen).subquery())) or 0


def require_bulk_edit(session: Session, actor: Actor, *, change_set_id: UUID) -> None:
    """Raise `ChangeSetNotFoundError` unless this change set is a bulk edit."""
    actor.require(Permission.BULK_EDIT)
    kind = session.scalar(select(ChangeSet.kind).where(ChangeSet.id == change_set_id))
    if kind != ChangeSetKind.BULK_EDIT:
        raise ChangeSetNotFoundError(worded("There is no such change."))


def _check(session: Session, actor: Actor, change: BulkChange) -> None:
    actor.require(Permission.BULK_EDIT)
    actor.require(Permission.ASSIGN if change.field is BulkField.OWNER else Permission.EDIT)
    value, refused = change.value, ""
    match change.field:
        case BulkField.OWNER:
            owner = _owner(change)
            if owner is not None:
                check_owner(session, actor, current=None, wanted=owner)
        case BulkField.LIFECYCLE if value not in set(Lifecycle):
            refused = worded("There is no such stage.")
        case BulkField.IMPORTANCE if value not in set(Importance):
            refused = worded("There is no such importance.")
        case BulkField.ADD_TAG | BulkField.REMOVE_TAG if not 0 < len(value.strip()) <= LONGEST_TAG:
            refused = worded("Write a tag of up to 200 letters.")
        case _:
            pass
    if refused:
        raise InvalidInputError(refused, fields={"value": refused})


def _owner(change: BulkChange) -> UUID | None:
    try:
        return UUID(change.value) if change.value else None
    except ValueError:
        sentence = worded("This person doesn't work here.")
        raise InvalidInputError(sentence, fields={"value": sentence}) from None


def _people(session: Session, actor: Actor, chosen: Chosen, *, lock: bool = False) -> Sequence[Row[Any]]:
    """Those who are meant and whom the actor may see, in one order so that two bulk edits can't block each other."""
    wanted = _meant(actor, chosen)
    rows = session.execute(wanted.with_for_update(of=Contact) if lock else wanted).all()
    if len(rows) > MOST:
        raise InvalidInputError(
            worded("These are more than %(most)d people. Choose fewer at once.", most=MOST), code="too_many_chosen"
        )
    return rows


def _meant(actor: Actor, chosen: Chosen) -> Select[*tuple[Any, ...]]:
    wanted = select(
        Contact.id, Contact.display_name, Contact.version, Contact.owner_id, Contact.lifecycle, Contact.importance
    ).where(contacts.alive(actor))
    if chosen.where is not None:
        wanted = wanted.where(*contacts.conditions_of(chosen.where))
    else:
        wanted = wanted.where(among(Contact.id, set(chosen.contact_ids)))
    return wanted.order_by(Contact.id).limit(MOST + 1)


def _changing(session: Session, change: BulkChange, rows: Sequence[Row[Any]]) -> list[Row[Any]]:
    """Those of the people for whom something changes."""
    if change.field in {BulkField.ADD_TAG, BulkField.REMOVE_TAG}:
        tagged = select(ContactTag.contact_id).join(Tag, Tag.id == ContactTag.tag_id)
        ours = among(ContactTag.contact_id, [row.id for row in rows])
        has = set(session.scalars(tagged.where(Tag.name_norm == normalise(change.value), ours)))
        return [row for row in rows if (row.id in has) is (change.field is BulkField.REMOVE_TAG)]
    if change.field is BulkField.DELETE:
        return list(rows)
    return [row for row in rows if _plain(getattr(row, _COLUMNS[change.field])) != change.value]


def _plain(value: Any) -> str:
    return "" if value is None else str(value)


def _set_value(work: _Work, rows: Sequence[Row[Any]]) -> list[RowChange]:
    """The owner, the stage or the importance, with where it came from."""
    session, column, value = work.session, _COLUMNS[work.change.field], work.change.value
    ids = [row.id for row in rows]
    session.execute(
        update(Contact)
        .where(among(Contact.id, ids))
        .values({column: value or None, "updated_at": work.now, "version": Contact.version + 1})
        .execution_options(synchronize_session=False)
    )
    mine = (among(Fact.contact_id, ids), Fact.field == column)
    session.execute(
        update(Fact)
        .where(*mine, Fact.state == FactState.CURRENT)
        .values(state=FactState.SUPERSEDED)
        .execution_options(synchronize_session=False)
    )
    session.execute(
        update(Fact)
        .where(*mine, Fact.state == FactState.SUGGESTED, Fact.value == value)
        .values(state=FactState.SUPERSEDED, decided_at=work.now)
        .execution_options(synchronize_session=False)
    )
    shared = {
        "workspace_id": work.actor.workspace_id,
        "field": column,
        "value": value,
        "origin": FactOrigin.TYPED.value,
        "source": "",
        "state": FactState.CURRENT.value,
        "user_id": work.actor.user_id,
        "at": work.now,
    }
    facts = [{"contact_id": row.id, "version": row.version + 1} for row in rows]
    insert_rows(session, Fact, facts, shared=shared)
    if work.change.field is BulkField.IMPORTANCE:
        told = ImportanceChanged(workspace_id=work.actor.workspace_id, now=work.now, contact_ids=tuple(ids))
        publish(session, told)
    return [
        RowChange.update("contact", row.id, before={column: getattr(row, column)}, after={column: value or None})
        for row in rows
    ]


def _add_tag(work: _Work, rows: Sequence[Row[Any]]) -> list[RowChange]:
    tag = tag_named(work.session, work.actor, name=work.change.value, now=work.now)
    made = [{"id": new_id(), "contact_id": row.id} for row in rows]
    shared = {"workspace_id": work.actor.workspace_id, "tag_id": tag.id, "created_at": work.now}
    insert_rows(work.session, ContactTag, made, shared=shared, unless=("workspace_id", "contact_id", "tag_id"))
    return [RowChange.insert("contact_tag", row["id"], contact_id=row["contact_id"]) for row in made]


def _remove_tag(work: _Work, rows: Sequence[Row[Any]]) -> list[RowChange]:
    tag = select(Tag.id).where(Tag.name_norm == normalise(work.change.value)).scalar_subquery()
    names = ContactTag.__table__.columns.keys()
    gone = work.session.execute(
        delete(ContactTag)
        .where(ContactTag.tag_id == tag, among(ContactTag.contact_id, [row.id for row in rows]))
        .returning(*ContactTag.__table__.columns)
        .execution_options(synchronize_session=False)
    ).all()
    return [
        RowChange.delete("contact_tag", row.id, before=dict(zip(names, row, strict=True)), contact_id=row.contact_id)
        for row in gone
    ]


def _delete(work: _Work, rows: Sequence[Row[Any]]) -> list[RowChange]:
    """As `crm.contacts.services.delete` does it to one."""
    session, ids = work.session, [row.id for row in rows]
    session.execute(
        update(Contact)
        .where(among(Contact.id, ids))
        .values(deleted_at=work.now, updated_at=work.now, version=Contact.version + 1)
        .execution_options(synchronize_session=False)
    )
    freed = session.execute(
        update(Handle)
        .where(among(Handle.contact_id, ids), Handle.deleted_at.is_(None))
        .values(deleted_at=work.now)
        .returning(Handle.id, Handle.contact_id)
        .execution_options(synchronize_session=False)
    ).all()
    publish(session, ContactDeleted(workspace_id=work.actor.workspace_id, now=work.now, contact_ids=tuple(ids)))
    before, after = {"deleted_at": None}, {"deleted_at": work.now}
    return [
        *(RowChange.update("contact", key, before=before, after=after) for key in ids),
        *(RowChange.update("handle", row.id, before=before, after=after, contact_id=row.contact_id) for row in freed),
    ]


_COLUMNS: Final = {
    BulkField.OWNER: "owner_id",
    BulkField.LIFECYCLE: "lifecycle",
    BulkField.IMPORTANCE: "importance",
}
_WAYS: Final[dict[BulkField, Callable[[_Work, Sequence[Row[Any]]], list[RowChange]]]] = {
    BulkField.OWNER: _set_value,
    BulkField.LIFECYCLE: _set_value,
    BulkField.IMPORTANCE: _set_value,
    BulkField.ADD_TAG: _add_tag,
    BulkField.REMOVE_TAG: _remove_tag,
    BulkField.DELETE: _delete,
}
