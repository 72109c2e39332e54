"""Decides for rows of a file what would happen to each: create, update, nothing, or refuse with a reason."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from crm.accounts.rules import Actor
from crm.channels.base import ChannelKind
from crm.consent import erased
from crm.contacts import loading
from crm.contacts.custom_rules import FieldShape, Value
from crm.contacts.models import Company, Contact, ContactTag, Handle, Tag
from crm.contacts.queries import visible
from crm.contacts.rules import Birthday, sort_name
from crm.db import among, new_id
from crm.filters.text import normalise
from crm.lifecycle.kinds import ImportMode, MatchKey
from crm.lifecycle.own_values import OwnFields, own_fields
from crm.lifecycle.rules.people import Person, ReadRow, RowError

#: The channels whose addresses are the key of these choices.
KEYS: Final = {
    MatchKey.EMAIL: frozenset({ChannelKind.EMAIL}),
    MatchKey.PHONE: frozenset({ChannelKind.PHONE, ChannelKind.WHATSAPP, ChannelKind.SMS}),
    MatchKey.HANDLE: frozenset(ChannelKind)
    - {ChannelKind.EMAIL, ChannelKind.PHONE, ChannelKind.WHATSAPP, ChannelKind.SMS, ChannelKind.WEBHOOK},
}
#: Stands for a channel where a code of another program is meant.
_CODE: Final = "\0code"


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
    sentence: str = ""
    """Says why, where the code alone does not."""


@dataclass(slots=True)
class _Known:
    """What the workspace, and earlier rows of the same file, know about the addresses, names and codes of these rows.

    What the earlier rows brought is in the `fresh` ones.
    """

    handles: dict[tuple[str, str], Handle]
    contacts: dict[UUID, Contact]
    by_name: dict[tuple[str, str], set[UUID]]
    by_code: dict[str, set[UUID]]
    company_of: dict[UUID, str]
    tags_of: dict[UUID, set[str]]
    erased: frozenset[tuple[str, str]] = frozenset()
    fresh: dict[tuple[str, str], UUID] = field(default_factory=dict[tuple[str, str], UUID])
    fresh_names: dict[tuple[str, str], set[UUID]] = field(default_factory=dict[tuple[str, str], set[UUID]])
    fresh_values: dict[UUID, dict[str, Any]] = field(default_factory=dict[UUID, dict[str, Any]])
    own: OwnFields = field(default_factory=OwnFields)
    fresh_own: dict[UUID, dict[str, str]] = field(default_factory=dict[UUID, dict[str, str]])

    def code_of(self, contact_id: UUID) -> str:
        """The code that another program gave the person, or ''."""
        if contact_id in self.fresh_values:
            return self.fresh_values[contact_id].get("external_id", "")
        return self.contacts[contact_id].external_id

    def own_values(self, person: Person) -> dict[FieldShape, Value]:
        """What the row says of the workspace's own fields, also of people whom earlier rows brought."""
        met: dict[str, UUID] = {}
        for cell, _column in person.own.values() if self.own.fields else ():
            found = self.fresh.get((ChannelKind.EMAIL, cell.strip().lower())) or self.fresh.get((_CODE, cell.strip()))
            if found is not None:
                met[cell.strip().lower()] = found
        return self.own.read(person, fresh=met)

    def own_changes(self, contact_id: UUID, values: Mapping[FieldShape, Value]) -> dict[FieldShape, Value]:
        """Those of the `values` that the person does not have yet; from now on they do."""
        has = self.fresh_own.setdefault(contact_id, {})
        kept = self.own.kept.get(contact_id, {})
        fresh = {
            one: value
            for one, value in values.items()
            if value.text != (has[one.key] if one.key in has else kept[one.key].text if one.key in kept else "")
        }
        has.update({one.key: value.text for one, value in fresh.items()})
        return fresh


def plan(
    session: Session,
    actor: Actor,
    *,
    rows: Sequence[ReadRow],
    mode: ImportMode,
    match: MatchKey = MatchKey.ANY,
    tag: str = "",
) -> list[Plan]:
    """A plan for each of the `rows`, in their order; the number of queries does not depend on theirs.

    `match` is what people are recognised by, `tag` is for everybody.
    """
    people = [row.person for row in rows if isinstance(row.person, Person)]
    known = _known(session, actor, people, by_name=match is MatchKey.NAME, tag=tag)
    return [
        _refused(row.number, row.cells, row.person)
        if isinstance(row.person, RowError)
        else _decide(row, row.person, known=known, mode=mode, match=match, tag=tag)
        for row in rows
    ]


