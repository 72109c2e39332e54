"""Owns what a rule would find before it is saved: count, faces, sentence, and who would enter and leave."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from markupsafe import Markup
from sqlalchemy import ColumnElement, and_, func, literal, or_, select, union_all
from sqlalchemy.dialects.postgresql import aggregate_order_by
from sqlalchemy.orm import Session

from crm.accounts.rules import Actor
from crm.channels.base import ChannelKind
from crm.consent.kinds import Purpose
from crm.contacts.fields import SUBJECT
from crm.contacts.models import Contact
from crm.contacts.queries import alive, contacts
from crm.filters.catalogue import labels
from crm.filters.compiler import condition
from crm.filters.evaluate import Explained
from crm.filters.schema import Rule
from crm.filters.sentence import seen_text, sentence
from crm.filters.values import FieldType
from crm.outreach.queries import verdicts
from crm.segments.kinds import PickMode, SegmentKind
from crm.segments.models import Segment, SegmentMember, SegmentPick
from crm.segments.queries.audience import ids_of, place, visible_total
from crm.segments.queries.meaning import bound_rule, check_choices, choices_in, context_of
from crm.segments.queries.why import explain_people

FACES: Final = 6
#: For how many people at most the gate is asked while a rule is being written.
JUDGED: Final = 300


@dataclass(frozen=True, slots=True)
class Face:
    """Somebody whom the rule finds, with the value that says most about why."""

    id: UUID
    name: str
    company: str
    label: str
    seen: str


@dataclass(frozen=True, slots=True)
class Reach:
    """How many of the people may get a promotion by e-mail now, only later, or not at all, by the gate."""

    now: int
    later: int
    never: int


@dataclass(frozen=True, slots=True)
class Preview:
    """What a rule finds for an actor.

    `total` is None where it is too large to count, `reach` above `JUDGED` people: the gate is asked about each of them.
    `entering` and `leaving` compare with the stored members of a saved segment; None without one, or for its own rule.
    """

    count: int
    total: int | None
    faces: list[Face]
    sentence: Markup
    reach: Reach | None = None
    entering: int | None = None
    leaving: int | None = None


@dataclass(frozen=True, slots=True)
class _Found:
    size: int
    sampled: Sequence[UUID]
    judged: Sequence[UUID]
    entering: int | None
    leaving: int | None


def preview(
    session: Session, actor: Actor, *, rule: Rule, now: datetime, against: Segment | None = None, seed: int = 0
) -> Preview:
    """Count, faces and sentence of the rule; `against` adds its hand picks and says who would enter and leave.

    Raises `RuleError`, also for values that are not among the choices any more.
    """
    bound = bound_rule(session, rule, workspace_id=actor.workspace_id)
    choices = choices_in(session, actor, bound)
    check_choices(bound, choices)
    context = context_of(session, actor, now=now)
    wanted = _with_picks(against, condition(bound, context, SUBJECT))
    compared = against if against is not None and against.rule != rule.dump() else None
    found = _ask(session, actor, wanted, against=compared, seed=seed)
    names = labels(choices)
    explained = explain_people(session, context, bound, found.sampled)
    people = contacts(session, actor, contact_ids=found.sampled)
    faces = [
        Face(key, people[key].display_name, _company(people[key]), *_telling(explained[key], context.tz))
        for key in found.sampled
        if key in people and key in explained
    ]
    return Preview(
        count=found.size,
        total=visible_total(session, actor),
        faces=faces,
        sentence=sentence(bound, names),
        reach=_reach(session, actor, found.judged, now=now) if 0 < found.size <= JUDGED else None,
        entering=found.entering,
        leaving=found.leaving,
    )


def _company(contact: Contact) -> str:
    return contact.company.name if contact.company else ""


def _ask(session: Session, actor: Actor, wanted: ColumnElement[bool], *, against: Segment | None, seed: int) -> _Found:
    """One statement, so that the rule runs once: how many, some of them, and the difference to the stored members.

    The faces are those that follow a place chosen by `seed`, by id, going round at the end.
    """
    found = ids_of(actor, wanted).cte("found").prefix_with("materialized", dialect="postgresql")
    start = place(session, actor, seed) if seed else UUID(int=0)
    after = select(found.c.id).where(found.c.id >= start).order_by(found.c.id).limit(FACES)
    before = select(found.c.id).where(found.c.id < start).order_by(found.c.id).limit(FACES)
    ring = union_all(
        select(after.subquery().c.id, literal(0).label("turn")),
        select(before.subquery().c.id, literal(1).label("turn")),
    ).subquery()
    columns: list[Any] = [
        select(func.count()).select_from(found).scalar_subquery(),
        select(func.array_agg(aggregate_order_by(ring.c.id, ring.c.turn, ring.c.id))).scalar_subquery(),
        select(func.array_agg(select(found.c.id).limit(JUDGED).subquery().c.id)).scalar_subquery(),
    ]
    if against is not None and against.kind == SegmentKind.LIVE:
        mine = (SegmentMember.workspace_id == actor.workspace_id, SegmentMember.segment_id == against.id)
        known = select(SegmentMember.id).where(*mine, SegmentMember.contact_id == found.c.id).exists()
        kept = select(found.c.id).where(found.c.id == SegmentMember.contact_id).exists()
        visible = select(Contact.id).where(Contact.id == SegmentMember.contact_id, alive(actor)).exists()
        columns.append(select(func.count()).select_from(found).where(~known).scalar_subquery())
        columns.append(select(func.count()).select_from(SegmentMember).where(*mine, ~kept, visible).scalar_subquery())
    row = session.execute(select(*columns)).one()
    entering, leaving = (row[3], row[4]) if len(row) > 3 else (None, None)  # noqa: PLR2004 - the three and the two above.
    return _Found(row[0], (row[1] or [])[:FACES], row[2] or [], entering, leaving)


def _reach(session: Session, actor: Actor, ids: Sequence[UUID], *, now: datetime) -> Reach:
    """What the gate says about a promotion by e-mail to each of the people."""
    judged = verdicts(session, actor, contact_ids=ids, purpose=Purpose.PROMOTIONAL, channel=ChannelKind.EMAIL, now=now)
    allowed = sum(1 for verdict in judged.values() if verdict.allowed)
    later = sum(1 for verdict in judged.values() if not verdict.allowed and verdict.until is not None)
    return Reach(allowed, later, len(judged) - allowed - later)


def _with_picks(against: Segment | None, found: ColumnElement[bool]) -> ColumnElement[bool]:
    if against is None:
        return found

    def picked(mode: PickMode) -> ColumnElement[bool]:
        return (
            select(SegmentPick.id)
            .where(
                SegmentPick.workspace_id == against.workspace_id,
                SegmentPick.segment_id == against.id,
                SegmentPick.mode == mode,
                SegmentPick.contact_id == SUBJECT.id,
            )
            .correlate(SUBJECT.table)
            .exists()
        )

    return and_(or_(found, picked(PickMode.ADDED)), ~picked(PickMode.REMOVED))


_DIFFERING: Final = (FieldType.NUMBER, FieldType.COUNT, FieldType.DATETIME, FieldType.DATE, FieldType.ANNIVERSARY)


def _telling(explained: Explained, tz: str) -> tuple[str, str]:
    """Label and value of the first true condition that differs from person to person: a number or a time."""
    for node in _true_leaves(explained):
        leaf = node.leaf
        if leaf is not None and leaf.field.type in _DIFFERING and node.seen not in (None, [], 0):
            return str(leaf.field.label), seen_text(leaf, node.seen, {}, tz=tz)
    return "", ""


def _true_leaves(explained: Explained) -> list[Explained]:
    if explained.leaf is not None:
        return [explained] if explained.holds else []
    if not explained.holds or (explained.group is not None and explained.group.denied):
        return []
    return [leaf for child in explained.children for leaf in _true_leaves(child)]
