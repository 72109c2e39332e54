"""Owns what a rule would find before it is saved: count, faces, sentence, and who would enter and leave."""

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from markupsafe import Markup
from sqlalchemy import ColumnElement, and_, or_, select, true
from sqlalchemy.orm import Session

from crm.accounts.rules import Actor
from crm.channels.base import ChannelKind
from crm.consent.kinds import Purpose
from crm.contacts.fields import SUBJECT
from crm.filters.catalogue import labels
from crm.filters.compiler import condition
from crm.filters.evaluate import Explained
from crm.filters.schema import Rule
from crm.filters.sentence import seen_text, sentence
from crm.filters.values import FieldType
from crm.outreach.queries.gate import verdicts
from crm.segments.kinds import PickMode, SegmentKind
from crm.segments.models import Segment, SegmentPick
from crm.segments.queries.audience import Sampled, count, faces, ids_of, visible_total
from crm.segments.queries.meaning import bound_rule, check_choices, choices_in, condition_of, context_of
from crm.segments.queries.why import explain_people

FACES: Final = 6
#: For how many people at most the gate is asked while a rule is being written.
JUDGED: Final = 300


@dataclass(frozen=True, slots=True)
class Face:
    """Somebody whom the rule finds, with the value that says most about why."""

    person: Sampled
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
    `entering` and `leaving` compare with a saved segment, None without one.
    """

    count: int
    total: int | None
    faces: list[Face]
    sentence: Markup
    reach: Reach | None = None
    entering: int | None = None
    leaving: int | None = None


def preview(
    session: Session, actor: Actor, *, rule: Rule, now: datetime, against: Segment | None = None, seed: int = 0
) -> Preview:
    """Count, faces and sentence of the rule; `against` adds its hand picks and says who would enter and leave.

    Raises `RuleError`, also for values that are not among the choices any more.
    """
    bound = bound_rule(rule)
    choices = choices_in(session, actor, bound)
    check_choices(bound, choices)
    context = context_of(session, actor, now=now)
    found = _with_picks(against, condition(bound, context, SUBJECT))
    entering = leaving = None
    if against is not None and against.kind == SegmentKind.LIVE:
        before = condition_of(session, context, against)
        entering = count(session, actor, condition=and_(found, before.is_not(true())))
        leaving = count(session, actor, condition=and_(before, found.is_not(true())))
    sampled = faces(session, actor, condition=found, limit=FACES, seed=seed)
    explained = explain_people(session, context, bound, [person.id for person in sampled])
    names = labels(choices)
    shown = [Face(person, *_telling(explained[person.id], context.tz)) for person in sampled]
    size = count(session, actor, condition=found)
    return Preview(
        count=size,
        total=visible_total(session, actor),
        faces=shown,
        sentence=sentence(bound, names),
        reach=reach(session, actor, condition=found, now=now) if 0 < size <= JUDGED else None,
        entering=entering,
        leaving=leaving,
    )


def reach(session: Session, actor: Actor, *, condition: ColumnElement[bool], now: datetime) -> Reach:
    """What the gate says about a promotion by e-mail to each of the people."""
    ids = session.scalars(ids_of(actor, condition).limit(JUDGED)).all()
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


def _telling(explained: Explained, tz: str) -> tuple[str, str]:
    """Label and value of the first true condition that differs from person to person: a number or a time."""
    for node in _true_leaves(explained):
        leaf = node.leaf
        if leaf is not None and leaf.field.type in _DIFFERING and node.seen not in (None, [], 0):
            return str(leaf.field.label), seen_text(leaf, node.seen, {}, tz=tz)
    return "", ""


_DIFFERING: Final = (FieldType.NUMBER, FieldType.COUNT, FieldType.DATETIME, FieldType.DATE, FieldType.ANNIVERSARY)


def _true_leaves(explained: Explained) -> list[Explained]:
    if explained.leaf is not None:
        return [explained] if explained.holds else []
    if not explained.holds or (explained.group is not None and explained.group.denied):
        return []
    return [leaf for child in explained.children for leaf in _true_leaves(child)]
