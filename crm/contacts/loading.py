"""Writes many people at once: the set-based path that imports take instead of one use case per row."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import and_, or_, select, tuple_, update
from sqlalchemy.orm import Session

from crm.accounts.rules import Actor
from crm.channels.base import ChannelKind
from crm.contacts.kinds import FactOrigin, FactState
from crm.contacts.models import Affiliation, Company, Contact, ContactTag, Fact, Handle, Tag
from crm.contacts.rules import display_name, parse_birthday, sort_name
from crm.db import insert_rows, new_id
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
    by_channel: dict[str, set[str]] = {}
    for channel, address in addresses:
        by_channel.setdefault(channel.value, set()).add(address)
    if not by_channel:
        return {}
    wanted = or_(*(and_(Handle.channel == kind, Handle.address_norm.in_(found)) for kind, found in by_channel.items()))
    rows = session.scalars(select(Handle).where(wanted, Handle.deleted_at.is_(None)))
    return {(row.channel, row.address_norm): row for row in rows}


def write_people(session: Session, actor: Actor, *, people: Sequence[Loaded], source: Source, now: datetime) -> None:
    """Insert and update `people` with their companies, handles, tags and facts in a fixed number of statements.

    Addresses that already belong to somebody are left where they are; the caller has decided whose they are.
    """
    companies = _companies(session, names=[person.company_name for person in people if person.company_name])
    rows = _Rows()
    for person in people:
        _collect(rows, actor, person, companies=companies, source=source, now=now)
    if rows.contacts:
        insert_rows(session, Contact, rows.contacts)
    _update_known(session, [person for person in people if not person.is_new], companies, now)
    linked = _link_handles(session, rows.handles)
    if rows.affiliations:
        insert_rows(session, Affiliation, rows.affiliations)
    _record_facts(session, rows.facts, people)
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
    living = select(Company.name_norm, Company.id).where(Company.name_norm.in_(by_norm), Company.deleted_at.is_(None))
    # The oldest of several companies with one name is taken (ids are ordered by time).
    known = dict(session.execute(living.order_by(Company.id.desc())).all())
    fresh = [{"id": new_id(), "name": name, "name_norm": norm} for norm, name in by_norm.items() if norm not in known]
    if fresh:
        insert_rows(session, Company, _owned(session, fresh))
    return known | {row["name_norm"]: row["id"] for row in fresh}


def _collect(
    rows: _Rows, actor: Actor, person: Loaded, *, companies: Mapping[str, UUID], source: Source, now: datetime
) -> None:
    company_id = companies.get(normalise(person.company_name)) if person.company_name else None
    base = {"workspace_id": actor.workspace_id}
    if person.is_new:
        rows.contacts.append({**base, "id": person.contact_id, **columns_of(person), "company_id": company_id})
    if company_id is not None and person.is_new:
        rows.affiliations.append(
            {
                **base,
                "id": new_id(),
                "contact_id": person.contact_id,
                "company_id": company_id,
                "role": person.values.get("title", ""),
            }
        )
    first_of: set[str] = set()
    for channel, address, norm in person.addresses:
        rows.handles.append(
            {
                **base,
                "id": new_id(),
                "channel": channel.value,
                "address": address,
                "address_norm": norm,
                "contact_id": person.contact_id,
                "is_primary": person.is_new and channel.value not in first_of,
            }
        )
        first_of.add(channel.value)
    told = {**person.values, **({"company_id": person.company_name} if person.company_name else {})}
    rows.facts.extend(
        {
            **base,
            "id": new_id(),
            "contact_id": person.contact_id,
            "field": name,
            "value": str(value),
            "origin": FactOrigin.IMPORTED.value,
            "source": source.name,
            "source_id": source.id,
            "state": FactState.CURRENT.value,
            "user_id": actor.user_id,
            "at": now,
        }
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
    """Change people one by one: in a repeated import only the few whose row differs come here."""
    for person in people:
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
    if not handles:
        return []
    unique = list({(row["channel"], row["address_norm"]): row for row in reversed(handles)}.values())
    known = owners_of(session, addresses=[(ChannelKind(row["channel"]), row["address_norm"]) for row in unique])
    fresh = [row for row in unique if (row["channel"], row["address_norm"]) not in known]
    if fresh:
        insert_rows(session, Handle, fresh)
    linked: list[tuple[UUID, UUID]] = []
    for row in unique:
        handle = known.get((row["channel"], row["address_norm"]))
        if handle is not None and handle.contact_id is None and handle.company_id is None:
            handle.contact_id = row["contact_id"]
            linked.append((handle.id, row["contact_id"]))
    return linked


def _record_facts(session: Session, facts: list[dict[str, Any]], people: Sequence[Loaded]) -> None:
    """Add provenance; the earlier facts of the same values step back (only people known before can have any)."""
    known = {person.contact_id: set(person.values) for person in people if not person.is_new}
    if known:
        pairs = [(contact_id, name) for contact_id, names in known.items() for name in names]
        session.execute(
            update(Fact)
            .where(tuple_(Fact.contact_id, Fact.field).in_(pairs), Fact.state == FactState.CURRENT.value)
            .values(state=FactState.SUPERSEDED.value)
        )
    if facts:
        last = {(row["contact_id"], row["field"]): row["id"] for row in facts}
        for row in facts:
            # Two rows of one file can speak of the same value; the later one holds.
            if last[row["contact_id"], row["field"]] != row["id"]:
                row["state"] = FactState.SUPERSEDED.value
        insert_rows(session, Fact, facts)


def _tag(session: Session, people: Sequence[Loaded]) -> None:
    wanted = {normalise(tag): tag for person in people for tag in person.tags if normalise(tag)}
    if not wanted:
        return
    named = [{"id": new_id(), "name": name, "name_norm": norm} for norm, name in wanted.items()]
    insert_rows(session, Tag, _owned(session, named), or_nothing=True)
    ids = dict(session.execute(select(Tag.name_norm, Tag.id).where(Tag.name_norm.in_(wanted))).all())
    links = {(person.contact_id, ids[normalise(tag)]) for person in people for tag in person.tags if normalise(tag)}
    rows = [{"id": new_id(), "contact_id": contact, "tag_id": tag} for contact, tag in sorted(links)]
    insert_rows(session, ContactTag, _owned(session, rows), or_nothing=True)


def _owned(session: Session, rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{**row, "workspace_id": session.info["workspace_id"]} for row in rows]
