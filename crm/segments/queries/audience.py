"""Owns who is in a segment for an actor: the rule AND what the actor may see."""

from dataclasses import dataclass
from datetime import datetime
from random import Random
from typing import Final
from uuid import UUID

from sqlalchemy import ColumnElement, Select, func, select
from sqlalchemy.orm import Session

from crm.accounts.rules import Actor
from crm.contacts.models import Contact
from crm.contacts.queries import ContactFilter, alive, list_contacts
from crm.segments.kinds import SegmentKind
from crm.segments.models import Segment, SegmentMember
from crm.segments.queries import saved
from crm.segments.queries.meaning import condition_of, context_of
from crm.web.paging import Page

#: Up to how many people the pages count "of those you may see".
COUNTED: Final = 100_000
#: Up to what cost (in pages read, roughly) a page of members asks the rule itself; some 50 ms on a small machine.
QUICK: Final = 20_000


@dataclass(frozen=True, slots=True)
class MemberView:
    """A person in a segment, as lists show them."""

    id: UUID
    name: str
    company: str
    email: str
    city: str
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
    """A page of the people who are in the segment, by name; pages by key.

    By the rule as of now where the planner expects that to be quick, else by the members of the last refresh.
    """
    condition = condition_of(session, context_of(session, actor, now=now), segment)
    if segment.kind != SegmentKind.FROZEN and not _is_quick(session, actor, condition):
        condition = _stored(actor, segment)
    page = list_contacts(session, actor, where=ContactFilter(also=(condition,)), after=after, limit=limit)
    return Page([_member(contact) for contact in page.items], page.next)


def _stored(actor: Actor, segment: Segment) -> ColumnElement[bool]:
    return (
        select(SegmentMember.id)
        .where(
            SegmentMember.workspace_id == actor.workspace_id,
            SegmentMember.segment_id == segment.id,
            SegmentMember.contact_id == Contact.id,
        )
        .correlate(Contact)
        .exists()
    )


def _is_quick(session: Session, actor: Actor, condition: ColumnElement[bool]) -> bool:
    """Whether the planner's estimate for one page is small; asking it takes about a millisecond."""
    page = ids_of(actor, condition).order_by(Contact.sort_name, Contact.id).limit(51)
    compiled = page.compile(session.connection(), compile_kwargs={"render_postcompile": True})
    plan = session.connection().exec_driver_sql(f"explain (format json) {compiled}", dict(compiled.params))
    return plan.scalar_one()[0]["Plan"]["Total Cost"] <= QUICK


def is_member(session: Session, actor: Actor, *, segment: Segment, contact_id: UUID, now: datetime) -> bool:
    """Whether one visible contact is in the segment now."""
    condition = condition_of(session, context_of(session, actor, now=now), segment)
    return session.scalar(ids_of(actor, condition).where(Contact.id == contact_id)) is not None


def place(session: Session, actor: Actor, seed: int) -> UUID:
    """A place among the ids of the workspace's contacts, chosen by `seed`: where a sample begins.

    Ids begin with the time they were made, so it lies between the oldest and the newest contact.
    """
    ids = select(Contact.id).where(Contact.workspace_id == actor.workspace_id).limit(1)
    low, high = session.scalar(ids.order_by(Contact.id)), session.scalar(ids.order_by(Contact.id.desc()))
    if low is None or high is None:
        return UUID(int=0)
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
