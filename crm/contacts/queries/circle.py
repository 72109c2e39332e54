"""Owns reading who and what surrounds a person: their places in companies, the people they know, their tags."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from typing import Any
from uuid import UUID

from sqlalchemy import Boolean, Date, Row, Select, case, cast, literal, null, or_, select, union_all
from sqlalchemy.orm import Session

from crm.accounts.rules import Actor
from crm.channels.sentences import N_
from crm.contacts.models import Affiliation, Company, Contact, ContactLink, ContactTag, Tag
from crm.contacts.queries.access import SHORT_LIST, alive
from crm.contacts.queries.people import require_contact
from crm.errors import NotFoundError


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkView:
    """A person whom this person knows, and how; `outgoing` is False when the other one has the link."""

    id: UUID
    kind: str
    contact_id: UUID
    name: str
    outgoing: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class AffiliationView:
    """A place in a company, now or before."""

    id: UUID
    company_id: UUID
    company_name: str
    role: str
    is_primary: bool
    started_on: date | None
    ended_on: date | None


@dataclass(frozen=True, slots=True)
class TagView:
    """A tag that a person has."""

    id: UUID
    name: str


@dataclass(frozen=True, slots=True)
class Circle:
    """Tags by name, places with the primary one first and ended ones last, and links by name."""

    tags: list[TagView]
    places: list[AffiliationView]
    links: list[LinkView]


def circle_of(session: Session, actor: Actor, *, contact_id: UUID) -> Circle:
    """Everything around a person, with one statement; raises `ContactNotFoundError`."""
    require_contact(session, actor, contact_id=contact_id)
    parts = (_tags(contact_id), _places(contact_id), _links(actor, contact_id))
    rows = session.execute(union_all(*parts)).all()
    tagged = sorted((row for row in rows if row.what == "tag"), key=lambda row: row.sorting)
    return Circle([TagView(row.id, row.name) for row in tagged], _place_views(rows), _link_views(rows))


def links_of(session: Session, actor: Actor, *, contact_id: UUID) -> list[LinkView]:
    """The visible people linked with a contact, in both directions, by name."""
    return _link_views(session.execute(_links(actor, contact_id)).all())


def affiliations_of(session: Session, actor: Actor, *, contact_id: UUID) -> list[AffiliationView]:
    """The companies of a contact: the primary one first, ended ones last."""
    require_contact(session, actor, contact_id=contact_id)
    return _place_views(session.execute(_places(contact_id)).all())


def affiliation(session: Session, actor: Actor, *, contact_id: UUID, affiliation_id: UUID) -> AffiliationView:
    """One place of a visible person; raises `NotFoundError`."""
    places = affiliations_of(session, actor, contact_id=contact_id)
    found = next((place for place in places if place.id == affiliation_id), None)
    if found is None:
        raise NotFoundError(N_("There is no such place in a company."))
    return found


def _row(what: str, key: Any, other: Any, name: Any, *, word: Any, flag: Any, sorting: Any) -> list[Any]:
    """The columns that all three have in common, so that one statement can ask for all."""
    return [
        literal(what).label("what"), key.label("id"), other.label("other_id"), name.label("name"), word.label("word"),
        flag.label("flag"), sorting.label("sorting"),
    ]  # fmt: skip


def _dates(started: Any, ended: Any) -> list[Any]:
    return [started.label("started_on"), ended.label("ended_on")]


def _undated() -> list[Any]:
    return _dates(cast(null(), Date()), cast(null(), Date()))


def _tags(contact_id: UUID) -> Select[*tuple[Any, ...]]:
    no = cast(null(), Boolean())
    columns = _row("tag", Tag.id, Tag.id, Tag.name, word=literal(""), flag=no, sorting=Tag.name_norm)
    wanted = select(*columns, *_undated()).join(ContactTag, ContactTag.tag_id == Tag.id)
    return wanted.where(ContactTag.contact_id == contact_id).limit(SHORT_LIST)


def _places(contact_id: UUID) -> Select[*tuple[Any, ...]]:
    columns = _row(
        "place", Affiliation.id, Affiliation.company_id, Company.name, word=Affiliation.role,
        flag=Affiliation.is_primary, sorting=Company.name_norm,
    )  # fmt: skip
    return (
        select(*columns, *_dates(Affiliation.started_on, Affiliation.ended_on))
        .join(Company, Company.id == Affiliation.company_id)
        .where(Affiliation.contact_id == contact_id, Company.deleted_at.is_(None))
        .order_by(Affiliation.ended_on.is_not(None), Affiliation.is_primary.desc(), Company.name_norm)
        .limit(SHORT_LIST)
    )


def _links(actor: Actor, contact_id: UUID) -> Select[*tuple[Any, ...]]:
    outgoing = ContactLink.contact_id == contact_id
    other = case((outgoing, ContactLink.other_id), else_=ContactLink.contact_id)
    columns = _row(
        "link", ContactLink.id, Contact.id, Contact.display_name, word=ContactLink.kind, flag=outgoing,
        sorting=Contact.sort_name,
    )  # fmt: skip
    return (
        select(*columns, *_undated())
        .join(Contact, Contact.id == other)
        .where(or_(outgoing, ContactLink.other_id == contact_id), alive(actor))
        .limit(2 * SHORT_LIST)
    )


def _place_views(rows: Iterable[Row[*tuple[Any, ...]]]) -> list[AffiliationView]:
    found = sorted(
        (row for row in rows if row.what == "place"),
        key=lambda row: (row.ended_on is not None, not row.flag, row.sorting),
    )
    return [
        AffiliationView(
            id=row.id,
            company_id=row.other_id,
            company_name=row.name,
            role=row.word,
            is_primary=row.flag,
            started_on=row.started_on,
            ended_on=row.ended_on,
        )
        for row in found
    ]


def _link_views(rows: Iterable[Row[*tuple[Any, ...]]]) -> list[LinkView]:
    found = [
        LinkView(id=row.id, kind=row.word, contact_id=row.other_id, name=row.name, outgoing=row.flag)
        for row in rows
        if row.what == "link"
    ]
    return sorted(found, key=lambda link: (link.name, link.kind))
