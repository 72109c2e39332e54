"""Owns changing segments: rules, names, hand picks, freezing, and the refresh of who is in them with its history."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import delete, select
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.orm import Session

from crm.accounts.kinds import Permission
from crm.accounts.rules import Actor
from crm.accounts.services.audit import record
from crm.contacts.queries import contact
from crm.errors import ConflictError, InvalidInputError
from crm.filters.schema import Problem, Rule, RuleError, parse
from crm.segments.kinds import PickMode, SegmentKind
from crm.segments.models import Segment, SegmentMember, SegmentPick
from crm.segments.queries import bound_rule, check_choices, choices_in, referenced_segments, segment
from crm.segments.services.refreshing import Cause, copy_members, refresh
from crm.web.i18n import lazy as _

MAX_NAME = 120


class CircularSegmentError(RuleError):
    """The rule would lead back to its own segment."""

    code = "circular_segment"


class FrozenSegmentError(ConflictError):
    """A frozen segment shows who was in it once; it does not change."""

    code = "segment_frozen"


def create(
    session: Session,
    actor: Actor,
    *,
    name: str,
    rule: Rule | None = None,
    kind: SegmentKind = SegmentKind.LIVE,
    description: str = "",
    now: datetime,
) -> Segment:
    """A new segment with its members; live ones need a rule, hand-picked ones have none.

    Raises `RuleError`, `InvalidInputError` for the name and for a frozen kind, which only `freeze` makes.
    """
    actor.require(Permission.EDIT)
    if kind is SegmentKind.FROZEN or (kind is SegmentKind.LIVE) != (rule is not None):
        message = str(_("A live segment needs a rule, a hand-picked one has none."))
        raise InvalidInputError(message, fields={"rule": message})
    if rule is not None:
        _checked(session, actor, rule, segment_id=None)
    row = Segment(
        workspace_id=actor.workspace_id,
        name=_name(name),
        description=description.strip(),
        kind=kind,
        rule=rule.dump() if rule else {},
        created_by_id=actor.user_id,
    )
    session.add(row)
    session.flush()
    record(session, actor, action="segment.created", object_kind="segment", object_id=row.id, after=row.rule)
    refresh(session, segment_id=row.id, cause=Cause.CREATED, now=now)
    return row


def rename(session: Session, actor: Actor, *, segment_id: UUID, name: str, description: str | None = None) -> Segment:
    """Give the segment another name, and a description unless it is None; raises `InvalidInputError`."""
    actor.require(Permission.EDIT)
    row = segment(session, actor, segment_id=segment_id, lock=True)
    row.name = _name(name)
    if description is not None:
        row.description = description.strip()
    session.flush()
    return row


def edit_rule(
    session: Session, actor: Actor, *, segment_id: UUID, rule: Rule, version: int | None = None, now: datetime
) -> Segment:
    """Replace the rule and bring the members in line.

    Raises `RuleError`, `CircularSegmentError`, `FrozenSegmentError`, and `ConflictError` when `version` is not the
    current one any more.
    """
    actor.require(Permission.EDIT)
    row = segment(session, actor, segment_id=segment_id, lock=True)
    if row.kind != SegmentKind.LIVE:
        raise FrozenSegmentError(str(_("This segment has no rule to change.")))
    if version is not None and version != row.version:
        raise ConflictError(
            str(_("Somebody changed this segment meanwhile. Look again and repeat your change.")),
            code="changed_meanwhile",
        )
    _checked(session, actor, rule, segment_id=segment_id)
    before, row.rule = row.rule, rule.dump()
    session.flush()
    record(
        session,
        actor,
        action="segment.rule_changed",
        object_kind="segment",
        object_id=row.id,
        before={"rule": before},
        after={"rule": row.rule},
    )
    refresh(session, segment_id=row.id, cause=Cause.EDITED, now=now)
    return row


def remove(session: Session, actor: Actor, *, segment_id: UUID, now: datetime) -> Segment:
    """Delete the segment; `restore` brings it back. Refused with `ConflictError` while another segment asks for it."""
    actor.require(Permission.EDIT)
    row = segment(session, actor, segment_id=segment_id, lock=True)
    for other in _live(session, actor):
        if other.id != segment_id and segment_id in _references(session, other):
            message = _("The segment “%(name)s” asks for this one. Change it first.", name=other.name)
            raise ConflictError(str(message), code="segment_in_use")
    row.deleted_at = now
    session.flush()
    record(session, actor, action="segment.deleted", object_kind="segment", object_id=row.id)
    return row


def restore(session: Session, actor: Actor, *, segment_id: UUID, now: datetime) -> Segment:
    """Bring a deleted segment back, with the members that its rule finds now."""
    actor.require(Permission.EDIT)
    row = segment(session, actor, segment_id=segment_id, deleted=True, lock=True)
    if row.kind == SegmentKind.LIVE:
        _checked(session, actor, parse(row.rule), segment_id=segment_id)
    row.deleted_at = None
    session.flush()
    refresh(session, segment_id=row.id, cause=Cause.RULE, now=now)
    return row


def freeze(session: Session, actor: Actor, *, segment_id: UUID, name: str = "", now: datetime) -> Segment:
    """A new frozen segment with everybody who is in this one now, named after it and the day unless named."""
    actor.require(Permission.EDIT)
    source = segment(session, actor, segment_id=segment_id, lock=True)
    refresh(session, segment_id=source.id, cause=Cause.RULE, now=now)
    row = Segment(
        workspace_id=actor.workspace_id,
        name=_name(name or f"{source.name[: MAX_NAME - 13]} · {now:%Y-%m-%d}"),
        kind=SegmentKind.FROZEN,
        rule=source.rule,
        created_by_id=actor.user_id,
        frozen_from_id=source.id,
        members=source.members,
        refreshed_at=now,
    )
    session.add(row)
    session.flush()
    inside = select(SegmentMember.contact_id).where(
        SegmentMember.workspace_id == actor.workspace_id, SegmentMember.segment_id == source.id
    )
    copy_members(session, row, inside, now=now)
    record(session, actor, action="segment.frozen", object_kind="segment", object_id=row.id)
    return row


def pick(
    session: Session,
    actor: Actor,
    *,
    segment_id: UUID,
    contact_ids: Sequence[UUID],
    mode: PickMode | None,
    now: datetime,
) -> Segment:
    """Add people by hand, take them out by hand, or (None) leave them to the rule again.

    Hand picks stay apart from what the rule finds and win over it. Raises `ContactNotFoundError`, `FrozenSegmentError`.
    """
    actor.require(Permission.EDIT)
    row = segment(session, actor, segment_id=segment_id, lock=True)
    if row.kind == SegmentKind.FROZEN:
        raise FrozenSegmentError(str(_("This segment is frozen: nobody enters or leaves it.")))
    people = [contact(session, actor, contact_id=contact_id).id for contact_id in dict.fromkeys(contact_ids)]
    # A hand-picked segment holds nobody else, so taking somebody out leaves no trace to keep.
    forget = mode is None or (mode is PickMode.REMOVED and row.kind == SegmentKind.PICKED)
    if forget:
        session.execute(
            delete(SegmentPick).where(SegmentPick.segment_id == segment_id, SegmentPick.contact_id.in_(people))
        )
    elif people:
        rows = [
            {"workspace_id": actor.workspace_id, "segment_id": segment_id, "contact_id": person, "mode": mode}
            for person in people
        ]
        picks = upsert(SegmentPick)
        session.execute(
            picks.on_conflict_do_update(
                index_elements=["workspace_id", "segment_id", "contact_id"], set_={"mode": picks.excluded.mode}
            ),
            rows,
        )
    refresh(session, segment_id=segment_id, cause=Cause.PICKED, now=now)
    return row


def _name(name: str) -> str:
    name = " ".join(name.split())
    if not name:
        message = str(_("Give the segment a name."))
        raise InvalidInputError(message, fields={"name": message})
    if len(name) > MAX_NAME:
        message = str(_("A name can have %(count)s characters at most.", count=MAX_NAME))
        raise InvalidInputError(message, fields={"name": message})
    return name


def _checked(session: Session, actor: Actor, rule: Rule, *, segment_id: UUID | None) -> None:
    bound = bound_rule(session, rule, workspace_id=actor.workspace_id)
    check_choices(bound, choices_in(session, actor, bound))
    if segment_id is None:
        return
    reached, waiting = set(), list(referenced_segments(bound))
    rules = {row.id: row for row in _live(session, actor)}
    while waiting:
        other = waiting.pop()
        if other == segment_id:
            message = str(_("A segment can't ask for itself, not even by way of another one."))
            raise CircularSegmentError([Problem((), "circular_segment", message)])
        if other not in reached and other in rules:
            reached.add(other)
            waiting.extend(_references(session, rules[other]))


def _live(session: Session, actor: Actor) -> Sequence[Segment]:
    return session.scalars(
        select(Segment).where(
            Segment.workspace_id == actor.workspace_id,
            Segment.kind == SegmentKind.LIVE,
            Segment.deleted_at.is_(None),
        )
    ).all()


def _references(session: Session, row: Segment) -> set[UUID]:
    return referenced_segments(bound_rule(session, parse(row.rule), workspace_id=row.workspace_id))