def _known(session: Session, actor: Actor, people: Sequence[Person], *, by_name: bool, tag: str) -> _Known:
    handles = loading.owners_of(
        session, addresses=[(channel, norm) for person in people for channel, _, norm in person.addresses]
    )
    pairs = {(channel.value, norm) for person in people for channel, _, norm in person.addresses}
    gone = frozenset(erased.known(session, actor, pairs=pairs - handles.keys()))
    names = {_name_key(person)[0] for person in people if by_name or not person.addresses}
    codes = {code for person in people if (code := person.data.external_id)}
    owners = {handle.contact_id for handle in handles.values() if handle.contact_id}
    owners |= {contact_id for code in codes if (contact_id := _as_id(code))}
    owners |= _coded(session, codes)
    rows = session.execute(
        select(Contact, Company.name_norm, Company.name)
        .outerjoin(Company, Company.id == Contact.company_id)
        .where(
            among(Contact.id, owners) | among(Contact.sort_name, names) if names else among(Contact.id, owners),
            Contact.deleted_at.is_(None),
            visible(actor),
        )
    ).all()
    known = _Known(
        handles=handles,
        contacts={contact.id: contact for contact, _, _ in rows},
        by_name={},
        by_code={},
        company_of={contact.id: name or "" for contact, _, name in rows},
        tags_of={},
        erased=gone,
    )
    for contact, company, _ in rows:
        known.by_name.setdefault((contact.sort_name, company or ""), set()).add(contact.id)
        known.by_code.setdefault(contact.external_id or str(contact.id), set()).add(contact.id)
    if tag or any(person.data.tags for person in people):
        known.tags_of = _tags(session, known.contacts)
    known.own = own_fields(session, actor, people=people, known=known.contacts)
    return known


def _coded(session: Session, codes: Collection[str]) -> set[UUID]:
    if not codes:
        return set()
    # The second condition lets the index be used that leaves out those without a code.
    wanted = select(Contact.id).where(among(Contact.external_id, sorted(codes)), Contact.external_id != "")
    return set(session.scalars(wanted.where(Contact.deleted_at.is_(None))))


def _tags(session: Session, contact_ids: Collection[UUID]) -> dict[UUID, set[str]]:
    found: dict[UUID, set[str]] = {}
    wanted = (
        select(ContactTag.contact_id, Tag.name_norm)
        .join(Tag, Tag.id == ContactTag.tag_id)
        .where(among(ContactTag.contact_id, contact_ids))
    )
    for contact_id, name in session.execute(wanted) if contact_ids else ():
        found.setdefault(contact_id, set()).add(name)
    return found


def _as_id(text: str) -> UUID | None:
    """Our own id, as our exports write it where there is no other code."""
    try:
        return UUID(text)
    except ValueError:
        return None


def _name_key(person: Person) -> tuple[str, str]:
    data = person.data
    return sort_name(data.first_name, data.last_name), normalise(data.company_name)


def _decide(row: ReadRow, person: Person, *, known: _Known, mode: ImportMode, match: MatchKey, tag: str) -> Plan:
    number, cells = row.number, row.cells
    try:
        contact_id = _whose(person, known, match)
        own = known.own_values(person)
    except RowError as error:
        # What a row says of somebody who was erased is not kept a second time, not even as refused.
        return _refused(number, [] if error.code == "erased" else cells, error)
    exists = contact_id is not None
    if exists and mode is ImportMode.CREATE and contact_id in known.contacts:
        return Plan(row=number, cells=cells, action=Action.REFUSE, code="exists")
    if not exists and mode is ImportMode.UPDATE:
        return Plan(row=number, cells=cells, action=Action.REFUSE, code="not_found")
    told: list[str] = [*person.data.tags, *([tag] if tag else [])]
    tags = tuple(dict.fromkeys(told))
    if contact_id is None:
        return _new(number, cells, person, known=known, tags=tags, own=own)
    return _again(number, cells, person, contact_id, known=known, tags=tags, own=own)


def _refused(number: int, cells: list[str], error: RowError) -> Plan:
    return Plan(
        row=number,
        cells=cells,
        action=Action.REFUSE,
        code=error.code,
        column=error.column,
        sentence=error.sentence,
    )


def _whose(person: Person, known: _Known, match: MatchKey) -> UUID | None:
    """The contact that the row speaks of; raises `RowError` when that can't be told, or its addresses are others'."""
    owners = _owners(person, known)
    if match is MatchKey.ANY:
        found = set(owners.values()) | _coded_people(person, known)
        if not found and not person.addresses:
            found = _named(person, known, code=person.data.external_id)
            if len(found) > 1:
                raise RowError("several_named")
    else:
        found = _by_key(person, known, match, owners)
    if len(found) > 1:
        raise RowError("several_named" if match is MatchKey.NAME else "several_people")
    if set(owners.values()) - found:
        raise RowError("several_people" if found else "address_taken")
    return next(iter(found), None)


