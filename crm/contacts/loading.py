"""Writes many people at once: the set-based path that imports take instead of one use case per row."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import ARRAY, Text, func, literal, select, true, tuple_, update
from sqlalchemy.orm import Session, aliased

from crm.accounts.rules import Actor
from crm.channels.base import ChannelKind
from crm.contacts.custom_rules import FieldShape, Value
from crm.contacts.kinds import FactOrigin, FactState
from crm.contacts.models import Affiliation, Company, Contact, ContactTag, Fact, Handle, Tag
from crm.contacts.rules import display_name, parse_birthday, sort_name
from crm.db import among, insert_rows, new_id
from crm.events import ContactCreated, HandleLinked, ImportanceChanged, publish
from crm.filters.text import normalise

Address = tuple[ChannelKind, str, str]
_NAMES: Final = frozenset({"first_name", "last_name"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Loaded:
    """One person to write: `values` are contact columns by their input names; new when `is_new`.

    None of the `addresses` belongs to anybody; `adopted` are the handles of those that are written already.
    """

    contact_id: UUID
    is_new: bool
    values: Mapping[str, Any]
    company_name: str = ""
    addresses: tuple[Address, ...] = ()
    adopted: tuple[Handle, ...] = ()
    tags: tuple[str, ...] = ()
    own: Mapping[FieldShape, Value] = field(default_factory=dict[FieldShape, Value])
    """Values of the workspace's own fields, written by `loading_custom`."""
    known: Contact | None = None
    """Who it is, when that was known before the file; None for somebody whom an earlier row brought."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """What was done to a row that was not made for a new person: an update, or an insert when `before` is None.

    Without `after` the row is gone, and `before` is the whole of it.
    """

    table: str
    row_id: UUID
    contact_id: UUID
    before: Mapping[str, Any] | None
    after: Mapping[str, Any] | None


@dataclass(frozen=True, slots=True)
class Source:
    """Where the values come from: the name of the file, and the id of the import."""

    name: str
    id: UUID


@dataclass(frozen=True, slots=True)
class Places:
    """Ids of the companies and tags that people are to have, by the normal forms of their names."""

    companies: Mapping[str, UUID]
    tags: Mapping[str, UUID]
    new_companies: tuple[UUID, ...] = ()


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


def find_places(session: Session, *, people: Sequence[Loaded]) -> Places:
    """The companies and tags of `people`; those that the workspace does not have yet are made."""
    companies, made = _companies(session, names=[person.company_name for person in people if person.company_name])
    tags = _tags(session, names={tag for person in people for tag in person.tags})
    return Places(companies=companies, tags=tags, new_companies=made)


def _companies(session: Session, *, names: Sequence[str]) -> tuple[dict[str, UUID], tuple[UUID, ...]]:
    if not names:
        return {}, ()
    # The first spelling in the file is the one that a new company gets.
    by_norm = {normalise(name): name for name in reversed(names)}
    living = select(Company.name_norm, Company.id).where(
        among(Company.name_norm, by_norm), Company.deleted_at.is_(None)
    )
    # The oldest of several companies with one name is taken (ids are ordered by time).
    known = dict(session.execute(living.order_by(Company.id.desc())).all())
    fresh = [{"id": new_id(), "name": name, "name_norm": norm} for norm, name in by_norm.items() if norm not in known]
    insert_rows(session, Company, fresh, shared=_owned(session))
    return known | {row["name_norm"]: row["id"] for row in fresh}, tuple(row["id"] for row in fresh)


def _tags(session: Session, *, names: set[str]) -> dict[str, UUID]:
    named = {norm: name for name in sorted(names) if (norm := normalise(name))}
    if not named:
        return {}
    rows = [{"name": name, "name_norm": norm} for norm, name in named.items()]
    insert_rows(session, Tag, rows, shared=_owned(session), unless=("workspace_id", "name_norm"))
    return dict(session.execute(select(Tag.name_norm, Tag.id).where(among(Tag.name_norm, named))).all())


def add_people(session: Session, *, people: Sequence[Loaded], places: Places) -> None:
    """Insert the new of `people` with their places; like `add_details` it reads nothing and can be in `sent_ahead`."""
    new = [person for person in people if person.is_new]
    insert_rows(session, Contact, [_contact(person, places) for person in new], shared=_owned(session))
    insert_rows(session, Affiliation, _affiliations(new, places), shared=_owned(session))


def add_details(
    session: Session, actor: Actor, *, people: Sequence[Loaded], places: Places, source: Source, now: datetime
) -> list[Written]:
    """Insert the addresses, the facts and the tags of all `people`, with one statement for each table.

    Returns the addresses and tags that people got who were known before.
    """
    owned = _owned(session)
    known = {person.contact_id for person in people if person.known is not None}
    handles = _handles(people)
    ids = insert_rows(session, Handle, handles, shared=owned)
    added = [
        Written(
            table="handle",
            row_id=UUID(row_id),
            contact_id=row["contact_id"],
            before=None,
            after={"contact_id": row["contact_id"], "address_norm": row["address_norm"]},
        )
        for row_id, row in zip(ids, handles, strict=True)
        if row["contact_id"] in known
    ]
    told = {"origin": FactOrigin.IMPORTED.value, "source": source.name, "source_id": source.id}
    insert_rows(session, Fact, _facts(people), shared={**owned, **told, "user_id": actor.user_id, "at": now})
    links = dict.fromkeys(
        (person.contact_id, places.tags[norm]) for person in people for tag in person.tags if (norm := normalise(tag))
    )
    rows = [{"contact_id": contact_id, "tag_id": tag_id} for contact_id, tag_id in links]
    ids = insert_rows(session, ContactTag, rows, shared=owned, unless=("workspace_id", "contact_id", "tag_id"))
    return added + [
        Written(table="contact_tag", row_id=UUID(row_id), contact_id=row["contact_id"], before=None, after={})
        for row_id, row in zip(ids, rows, strict=True)
        if row["contact_id"] in known
    ]


def _contact(person: Loaded, places: Places) -> dict[str, Any]:
    company_id = places.companies[normalise(person.company_name)] if person.company_name else None
    return {"id": person.contact_id, **columns_of(person), "company_id": company_id}


def _affiliations(people: Sequence[Loaded], places: Places) -> list[dict[str, Any]]:
    return [
        {
            "contact_id": person.contact_id,
            "company_id": places.companies[normalise(person.company_name)],
            "role": person.values.get("title", ""),
        }
        for person in people
        if person.company_name
    ]


def _handles(people: Sequence[Loaded]) -> list[dict[str, Any]]:
    """The addresses that are written nowhere yet, each once, in its first spelling."""
    rows: dict[tuple[str, str], dict[str, Any]] = {}
    for person in people:
        first_of: set[str] = set()
        adopted = {(handle.channel, handle.address_norm) for handle in person.adopted}
        for channel, address, norm in person.addresses:
            if (channel, norm) not in adopted:
                row = {"channel": channel, "address": address, "address_norm": norm, "contact_id": person.contact_id}
                rows.setdefault((channel, norm), {**row, "is_primary": person.is_new and channel not in first_of})
            first_of.add(channel)
    return list(rows.values())


def _facts(people: Sequence[Loaded]) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = []
    for person in people:
        # Written out once for the many rows that name the person.
        contact_id = str(person.contact_id)
        told = {**person.values, **({"company_id": person.company_name} if person.company_name else {})}
        rows += [
            {"contact_id": contact_id, "field": name, "value": str(value), "state": FactState.CURRENT}
            for name, value in told.items()
            if value not in ("", None)
        ]
    if not all(person.is_new for person in people):
        last = {(row["contact_id"], row["field"]): row for row in rows}
        for row in rows:
            # Two rows of one file can speak of the same value; the later one holds.
            if last[row["contact_id"], row["field"]] is not row:
                row["state"] = FactState.SUPERSEDED
    return rows


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
        "external_id": values.get("external_id", ""),
        "address_form": values.get("address_form") or "formal",
        "time_zone": values.get("time_zone", ""),
        "importance": values.get("importance") or "normal",
        "lifecycle": values.get("lifecycle") or "lead",
        "owner_id": values.get("owner_id"),
        "birth_day": birthday.day if birthday else None,
        "birth_month": birthday.month if birthday else None,
        "birth_year": birthday.year if birthday else None,
    }


def retire_facts(session: Session, *, people: Sequence[Loaded]) -> None:
    """Let the facts step back whose values `people` bring anew; only who was known before can have any."""
    pairs = [(person.contact_id, name) for person in people if not person.is_new for name in person.values]
    if pairs:
        session.execute(
            update(Fact)
            .where(tuple_(Fact.contact_id, Fact.field).in_(pairs), Fact.state == FactState.CURRENT.value)
            .values(state=FactState.SUPERSEDED.value)
        )


def change_people(
    session: Session, actor: Actor, *, people: Sequence[Loaded], places: Places, now: datetime
) -> list[Written]:
    """Change who was known, or came with an earlier row, and give people the addresses that were nobody's.

    One by one: in a repeated import the rows of few differ, and the others stay as they are. Returns what changed.
    """
    written: list[Written] = []
    for person in people:
        if not person.is_new and (person.values or person.company_name or person.addresses):
            written += _change(session, person, places, now)
        for handle in person.adopted:
            ids = {"row_id": handle.id, "contact_id": person.contact_id}
            after = {"contact_id": person.contact_id}
            written.append(Written(table="handle", before={"contact_id": None}, after=after, **ids))
            handle.contact_id = person.contact_id
    session.flush()
    ids = {"workspace_id": actor.workspace_id, "now": now}
    for person in people:
        if person.is_new:
            publish(session, ContactCreated(**ids, contact_id=person.contact_id))
        # Only these bring a history along.
        for handle in person.adopted:
            publish(session, HandleLinked(**ids, handle_id=handle.id, contact_id=person.contact_id))
    if weighed := tuple(person.contact_id for person in people if person.values.get("importance")):
        publish(session, ImportanceChanged(**ids, contact_ids=weighed))
    return written


def _change(session: Session, person: Loaded, places: Places, now: datetime) -> list[Written]:
    whole = replace(person, values={**_rest_of_name(session, person), **person.values})
    changes = {**columns_of(whole), "updated_at": now, "version": Contact.version + 1}
    changes = {name: value for name, value in changes.items() if name in _touched(person)}
    if person.company_name:
        changes["company_id"] = places.companies[normalise(person.company_name)]
    email = columns_of(person)["email"] if person.addresses else ""
    written = _difference(person, {**changes, "email": email} if email else changes)
    if email:
        without = update(Contact).where(Contact.id == person.contact_id, Contact.email == "")
        session.execute(without.values(email=email))
    session.execute(update(Contact).where(Contact.id == person.contact_id).values(changes))
    if person.company_name:
        moved = _move(session, person.contact_id, changes["company_id"], str(person.values.get("title", "")))
        written += moved if person.known is not None else []
    return written


def _difference(person: Loaded, changes: Mapping[str, Any]) -> list[Written]:
    """What becomes of the columns of somebody who was known; called before it does."""
    if person.known is None:
        return []
    before = {name: getattr(person.known, name) for name in changes if name not in {"version", "updated_at"}}
    if before.get("email"):
        # The address by which somebody is known already stays.
        del before["email"]
    ids = {"row_id": person.contact_id, "contact_id": person.contact_id}
    return [Written(table="contact", before=before, after={name: changes[name] for name in before}, **ids)]


def _rest_of_name(session: Session, person: Loaded) -> dict[str, str]:
    """The name as it is; a row names the part that changes, and the derived columns are made of both."""
    if not _NAMES & person.values.keys():
        return {}
    known = select(Contact.first_name, Contact.last_name).where(Contact.id == person.contact_id)
    first, last = session.execute(known).one()
    return {"first_name": first, "last_name": last}


def _touched(person: Loaded) -> set[str]:
    touched = {"updated_at", "version", *person.values}
    if touched & _NAMES:
        touched |= {"display_name", "sort_name", "first_name_norm", "last_name_norm"}
    for name in ("title", "city"):
        if name in touched:
            touched.add(f"{name}_norm")
    if "birthday" in touched:
        touched |= {"birth_day", "birth_month", "birth_year"}
    return touched


def _move(session: Session, contact_id: UUID, company_id: UUID, role: str) -> list[Written]:
    current = session.scalars(
        select(Affiliation).where(
            Affiliation.contact_id == contact_id, Affiliation.is_primary, Affiliation.ended_on.is_(None)
        )
    ).one_or_none()
    if current is not None and current.company_id == company_id:
        return []
    written: list[Written] = []
    if current is not None:
        given = {"before": {"is_primary": True}, "after": {"is_primary": False}}
        written.append(Written(table="affiliation", row_id=current.id, contact_id=contact_id, **given))
        current.is_primary = False
        session.flush()
    place = Affiliation(id=new_id(), contact_id=contact_id, company_id=company_id, role=role)
    session.add(place)
    after = {"company_id": company_id, "is_primary": True, "ended_on": None}
    return [*written, Written(table="affiliation", row_id=place.id, contact_id=contact_id, before=None, after=after)]


def _owned(session: Session) -> dict[str, UUID]:
    return {"workspace_id": session.info["workspace_id"]}
