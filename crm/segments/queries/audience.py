"""Owns who is in a segment for an actor: the rule AND what the actor may see."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from random import Random
from typing import Final
from uuid import UUID

from sqlalchemy import ColumnElement, Select, func, select
from sqlalchemy.orm import Session, joinedload

from crm.accounts.rules import Actor
from crm.contacts.models import Contact
from crm.contacts.queries import ContactFilter, alive, list_contacts
from crm.segments.models import Segment
from crm.segments.queries import saved
from crm.segments.queries.meaning import condition_of, context_of
from crm.web.paging import Page

#: Up to how many people the pages count "of those you may see".
COUNTED: Final = 100_000


@dataclass(frozen=True, slots=True)
class MemberView:
    """A person in a segment, as lists show them."""

    id: UUID
    name: str
    company: str
    email: str
    city: str
    last_interaction_at: datetime | None


@dataclass(frozen=True, slots=True)
class Sampled:
    """A face of the preview."""

    id: UUID
    name: str
    company: str
    last_interaction_at: datetime | None


def audience(session: Session, actor: Actor, *, segment_id: UUID, now: datetime) -> Select[UUID]:
    """The ids of the people in the segment whom the actor may see, as a SELECT to embed or run; no order."""
    found = saved.segment(session, actor, segment_id=segment_id)
    return ids_of(actor, condition_of(session, context_of(session, actor, now=now), found))


def ids_of(actor: Actor, condition: ColumnElement[bool]) -> Select[UUID]:
    """The ids of the visible people who fulfil a condition on `Contact`; no order."""
    return select(Contact.id).where(Contact.workspace_id == actor.workspace_id, alive(actor), condition)


def count(session: Session, actor: Actor, *, condition: ColumnElement[bool]) -> int:
    """How many people the actor may see fulfil the condition."""
    wanted = select(func.count()).select_from(Contact)
    return session.scalar(wanted.where(Contact.workspace_id == actor.workspace_id, alive(actor), condition)) or 0


def members(
    session: Session, actor: Actor, *, segment: Segment, now: datetime, after: str | None = None, limit: int = 50
) -> Page[MemberView]:
    """A page of the people who are in the segment now, by name; pages by key."""
    condition = condition_of(session, context_of(session, actor, now=now), segment)
    page = list_contacts(session, actor, where=ContactFilter(also=(condition,)), after=after, limit=limit)
    return Page([_member(contact) for contact in page.items], page.next)


def is_member(session: Session, actor: Actor, *, segment: Segment, contact_id: UUID, now: datetime) -> bool:
    """Whether one visible contact is in the segment now."""
    condition = condition_of(session, context_of(session, actor, now=now), segment)
    return session.scalar(ids_of(actor, condition).where(Contact.id == contact_id)) is not None


def faces(
    session: Session, actor: Actor, *, condition: ColumnElement[bool], limit: int, seed: int = 0
) -> Sequence[Sampled]:
    """Some of the people who fulfil the condition: those that follow a place chosen by `seed`, by id.

    Reading from one place of the key is quick at any size; another seed shows others. Ids begin with the time they were
    made, so the place is chosen between the oldest and the newest contact.
    """
    wanted = select(Contact).options(joinedload(Contact.company))
    wanted = wanted.where(Contact.workspace_id == actor.workspace_id, alive(actor), condition).order_by(Contact.id)
    start = _place(session, actor, seed) if seed else None
    rows = list(session.scalars((wanted.where(Contact.id >= start) if start else wanted).limit(limit)))
    if start and len(rows) < limit:
        rows += session.scalars(wanted.where(Contact.id < start).limit(limit - len(rows)))
    return [
        Sampled(row.id, row.display_name, row.company.name if row.company else "", row.last_interaction_at)
        for row in rows
    ]


def _place(session: Session, actor: Actor, seed: int) -> UUID | None:
    ids = select(Contact.id).where(Contact.workspace_id == actor.workspace_id).limit(1)
    low, high = session.scalar(ids.order_by(Contact.id)), session.scalar(ids.order_by(Contact.id.desc()))
    if low is None or high is None:
        return None
    return UUID(int=Random(seed).randint(low.int, high.int))  # noqa: S311 - which faces to show is no secret.


def visible_total(session: Session, actor: Actor) -> int | None:
    """How many people the actor may see; None where there are more than `COUNTED`, which takes too long to count."""
    some = select(Contact.id).where(Contact.workspace_id == actor.workspace_id, alive(actor)).limit(COUNTED + 1)
    found = session.scalar(select(func.count()).select_from(some.subquery())) or 0
    return found if found <= COUNTED else None


def _member(contact: Contact) -> MemberView:
    return MemberView(
        contact.id,
        contact.display_name,
        contact.company.name if contact.company else "",
        contact.email,
        contact.city,
        contact.last_interaction_at,
    )
