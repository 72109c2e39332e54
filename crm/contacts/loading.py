"""Writes many people at once: the set-based path that imports take instead of one use case per row."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ARRAY, Text, func, literal, select, true, tuple_, update
from sqlalchemy.orm import Session, aliased

from crm.accounts.rules import Actor
from crm.channels.base import ChannelKind
from crm.contacts.kinds import FactOrigin, FactState
from crm.contacts.models import Affiliation, Company, Contact, ContactTag, Fact, Handle, Tag
from crm.contacts.rules import display_name, parse_birthday, sort_name
from crm.db import among, insert_rows, new_id
from crm.events import ContactCreated, HandleLinked, publish
from crm.filters.text import normalise

Address = tuple[ChannelKind, str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Loaded:
    """One person to write: `values` are contact columns by their input names; new when `is_new`."""

    contact_id: UUID
    is_new: bool
    values: Mapping[str, Any]
    company_name: str = ""
    addresses: tuple[Address, ...] = ()
    tags: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Source:
    """Where the values come from: the name of the file, and the id of the import."""

    name: str
    id: UUID


@dataclass(slots=True)
class _Rows:
    contacts: list[dict[str, Any]] = field(default_factory=list)
    handles: list[dict[str, Any]] = field(default_factory=list)
    facts: list[dict[str, Any]] = field(default_factory=list)
    affiliations: list[dict[str, Any]] = field(default_factory=list)


def owners_of(session: Session, *, addresses: Sequence[tuple[ChannelKind, str]]) -> dict[tuple[str, str], Handle]:
    """{(channel, normalised address): living handle} for those that are known."""
    wanted = sorted({(channel.value, norm) for channel, norm in addresses})
    if not wanted:
        return {}
    channels, norms = ([*column] for column in zip(*wanted, strict=True))
    arrays = literal(channels, ARRAY(Text)), literal(norms, ARRAY(Text))
    asked = func.unnest(*arrays).table_valued("channel", "norm").render_derived(name="asked")
    # One look into the index for each address. Asked any other way, a table without statistics (the first import) is
    # read from end to end for each part.
    found = (
        select(Handle)
        .where(Handle.channel == asked.c.channel, Handle.address_norm == asked.c.norm, Handle.deleted_at.is_(None))
        .offset(0)
        .lateral()
    )
    handle = aliased(Handle, found)
    rows = session.scalars(select(handle).select_from(asked).join(found, true()))
    return {(row.channel, row.address_norm): row for row in rows}


def write_people(session: Session, actor: Actor, *, people: Sequence[Loaded], source: Source, now: datetime) -> None:
    """Insert and update `people` with their companies, handles, tags and facts in a fixed number of statements.

    Addresses that already belong to somebody are left where they are; the caller has decided whose they are.
    """
    companies = _companies(session, names=[person.company_name for person in people if person.company_name])
    rows = _Rows()
    for person in people:
        _collect(rows, person, companies=companies)
    owned = {"workspace_id": actor.workspace_id}
    insert_rows(session, Contact, rows.contacts, shared=owned)
    _update_known(session, [person for person in people if not person.is_new], companies, now)
    linked = _link_handles(session, rows.handles)
    insert_rows(session, Affiliation, rows.affiliations, shared=owned)
    _record_facts(session, actor, rows.facts, people, source=source, now=now)
    _tag(session, people)
    for person in people:
        if person.is_new:
            publish(session, ContactCreated(workspace_id=actor.workspace_id, now=now, contact_id=person.contact_id))
    for handle_id, contact_id in linked:
        publish(
            session, HandleLinked(workspace_id=actor.workspace_id, now=now, handle_id=handle_id, contact_id=contact_id)
        )


def _companies(session: Session, *, names: Sequence[str]) -> dict[str, UUID]:
    # The first spelling in the file is the one that a new company gets.
    by_norm = {normalise(name): name for name in reversed(names)}
    living = select(Company.name_norm, Company.id).where(
        among(Company.name_norm, by_norm), Company.deleted_at.is_(None)
    )
    # The oldest of several companies with one name is taken (ids are ordered by time).
    known = dict(session.execute(living.order_by(Company.id.desc())).all())
    fresh = [{"id": new_id(), "name": name, "name_norm": norm} for norm, name in by_norm.items() if norm not in known]
    insert_rows(session, Company, fresh, shared=_owned(session))
    return known | {row["name_norm"]: row["id"] for row in fresh}


def _collect(rows: _Rows, person: Loaded, *, companies: Mapping[str, UUID]) -> None:
    # Written out once for the many rows that name the person.
    contact_id = str(person.contact_id)
    company_id = companies[normalise(person.company_name)] if person.company_name else None
    if person.is_new:
        rows.contacts.append({"id": contact_id, **columns_of(person), "company_id": company_id})
    if company_id is not None and person.is_new:
        role = person.values.get("title", "")
        rows.affiliations.append({"contact_id": contact_id, "company_id": company_id, "role": role})
    first_of: set[str] = set()
    for channel, address, norm in person.addresses:
        rows.handles.append(
            {
                "channel": channel,
                "address": address,
                "address_norm": norm,
                "contact_id": contact_id,
                "is_primary": person.is_new and channel not in first_of,
            }
        )
        first_of.add(channel)
    told = {**person.values, **({"company_id": person.company_name} if person.company_name else {})}
    rows.facts.extend(
        {"contact_id": contact_id, "field": name, "value": str(value), "state": FactState.CURRENT}
        for name, value in told.items()
        if value not in ("", None)
    )


def columns_of(person: Loaded) -> dict[str, Any]:
    """The columns of a new contact from input names: derived names, normal forms, parts of the birthday."""
    values = dict(person.values)
    first, last = values.get("first_name", ""), values.get("last_name", "")
    email = next((address for channel, address, _ in person.addresses if channel is ChannelKind.EMAIL), "")
    fallback = email or next((address for _, address, _ in person.addresses), "")
    birthday = parse_birthday(values.pop("birthday", ""))
    return {
        "first_name": first,
        "last_name": last,
        "display_name": display_name(first, last, fallback=fallback),
        "sort_name": sort_name(first, last, fallback=fallback),
        "first_name_norm": normalise(first),
        "last_name_norm": normalise(last),
        "title": values.get("title", ""),
        "title_norm": normalise(values.get("title", "")),
        "email": email,
        "language": values.get("language", ""),
        "street": values.get("street", ""),
        "city": values.get("city", ""),
        "city_norm": normalise(values.get("city", "")),
        "country": values.get("country", ""),
        "interests": values.get("interests", ""),
        "came_from": values.get("came_from", ""),
        "importance": values.get("importance") or "normal",
        "lifecycle": values.get("lifecycle") or "lead",
        "owner_id": values.get("owner_id"),
        "birth_day": birthday.day if birthday else None,
        "birth_month": birthday.month if birthday else None,
        "birth_year": birthday.year if birthday else None,
    }


def _update_known(session: Session, people: Sequence[Loaded], companies: Mapping[str, UUID], now: datetime) -> None:
    """Change people one by one: in a repeated import the rows of few differ, and the others stay as they are."""
    for person in people:
        if not (person.values or person.company_name or person.addresses):
            continue
        changes = {**columns_of(person), "updated_at": now, "version": Contact.version + 1}
        changes = {name: value for name, value in changes.items() if name in _touched(person)}
        if person.company_name:
            changes["company_id"] = companies[normalise(person.company_name)]
        if person.addresses and (email := columns_of(person)["email"]):
            without = update(Contact).where(Contact.id == person.contact_id, Contact.email == "")
            session.execute(without.values(email=email))
        if changes:
            session.execute(update(Contact).where(Contact.id == person.contact_id).values(changes))
        if person.company_name:
            _move(session, person.contact_id, changes["company_id"], str(person.values.get("title", "")))


def _touched(person: Loaded) -> set[str]:
    touched = {"updated_at", "version", *person.values}
    if touched & {"first_name", "last_name"}:
        touched |= {"display_name", "sort_name", "first_name_norm", "last_name_norm"}
    for name in ("title", "city"):
        if name in touched:
            touched.add(f"{name}_norm")
    if "birthday" in touched:
        touched |= {"birth_day", "birth_month", "birth_year"}
    return touched


def _move(session: Session, contact_id: UUID, company_id: UUID, role: str) -> None:
    current = session.scalars(
        select(Affiliation).where(
            Affiliation.contact_id == contact_id, Affiliation.is_primary, Affiliation.ended_on.is_(None)
        )
    ).one_or_none()
    if current is not None and current.company_id == company_id:
        return
    if current is not None:
        current.is_primary = False
        session.flush()
    session.add(Affiliation(contact_id=contact_id, company_id=company_id, role=role))


def _link_handles(session: Session, handles: list[dict[str, Any]]) -> list[tuple[UUID, UUID]]:
    """Write the handles; (handle, contact) of those that were nobody's, since only they bring a history along."""
    unique = {(row["channel"], row["address_norm"]): row for row in reversed(handles)}
    known = owners_of(session, addresses=list(unique))
    fresh = [row for key, row in unique.items() if key not in known]
    insert_rows(session, Handle, fresh, shared=_owned(session))
    linked: list[tuple[UUID, UUID]] = []
    for key, handle in known.items():
        if handle.contact_id is None and handle.company_id is None:
            contact_id = handle.contact_id = UUID(unique[key]["contact_id"])
            linked.append((handle.id, contact_id))
    return linked


