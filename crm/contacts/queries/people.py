"""Owns reading people: one, many, the list by key, and whom they know and work for."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from typing import Final
from uuid import UUID

from sqlalchemy import ColumnElement, Select, func, or_, select, tuple_
from sqlalchemy.orm import Session, aliased, joinedload

from crm.accounts.models import Membership, User
from crm.accounts.rules import Actor
from crm.channels.sentences import N_
from crm.contacts.kinds import Importance
from crm.contacts.models import Affiliation, Contact, ContactTag
from crm.contacts.queries.access import SHORT_LIST, ContactMergedError, ContactNotFoundError, alive, behind
from crm.db import among
from crm.once import read_once
from crm.web.paging import Page, decode_cursor, page_of

NOBODY: Final = N_("There is no such person, or you may not see them.")


def contact(session: Session, actor: Actor, *, contact_id: UUID, lock: bool = False) -> Contact:
    """The contact with its company loaded; raises `ContactNotFoundError`. `lock` keeps others from changing it."""
    wanted = select(Contact).where(Contact.id == contact_id, alive(actor))
    wanted = (
        wanted.with_for_update(of=Contact).execution_options(populate_existing=True)
        if lock
        else wanted.options(joinedload(Contact.company))
    )
    found = session.scalars(wanted).one_or_none()
    if found is None:
        raise _missing(session, actor, contact_id)
    read_once(session).add((actor, contact_id))
    return found


def require_contact(session: Session, actor: Actor, *, contact_id: UUID) -> None:
    """Raise `ContactNotFoundError` unless the actor may see the contact: `contact`, without reading forty columns.

    Asks nothing when this transaction has just seen them.
    """
    if (actor, contact_id) in read_once(session):
        return
    if session.scalar(select(Contact.id).where(Contact.id == contact_id, alive(actor))) is None:
        raise _missing(session, actor, contact_id)
    read_once(session).add((actor, contact_id))


def _missing(session: Session, actor: Actor, contact_id: UUID) -> ContactNotFoundError:
    """Why there is nobody: the record went up in another one that the actor may see, or simply nobody."""
    survivor_id = survivor_of(session, actor, contact_id=contact_id)
    if survivor_id is None:
        return ContactNotFoundError(NOBODY)
    return ContactMergedError(NOBODY, old_id=contact_id, new_id=survivor_id)


def survivor_of(session: Session, actor: Actor, *, contact_id: UUID) -> UUID | None:
    """The living contact that a merged one leads to; None when it was not merged or the actor may not see that one."""
    merged = aliased(Contact)
    wanted = select(Contact.id).join(merged, merged.merged_into_id == Contact.id)
    return session.scalar(wanted.where(merged.id == contact_id, alive(actor)))


def contacts(session: Session, actor: Actor, *, contact_ids: Iterable[UUID]) -> dict[UUID, Contact]:
    """Those of the given contacts that exist for the actor, by id; companies are loaded."""
    wanted = select(Contact).where(among(Contact.id, list(contact_ids)), alive(actor))
    found = session.scalars(wanted.options(joinedload(Contact.company)))
    return {row.id: row for row in found}


class ContactSort(StrEnum):
    """The orders of the list of people."""

    NAME = "name"
    LAST_EXCHANGE = "last_exchange"
    LATEST_EXCHANGE = "latest_exchange"
    NEWEST = "newest"


@dataclass(frozen=True, slots=True, kw_only=True)
class ContactFilter:
    """Plain filters of the list and the API, each None or empty for "any"; all must hold."""

    owner_id: UUID | None = None
    company_id: UUID | None = None
    tag_id: UUID | None = None
    lifecycle: str = ""
    importance: str = ""
    #: No exchange since this instant, people without any exchange included.
    quiet_since: datetime | None = None
    #: Further conditions on `Contact`, from the rule language.
    also: tuple[ColumnElement[bool], ...] = ()


def is_anybody(session: Session, actor: Actor) -> bool:
    """Whether there is a person whom the actor may see."""
    return bool(session.scalar(select(select(Contact.id).where(alive(actor)).exists())))


def list_contacts(
    session: Session,
    actor: Actor,
    *,
    where: ContactFilter | None = None,
    sort: ContactSort = ContactSort.NAME,
    after: str | None = None,
    limit: int = 50,
) -> Page[Contact]:
    """A page of visible contacts, companies loaded.

    By name, by the oldest or latest exchange first (people never spoken to at the end), or newest first. Pages by key;
    every condition is one an index can serve under row-level security.
    """
    wanted = select(Contact).options(joinedload(Contact.company)).where(alive(actor), *conditions_of(where))
    if sort is ContactSort.NAME:
        wanted = behind(wanted, (Contact.sort_name, Contact.id), after, (str, UUID))
        rows = session.scalars(wanted.order_by(Contact.sort_name, Contact.id).limit(limit + 1)).all()
        return page_of(rows, limit=limit, key=lambda row: (row.sort_name, row.id))
    if sort is ContactSort.NEWEST:
        if after:
            at, last_id = decode_cursor(after, datetime, UUID)
            wanted = wanted.where(tuple_(Contact.created_at, Contact.id) < (at, last_id))
        rows = session.scalars(wanted.order_by(Contact.created_at.desc(), Contact.id.desc()).limit(limit + 1)).all()
        return page_of(rows, limit=limit, key=lambda row: (row.created_at, row.id))
    return _by_exchange(session, wanted, latest=sort is ContactSort.LATEST_EXCHANGE, after=after, limit=limit)


def _by_exchange(
    session: Session, wanted: Select[Contact], *, latest: bool, after: str | None, limit: int
) -> Page[Contact]:
    """By exchange, then the people without one: two ranges of one index, because an OR would read it all."""
    order = (Contact.last_interaction_at, Contact.id)
    at, last_id = decode_cursor(after, datetime, UUID) if after else (None, None)
    rows: list[Contact] = []
    if not after or at is not None:
        dated = wanted.where(Contact.last_interaction_at.is_not(None))
        if at is not None:
            behind_key = tuple_(*order) < (at, last_id) if latest else tuple_(*order) > (at, last_id)
            dated = dated.where(behind_key)
        dated = dated.order_by(*(column.desc() if latest else column.asc() for column in order))
        rows = list(session.scalars(dated.limit(limit + 1)))
    if len(rows) <= limit:
        never = wanted.where(Contact.last_interaction_at.is_(None))
        if after and at is None:
            never = never.where(Contact.id > last_id)
        rows += session.scalars(never.order_by(Contact.id).limit(limit + 1 - len(rows)))
    return page_of(rows, limit=limit, key=lambda row: (row.last_interaction_at, row.id))


def people_in_order(
    session: Session, actor: Actor, *, where: ContactFilter | None = None, behind_id: UUID | None = None, limit: int
) -> Sequence[Contact]:
    """The next visible people by id, companies loaded: an order that no change of theirs disturbs."""
    wanted = select(Contact).options(joinedload(Contact.company)).where(alive(actor), *conditions_of(where))
    if behind_id is not None:
        wanted = wanted.where(Contact.id > behind_id)
    return session.scalars(wanted.order_by(Contact.id).limit(limit)).all()


def count_people(session: Session, actor: Actor, *, where: ContactFilter | None = None) -> int:
    """How many visible people a filter means; reads them all."""
    return session.scalar(select(func.count()).select_from(Contact).where(alive(actor), *conditions_of(where))) or 0


def conditions_of(where: ContactFilter | None) -> list[ColumnElement[bool]]:
    """What a filter asks of `Contact`; nothing for None."""
    if where is None:
        return []
    conditions: list[ColumnElement[bool]] = [
        column == value
        for column, value in (
            (Contact.owner_id, where.owner_id),
            (Contact.company_id, where.company_id),
            (Contact.lifecycle, where.lifecycle),
            (Contact.importance, where.importance),
        )
        if value
    ]
    if where.tag_id:
        conditions.append(Contact.id.in_(select(ContactTag.contact_id).where(ContactTag.tag_id == where.tag_id)))
    if where.quiet_since:
        conditions.append(or_(Contact.last_interaction_at.is_(None), Contact.last_interaction_at < where.quiet_since))
    return [*conditions, *where.also]


def people_of(session: Session, actor: Actor, *, company_id: UUID) -> Sequence[Contact]:
    """The visible people of a company now, by name, at most `SHORT_LIST`."""
    wanted = select(Contact).where(Contact.company_id == company_id, alive(actor))
    return session.scalars(wanted.order_by(Contact.sort_name, Contact.id).limit(SHORT_LIST)).all()


@dataclass(frozen=True, slots=True, kw_only=True)
class PlaceView:
    """A visible person's place in a company, now or before."""

    id: UUID
    contact_id: UUID
    name: str
    role: str
    is_key: bool
    is_primary: bool
    started_on: date | None
    ended_on: date | None


