"""Owns the answer to "why is this person in the segment (or not)": each condition with the value seen."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from crm.accounts.rules import Actor
from crm.contacts.fields import SUBJECT
from crm.contacts.models import Contact
from crm.contacts.queries import contact
from crm.filters.catalogue import Bound, Labels, RuleContext
from crm.filters.evaluate import Explained, explain
from crm.filters.registry import catalogue
from crm.filters.schema import parse
from crm.segments.kinds import PickMode, SegmentKind
from crm.segments.models import Segment, SegmentMember, SegmentPick
from crm.segments.queries.meaning import bound_rule, context_of, labels_of
from crm.segments.queries.saved import segment as saved_segment


@dataclass(frozen=True, slots=True)
class Why:
    """One person and one segment: in or out, by hand or by the rule, and since when it is known.

    `explained` is None for segments without a rule of their own (frozen, hand-picked).
    """

    segment: Segment
    contact: Contact
    inside: bool
    picked: PickMode | None
    since: datetime | None
    explained: Explained | None
    labels: Labels


def why(session: Session, actor: Actor, *, segment_id: UUID, contact_id: UUID, now: datetime) -> Why:
    """Why the person is in the segment now or not; raises `SegmentNotFoundError`, `ContactNotFoundError`."""
    found = saved_segment(session, actor, segment_id=segment_id)
    person = contact(session, actor, contact_id=contact_id)
    mode = session.scalar(
        select(SegmentPick.mode).where(
            SegmentPick.workspace_id == actor.workspace_id,
            SegmentPick.segment_id == segment_id,
            SegmentPick.contact_id == contact_id,
        )
    )
    since = session.scalar(
        select(SegmentMember.entered_at).where(
            SegmentMember.workspace_id == actor.workspace_id,
            SegmentMember.segment_id == segment_id,
            SegmentMember.contact_id == contact_id,
        )
    )
    picked = PickMode(mode) if mode else None
    if found.kind == SegmentKind.FROZEN:
        return Why(found, person, since is not None, None, since, None, {})
    if found.kind == SegmentKind.PICKED:
        return Why(found, person, picked is PickMode.ADDED, picked, since, None, {})
    bound = bound_rule(session, parse(found.rule), workspace_id=actor.workspace_id)
    context = context_of(session, actor, now=now)
    explained = explain_people(session, context, bound, [contact_id])[contact_id]
    inside = picked is PickMode.ADDED or (explained.holds and picked is not PickMode.REMOVED)
    return Why(found, person, inside, picked, since, explained, labels_of(session, actor, bound))


def explain_people(
    session: Session, context: RuleContext, bound: Bound, contact_ids: Sequence[UUID]
) -> dict[UUID, Explained]:
    """The rule with its results for several living people at once, by contact id."""
    alive = session.scalars(select(Contact.id).where(Contact.id.in_(contact_ids), *SUBJECT.alive)).all()
    facts = catalogue().facts(session, context, alive)
    return {contact_id: explain(bound, found, context, SUBJECT) for contact_id, found in facts.items()}