def _record_facts(
    session: Session,
    actor: Actor,
    facts: list[dict[str, Any]],
    people: Sequence[Loaded],
    *,
    source: Source,
    now: datetime,
) -> None:
    """Add provenance; the earlier facts of the same values step back (only people known before can have any)."""
    known = {person.contact_id: set(person.values) for person in people if not person.is_new}
    if known:
        pairs = [(contact_id, name) for contact_id, names in known.items() for name in names]
        session.execute(
            update(Fact)
            .where(tuple_(Fact.contact_id, Fact.field).in_(pairs), Fact.state == FactState.CURRENT.value)
            .values(state=FactState.SUPERSEDED.value)
        )
        last = {(row["contact_id"], row["field"]): row for row in facts}
        for row in facts:
            # Two rows of one file can speak of the same value; the later one holds.
            if last[row["contact_id"], row["field"]] is not row:
                row["state"] = FactState.SUPERSEDED
    told = {"origin": FactOrigin.IMPORTED.value, "source": source.name, "source_id": source.id}
    shared = {"workspace_id": actor.workspace_id, **told, "user_id": actor.user_id, "at": now}
    insert_rows(session, Fact, facts, shared=shared)


def _tag(session: Session, people: Sequence[Loaded]) -> None:
    forms = {tag: normalise(tag) for tag in {tag for person in people for tag in person.tags}}
    named = {forms[tag]: tag for person in people for tag in person.tags if forms[tag]}
    if not named:
        return
    owned = _owned(session)
    tags = [{"name": name, "name_norm": norm} for norm, name in named.items()]
    insert_rows(session, Tag, tags, shared=owned, unless=("workspace_id", "name_norm"))
    ids = dict(session.execute(select(Tag.name_norm, Tag.id).where(among(Tag.name_norm, named))).all())
    links = {(person.contact_id, ids[forms[tag]]) for person in people for tag in person.tags if forms[tag]}
    rows = [{"contact_id": contact_id, "tag_id": tag_id} for contact_id, tag_id in sorted(links)]
    insert_rows(session, ContactTag, rows, shared=owned, unless=("workspace_id", "contact_id", "tag_id"))


def _owned(session: Session) -> dict[str, UUID]:
    return {"workspace_id": session.info["workspace_id"]}