def places_in(session: Session, actor: Actor, *, company_id: UUID) -> list[PlaceView]:
    """The visible people of a company beyond those whose primary one it is: present ones first, the latest to leave."""
    wanted = (
        select(Affiliation, Contact.display_name, Contact.importance)
        .join(Contact, Contact.id == Affiliation.contact_id)
        .where(
            Affiliation.company_id == company_id,
            or_(Affiliation.ended_on.is_not(None), Affiliation.is_primary.is_(False)),
            alive(actor),
        )
        .order_by(Affiliation.ended_on.desc().nulls_first(), Contact.sort_name, Affiliation.id)
        .limit(SHORT_LIST)
    )
    return [
        PlaceView(
            id=row.id,
            contact_id=row.contact_id,
            name=name,
            role=row.role,
            is_key=importance == Importance.KEY,
            is_primary=row.is_primary,
            started_on=row.started_on,
            ended_on=row.ended_on,
        )
        for row, name, importance in session.execute(wanted)
    ]


def colleagues(session: Session, actor: Actor) -> dict[UUID, str]:
    """The users of the workspace by id, by name: whom a contact or task can belong to."""
    wanted = (
        select(User.id, User.name, User.email)
        .join(Membership, Membership.user_id == User.id)
        .where(Membership.workspace_id == actor.workspace_id, Membership.ended_at.is_(None))
        .order_by(User.name, User.email)
        .limit(SHORT_LIST)
    )
    return {user_id: name or email for user_id, name, email in session.execute(wanted)}
