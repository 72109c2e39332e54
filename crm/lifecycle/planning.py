"""Decides for rows of a file what would happen to each: create, update, nothing, or refuse with a reason."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from crm.accounts.rules import Actor
from crm.channels.base import ChannelKind
from crm.consent import erased
from crm.contacts import loading
from crm.contacts.models import Company, Contact, Handle
from crm.contacts.queries import visible
from crm.contacts.rules import Birthday, sort_name
from crm.db import among, new_id
from crm.filters.text import normalise
from crm.lifecycle.kinds import ImportMode
from crm.lifecycle.rules.people import Person, ReadRow, RowError


class Action(StrEnum):
    CREATE = "create"
    UPDATE = "update"
    UNCHANGED = "unchanged"
    REFUSE = "refuse"


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What becomes of one row; `row` is its number in the file, the header being 1."""

    row: int
    cells: list[str]
    action: Action
    person: Person | None = None
    loaded: loading.Loaded | None = None
    code: str = ""
    column: str = ""


@dataclass(slots=True)
class _Known:
    """What the workspace, and earlier rows of the same file, know about the addresses and names of these rows."""

    handles: dict[tuple[str, str], Handle]
    contacts: dict[UUID, Contact]
    by_name: dict[tuple[str, str], UUID]
    company_of: dict[UUID, str]
    fresh: dict[tuple[str, str], UUID]
    fresh_values: dict[UUID, dict[str, Any]]
    erased: frozenset[tuple[str, str]] = frozenset()


def plan(
    session: Session,
    actor: Actor,
    *,
    rows: Sequence[ReadRow],
    mode: ImportMode,
) -> list[Plan]:
    """A plan for each of the `rows`, in their order; the number of queries does not depend on theirs."""
    known = _known(session, actor, [row.person for row in rows if isinstance(row.person, Person)])
    return [
        Plan(row=row.number, cells=row.cells, action=Action.REFUSE, code=row.person.code, column=row.person.column)
        if isinstance(row.person, RowError)
        else _decide(row.number, row.cells, row.person, known=known, mode=mode)
        for row in rows
    ]


def _known(session: Session, actor: Actor, people: Sequence[Person]) -> _Known:
    handles = loading.owners_of(
        session, addresses=[(channel, norm) for person in people for channel, _, norm in person.addresses]
    )
    pairs = {(channel.value, norm) for person in people for channel, _, norm in person.addresses}
    gone = frozenset(erased.known(session, actor, pairs=pairs - handles.keys()))
    names = {_name_key(person)[0] for person in people if not person.addresses}
    owners = {handle.contact_id for handle in handles.values() if handle.contact_id}
    rows = session.execute(
        select(Contact, Company.name_norm, Company.name)
        .outerjoin(Company, Company.id == Contact.company_id)
        .where(
            among(Contact.id, owners) | among(Contact.sort_name, names) if names else among(Contact.id, owners),
            Contact.deleted_at.is_(None),
            visible(actor),
        )
    ).all()
    return _Known(
        handles=handles,
        contacts={contact.id: contact for contact, _, _ in rows},
        by_name={(contact.sort_name, company or ""): contact.id for contact, company, _ in rows},
        company_of={contact.id: name or "" for contact, _, name in rows},
        fresh={},
        fresh_values={},
        erased=gone,
    )


def _name_key(person: Person) -> tuple[str, str]:
    data = person.data
    return sort_name(data.first_name, data.last_name), normalise(data.company_name)


def _decide(number: int, cells: list[str], person: Person, *, known: _Known, mode: ImportMode) -> Plan:
    try:
        contact_id = _whose(person, known)
    except RowError as error:
        # What a row says of somebody who was erased is not kept a second time, not even as refused.
        told = [] if error.code == "erased" else cells
        return Plan(row=number, cells=told, action=Action.REFUSE, code=error.code, column=error.column)
    exists = contact_id is not None
    if exists and mode is ImportMode.CREATE and contact_id in known.contacts:
        return Plan(row=number, cells=cells, action=Action.REFUSE, code="exists")
    if not exists and mode is ImportMode.UPDATE:
        return Plan(row=number, cells=cells, action=Action.REFUSE, code="not_found")
    if contact_id is None:
        return _new(number, cells, person, known)
    return _again(number, cells, person, contact_id, known=known)


