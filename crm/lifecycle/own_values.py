"""Reads what rows of a file say of the workspace's own fields: checked by the fields as they are now."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from crm.accounts.rules import Actor
from crm.channels.addresses import AddressError, normalise
from crm.channels.base import ChannelKind
from crm.contacts import queries as contacts
from crm.contacts.custom_rules import PREFIX, FieldShape, Value
from crm.contacts.kinds import CustomSubject, CustomType
from crm.contacts.loading_custom import read_row
from crm.contacts.models import Contact, Handle
from crm.db import among
from crm.filters.text import normalise as folded
from crm.lifecycle.rules.people import Person, RowError

#: What a row is refused with for a value of an own field; the sentence is that of the field.
BAD_VALUE: Final = "bad_own_value"
_MOST_WORDS: Final = 8


@dataclass(frozen=True, slots=True)
class OwnFields:
    """The fields that a file speaks of, whom its cells mean, and what the people it names have."""

    fields: Mapping[str, FieldShape] = field(default_factory=dict[str, FieldShape])
    people: Mapping[str, UUID | None] = field(default_factory=dict[str, UUID | None])
    """{what a cell says, in small letters: whom it means, None when several}"""
    kept: Mapping[UUID, Mapping[str, Value]] = field(default_factory=dict[UUID, Mapping[str, Value]])

    def read(self, person: Person, *, fresh: Mapping[str, UUID]) -> dict[FieldShape, Value]:
        """The values of a row; raises `RowError`. `fresh` are the people of earlier rows by what cells call them."""
        told = {key: cell for key, (cell, _column) in person.own.items() if key in self.fields}
        if not told:
            return {}
        values, refused = read_row(self.fields, told, people={**self.people, **fresh})
        for name, sentence in refused.items():
            raise RowError(BAD_VALUE, person.own[name.removeprefix(PREFIX)][1], sentence)
        return values


def own_fields(session: Session, actor: Actor, *, people: Sequence[Person], known: Collection[UUID]) -> OwnFields:
    """What has to be looked up for rows with own fields; nothing for rows without. `known` are the rows' people.

    A field that went away since the columns were chosen is passed over.
    """
    named = {key for person in people for key in person.own}
    if not named:
        return OwnFields()
    listed = contacts.custom_fields(session, actor, subject=CustomSubject.CONTACT)
    fields = {one.key: one for one in listed if one.key in named}
    referring = [key for key, one in fields.items() if one.type is CustomType.CONTACT]
    cells = {person.own[key][0].strip() for person in people for key in referring if key in person.own}
    return OwnFields(
        fields,
        _meant(session, actor, cells),
        contacts.custom_values_of(session, actor, fields=list(fields.values()), contact_ids=known),
    )


def _meant(session: Session, actor: Actor, cells: Collection[str]) -> dict[str, UUID | None]:
    """Whom cells mean among the visible people: by id or e-mail address, else by code, else by whole name."""
    if not cells:
        return {}
    found = _pointed_at(session, actor, cells)
    left = [cell for cell in cells if cell.lower() not in found]
    codes = select(Contact.external_id, Contact.id).where(among(Contact.external_id, left), Contact.external_id != "")
    for code, contact_id in session.execute(codes.where(contacts.alive(actor))):
        found.setdefault(code.lower(), set()).add(contact_id)
    orders = [(order, cell.lower()) for cell in left if cell.lower() not in found for order in _orders(cell)]
    names = select(Contact.sort_name, Contact.id).where(among(Contact.sort_name, [order for order, _ in orders]))
    called: dict[str, set[UUID]] = {}
    for name, contact_id in session.execute(names.where(contacts.alive(actor))) if orders else ():
        called.setdefault(name, set()).add(contact_id)
    for order, cell in orders:
        if order in called:
            found.setdefault(cell, set()).update(called[order])
    return {cell: next(iter(people)) if len(people) == 1 else None for cell, people in found.items()}


def _pointed_at(session: Session, actor: Actor, cells: Collection[str]) -> dict[str, set[UUID]]:
    """Whom cells mean that are an id or an e-mail address."""
    found: dict[str, set[UUID]] = {}
    ids = {one: cell.lower() for cell in cells if (one := _as_id(cell))}
    wanted = select(Contact.id).where(among(Contact.id, list(ids)), contacts.alive(actor))
    for contact_id in session.scalars(wanted) if ids else ():
        found.setdefault(ids[contact_id], set()).add(contact_id)
    addresses = {norm: cell.lower() for cell in cells if (norm := _as_address(cell))}
    by_address = (
        select(Handle.address_norm, Contact.id)
        .join(Contact, Contact.id == Handle.contact_id)
        .where(Handle.channel == ChannelKind.EMAIL, among(Handle.address_norm, list(addresses)))
        .where(Handle.deleted_at.is_(None), contacts.alive(actor))
    )
    for norm, contact_id in session.execute(by_address) if addresses else ():
        found.setdefault(addresses[norm], set()).add(contact_id)
    return found


def _as_id(cell: str) -> UUID | None:
    try:
        return UUID(cell)
    except ValueError:
        return None


def _as_address(cell: str) -> str:
    if "@" not in cell:
        return ""
    try:
        return normalise(ChannelKind.EMAIL, cell).address_norm
    except AddressError:
        return ""


def _orders(cell: str) -> set[str]:
    """Every way to part the words into first and last name; the last name may come first too."""
    words = folded(cell).split(" ")[:_MOST_WORDS]
    return {f"{' '.join(words[cut:])} {' '.join(words[:cut])}".strip() for cut in range(len(words))}
