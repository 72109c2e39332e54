"""Owns what a segment means: its rule bound to the catalogue, and as a condition on contacts."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from functools import partial
from typing import Any
from uuid import UUID

from markupsafe import Markup
from sqlalchemy import ColumnElement, and_, false, or_, select
from sqlalchemy.orm import Session

from crm.accounts.models import Workspace
from crm.accounts.rules import Actor
from crm.contacts.fields import SUBJECT
from crm.contacts.models import Contact
from crm.contacts.queries import visible
from crm.filters.catalogue import Bound, Field, Labels, RuleContext, bind, bound_leaves, labels, load_choices
from crm.filters.compiler import condition
from crm.filters.registry import catalogue_of
from crm.filters.schema import Problem, Rule, RuleError, leaves, parse
from crm.filters.sentence import sentence
from crm.filters.values import Choice, FieldType
from crm.segments.kinds import PickMode, SegmentKind
from crm.segments.models import Segment, SegmentMember, SegmentPick
from crm.web.i18n import lazy as _


def context_of(session: Session, actor: Actor, *, now: datetime) -> RuleContext:
    """Where rules of the actor's workspace are asked: its time zone, and its other segments by id."""
    tz = session.scalar(select(Workspace.time_zone).where(Workspace.id == actor.workspace_id)) or "UTC"
    return _knowing_others(session, RuleContext(actor.workspace_id, now, tz), ())


def bound_rule(session: Session, rule: Rule, *, workspace_id: UUID) -> Bound:
    """The rule bound to the catalogue of that workspace; raises `RuleError`."""
    names = {leaf.field for leaf in leaves(rule.where)}
    return bind(rule, catalogue_of(session, workspace_id, names=names))


def condition_of(session: Session, context: RuleContext, segment: Segment) -> ColumnElement[bool]:
    """The condition on contacts that they are in the segment.

    Live: whom the rule finds, and who was added by hand, without who was taken out by hand. Hand-picked: who was added.
    Frozen: who was in it when it was frozen.
    """
    return _condition(session, context, segment, (segment.id,))


def _condition(
    session: Session, context: RuleContext, segment: Segment, inside: tuple[UUID, ...]
) -> ColumnElement[bool]:
    if segment.kind == SegmentKind.FROZEN:
        return (
            select(SegmentMember.id)
            .where(
                SegmentMember.workspace_id == context.workspace_id,
                SegmentMember.segment_id == segment.id,
                SegmentMember.contact_id == Contact.id,
            )
            .correlate(Contact)
            .exists()
        )
    added = _picked(context, segment, PickMode.ADDED)
    if segment.kind == SegmentKind.PICKED:
        return added
    own = _knowing_others(session, context, inside)
    found = condition(bound_rule(session, parse(segment.rule), workspace_id=context.workspace_id), own, SUBJECT)
    modes = set(
        session.scalars(
            select(SegmentPick.mode)
            .where(SegmentPick.workspace_id == context.workspace_id, SegmentPick.segment_id == segment.id)
            .distinct()
        )
    )
    # Most segments have no picks: leaving the clauses out keeps the plan that of the bare rule.
    if PickMode.ADDED in modes:
        found = or_(found, added)
    if PickMode.REMOVED in modes:
        found = and_(found, ~_picked(context, segment, PickMode.REMOVED))
    return found


def _picked(context: RuleContext, segment: Segment, mode: PickMode) -> Any:
    return (
        select(SegmentPick.id)
        .where(
            SegmentPick.workspace_id == context.workspace_id,
            SegmentPick.segment_id == segment.id,
            SegmentPick.mode == mode,
            SegmentPick.contact_id == Contact.id,
        )
        .correlate(Contact)
        .exists()
    )


def _knowing_others(session: Session, context: RuleContext, inside: tuple[UUID, ...]) -> RuleContext:
    return replace(context, nested=partial(_nested, session, context, inside))


def _nested(session: Session, context: RuleContext, inside: tuple[UUID, ...], segment_id: UUID) -> ColumnElement[bool]:
    """The condition of another segment; one that is gone, or already being asked further out, holds for nobody."""
    if segment_id in inside:
        return false()
    row = session.scalar(
        select(Segment).where(
            Segment.workspace_id == context.workspace_id, Segment.id == segment_id, Segment.deleted_at.is_(None)
        )
    )
    return false() if row is None else _condition(session, context, row, (*inside, segment_id))


def referenced_segments(bound: Bound) -> set[UUID]:
    """The segments that a rule speaks of."""
    return {UUID(value) for leaf in bound_leaves(bound) if leaf.field.name == "segment" for value in leaf.value}


def choices_of(
    session: Session, actor: Actor, *, fields: Iterable[Field], people: Iterable[UUID] = ()
) -> dict[str, tuple[Choice, ...]]:
    """The choices of those fields, by `field` and `field.option`; of contacts those given in `people` are named."""
    asked = list(fields)
    found = load_choices(session, actor.workspace_id, asked)
    references = [field for field in asked if field.type is FieldType.CONTACT]
    ids = list(people)
    if references and ids:
        names = session.execute(select(Contact.id, Contact.display_name).where(Contact.id.in_(ids), visible(actor)))
        known = tuple(Choice(str(key), name) for key, name in names)
        found.update({field.name: known for field in references})
    return found


def choices_in(session: Session, actor: Actor, bound: Bound) -> dict[str, tuple[Choice, ...]]:
    """The choices of the fields that a rule asks about."""
    leaves = list(bound_leaves(bound))
    people = {UUID(value) for leaf in leaves if leaf.field.type is FieldType.CONTACT for value in leaf.value or ()}
    return choices_of(session, actor, fields={leaf.field.name: leaf.field for leaf in leaves}.values(), people=people)


def labels_of(session: Session, actor: Actor, bound: Bound) -> Labels:
    """What the values of the rule's choices are called."""
    return labels(choices_in(session, actor, bound))


def sentence_of(session: Session, actor: Actor, bound: Bound) -> Markup:
    """The rule as a sentence in the reader's language."""
    return sentence(bound, labels_of(session, actor, bound))


def check_choices(bound: Bound, choices: Mapping[str, Sequence[Choice]]) -> None:
    """Refuse values that are no longer among the choices (a deleted tag, another workspace's id) by `RuleError`."""
    problems = []
    for leaf in bound_leaves(bound):
        if callable(leaf.field.choices) or leaf.field.type is FieldType.CONTACT:
            given = leaf.value if isinstance(leaf.value, tuple) else (leaf.value,) if leaf.value else ()
            known = {choice.value for choice in choices.get(leaf.field.name, ())}
            at = ("value", "value") if leaf.field.options else ("value",)
            if not known.issuperset(given):
                problems.append(_unknown((*leaf.path, *at)))
        for option in leaf.field.options:
            given = leaf.options.get(option.name)
            known = {choice.value for choice in choices.get(f"{leaf.field.name}.{option.name}", ())}
            if callable(option.choices) and given and not known.issuperset(given):
                problems.append(_unknown((*leaf.path, "value", option.name)))
    if problems:
        raise RuleError(problems)


def _unknown(path: tuple[str | int, ...]) -> Problem:
    return Problem(path, "unknown_choice", str(_("This is not one of the choices any more.")))