def _whose(person: Person, known: _Known) -> UUID | None:
    """The contact that the row speaks of; raises `RowError` when its addresses belong to different people."""
    found: set[UUID] = set()
    for channel, _, norm in person.addresses:
        key = (channel, norm)
        handle = known.handles.get(key)
        if key in known.erased:
            raise RowError("erased")
        if key in known.fresh:
            found.add(known.fresh[key])
        elif handle is not None and handle.contact_id is not None:
            if handle.contact_id not in known.contacts:
                raise RowError("belongs_to_somebody_else")
            found.add(handle.contact_id)
        elif handle is not None and handle.company_id is not None and len(person.addresses) == 1:
            raise RowError("address_of_company")
    if len(found) > 1:
        raise RowError("several_people")
    if found:
        return found.pop()
    if person.addresses:
        return None
    key = _name_key(person)
    return known.by_name.get(key) or known.fresh.get(key)


def _new(number: int, cells: list[str], person: Person, known: _Known) -> Plan:
    contact_id = new_id()
    for channel, _, norm in person.addresses:
        known.fresh[channel, norm] = contact_id
    if not person.addresses:
        known.fresh[_name_key(person)] = contact_id
    known.fresh_values[contact_id] = {**person.values, "company_name": person.data.company_name}
    addresses = _free(person, known)
    loaded = loading.Loaded(
        contact_id=contact_id,
        is_new=True,
        values=person.values,
        company_name=person.data.company_name,
        addresses=addresses,
        adopted=tuple(
            known.handles[key] for channel, _, norm in addresses if (key := (channel, norm)) in known.handles
        ),
        tags=tuple(person.data.tags),
    )
    return Plan(row=number, cells=cells, action=Action.CREATE, person=person, loaded=loaded)


def _again(number: int, cells: list[str], person: Person, contact_id: UUID, *, known: _Known) -> Plan:
    before = known.fresh_values.get(contact_id) or _current(known.contacts[contact_id], known.company_of[contact_id])
    changed = {name: value for name, value in person.values.items() if value not in ("", before.get(name))}
    company = person.data.company_name
    moves = bool(company) and normalise(company) != normalise(before.get("company_name", ""))
    addresses = tuple(
        entry
        for entry in _free(person, known)
        if (entry[0], entry[2]) not in known.handles and (entry[0], entry[2]) not in known.fresh
    )
    known.fresh.update({(channel, norm): contact_id for channel, _, norm in addresses})
    loaded = loading.Loaded(
        contact_id=contact_id,
        is_new=False,
        values=changed,
        company_name=company if moves else "",
        addresses=addresses,
        tags=tuple(person.data.tags),
    )
    action = Action.UPDATE if changed or moves or addresses else Action.UNCHANGED
    return Plan(row=number, cells=cells, action=action, person=person, loaded=loaded)


def _free(person: Person, known: _Known) -> tuple[tuple[ChannelKind, str, str], ...]:
    """The addresses of the row that no company owns: an `info@` does not become a person's."""
    return tuple(
        entry
        for entry in person.addresses
        if (handle := known.handles.get((entry[0], entry[2]))) is None or handle.company_id is None
    )


def _current(contact: Contact, company_name: str) -> dict[str, Any]:
    birthday = (
        str(Birthday(contact.birth_day, contact.birth_month, contact.birth_year))
        if contact.birth_day and contact.birth_month
        else ""
    )
    names = (
        "first_name", "last_name", "title", "language", "street", "city", "country", "interests", "came_from",
        "importance", "lifecycle",
    )  # fmt: skip
    return {**{name: getattr(contact, name) for name in names}, "birthday": birthday, "company_name": company_name}