def _owners(person: Person, known: _Known) -> dict[tuple[str, str], UUID]:
    """{address of the row: whose it is}, for those that are somebody's."""
    owners: dict[tuple[str, str], UUID] = {}
    for channel, _, norm in person.addresses:
        key = (channel, norm)
        handle = known.handles.get(key)
        if key in known.erased:
            raise RowError("erased")
        if key in known.fresh:
            owners[key] = known.fresh[key]
        elif handle is not None and handle.contact_id is not None:
            if handle.contact_id not in known.contacts:
                raise RowError("belongs_to_somebody_else")
            owners[key] = handle.contact_id
        elif handle is not None and handle.company_id is not None and len(person.addresses) == 1:
            raise RowError("address_of_company")
    return owners


def _by_key(person: Person, known: _Known, match: MatchKey, owners: Mapping[tuple[str, str], UUID]) -> set[UUID]:
    """Who has the chosen key of the row; a row without one is refused, or it would come in anew each time."""
    if match is MatchKey.EXTERNAL_ID:
        if not person.data.external_id:
            raise RowError("no_key")
        return _coded_people(person, known)
    if match is MatchKey.NAME:
        if not _name_key(person)[0]:
            raise RowError("no_key")
        return _named(person, known)
    keys = [(channel, norm) for channel, _, norm in person.addresses if channel in KEYS[match]]
    if not keys:
        raise RowError("no_key")
    return {owners[key] for key in keys if key in owners}


def _coded_people(person: Person, known: _Known) -> set[UUID]:
    code = person.data.external_id
    if not code:
        return set()
    fresh = known.fresh.get((_CODE, code))
    return known.by_code.get(code, set()) | ({fresh} if fresh else set())


def _named(person: Person, known: _Known, *, code: str = "") -> set[UUID]:
    """Who has the row's name and company; with a `code` nobody who has another one."""
    key = _name_key(person)
    found = known.by_name.get(key, set()) | known.fresh_names.get(key, set())
    return {contact_id for contact_id in found if not code or known.code_of(contact_id) in {"", code}}


def _new(
    number: int,
    cells: list[str],
    person: Person,
    *,
    known: _Known,
    tags: tuple[str, ...],
    own: Mapping[FieldShape, Value],
) -> Plan:
    contact_id = new_id()
    for channel, _, norm in person.addresses:
        known.fresh[channel, norm] = contact_id
    if code := person.data.external_id:
        known.fresh[_CODE, code] = contact_id
    known.fresh_names.setdefault(_name_key(person), set()).add(contact_id)
    known.fresh_values[contact_id] = {**person.values, "company_name": person.data.company_name}
    known.tags_of[contact_id] = set(map(normalise, tags))
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
        tags=tags,
        own=known.own_changes(contact_id, own),
    )
    return Plan(row=number, cells=cells, action=Action.CREATE, person=person, loaded=loaded)


def _again(
    number: int,
    cells: list[str],
    person: Person,
    contact_id: UUID,
    *,
    known: _Known,
    tags: tuple[str, ...],
    own: Mapping[FieldShape, Value],
) -> Plan:
    before = known.fresh_values.get(contact_id) or _current(known.contacts[contact_id], known.company_of[contact_id])
    changed = {name: value for name, value in person.values.items() if value not in ("", before.get(name))}
    if changed.get("external_id") == str(contact_id):
        del changed["external_id"]
    company = person.data.company_name
    moves = bool(company) and normalise(company) != normalise(before.get("company_name", ""))
    addresses = tuple(
        entry
        for entry in _free(person, known)
        if (entry[0], entry[2]) not in known.handles and (entry[0], entry[2]) not in known.fresh
    )
    known.fresh.update({(channel, norm): contact_id for channel, _, norm in addresses})
    has = known.tags_of.setdefault(contact_id, set())
    new_tags = tuple(tag for tag in tags if normalise(tag) not in has)
    has.update(map(normalise, new_tags))
    new_own = known.own_changes(contact_id, own)
    loaded = loading.Loaded(
        contact_id=contact_id,
        is_new=False,
        values=changed,
        company_name=company if moves else "",
        addresses=addresses,
        tags=new_tags,
        own=new_own,
        known=known.contacts.get(contact_id),
    )
    action = Action.UPDATE if changed or moves or addresses or new_tags or new_own else Action.UNCHANGED
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
        "importance", "lifecycle", "external_id", "address_form", "time_zone",
    )  # fmt: skip
    return {**{name: getattr(contact, name) for name in names}, "birthday": birthday, "company_name": company_name}
