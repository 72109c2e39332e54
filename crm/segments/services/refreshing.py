"""Owns the refresh: bringing the stored members of a segment in line with its rule, and writing down who changed.

One statement decides who is in, removes and adds; somebody who left and came back between two refreshes has not
changed at all.
"""

from collections.abc import Sequence
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from sqlalchemy import Select, delete, func, insert, literal, select, union_all, update
from sqlalchemy.orm import Session

from crm.accounts.rules import system_actor
from crm.contacts.models import Contact
from crm.contacts.queries import is_nobody_limited
from crm.db import new_id
from crm.filters.catalogue import RuleContext
from crm.filters.evaluate import Explained
from crm.filters.schema import parse
from crm.segments.kinds import SegmentKind
from crm.segments.models import Segment, SegmentChange, SegmentMember
from crm.segments.queries import bound_rule, condition_of, context_of
from crm.segments.queries.why import explain_people

#: For how many people of one refresh the failing condition is looked up; a whole crowd leaves for one reason.
EXPLAINED = 200


class Cause(StrEnum):
    """Why somebody entered or left."""

    CREATED = "created"
    EDITED = "edited"
    PICKED = "picked"
    DELETED = "deleted"
    RULE = "rule"


def refresh(session: Session, *, segment_id: UUID, cause: Cause = Cause.RULE, now: datetime) -> int:
    """Bring one live or hand-picked segment up to date; returns how many people entered or left.

    The row of the segment is locked, so that two refreshes follow each other. Does nothing for frozen or deleted ones.
    """
    row = session.scalar(
        select(Segment)
        .where(Segment.id == segment_id, Segment.deleted_at.is_(None))
        .with_for_update()
        .execution_options(populate_existing=True)
    )
    if row is None or row.kind == SegmentKind.FROZEN:
        return 0
    context = context_of(session, system_actor(row.workspace_id), now=now)
    wanted = select(Contact.id.label("contact_id")).where(
        Contact.workspace_id == row.workspace_id, Contact.deleted_at.is_(None), condition_of(session, context, row)
    )
    if row.kind == SegmentKind.LIVE:
        wanted = wanted.where(Contact.limited_at.is_(None))
    changed = _exchange(session, row, wanted, now=now)
    _note(session, context, row, changed, cause=cause, now=now)
    # Not through the mapper: a refresh is no edit, so the version that guards edits stays.
    session.execute(
        update(Segment)
        .where(Segment.workspace_id == row.workspace_id, Segment.id == row.id)
        .values(members=_size(row), refreshed_at=now)
        .execution_options(synchronize_session=False)
    )
    session.refresh(row)
    return len(changed)


def copy_members(session: Session, row: Segment, contact_ids: Select[UUID], *, now: datetime) -> None:
    """Put those contacts into the segment."""
    chosen = contact_ids.subquery()
    session.execute(
        insert(SegmentMember).from_select(
            ["id", "workspace_id", "segment_id", "contact_id", "entered_at"],
            select(
                func.gen_random_uuid(), literal(row.workspace_id), literal(row.id), chosen.c.contact_id, literal(now)
            ),
        )
    )


def _exchange(session: Session, row: Segment, wanted: Select[UUID], *, now: datetime) -> Sequence[tuple[UUID, str]]:
    """Remove who is not wanted any more, add who is new: `(contact, "left" | "entered")` of each."""
    inside = wanted.cte("inside").prefix_with("materialized", dialect="postgresql")
    mine = (SegmentMember.workspace_id == row.workspace_id, SegmentMember.segment_id == row.id)
    # Whose data may only be kept is not judged by rules: they stay where they are.
    stay = [is_nobody_limited(row.workspace_id, SegmentMember.contact_id)] if row.kind == SegmentKind.LIVE else []
    gone = (
        delete(SegmentMember)
        .where(
            *mine, *stay, ~select(inside.c.contact_id).where(inside.c.contact_id == SegmentMember.contact_id).exists()
        )
        .returning(SegmentMember.contact_id)
        .cte("gone")
    )
    known = select(SegmentMember.id).where(*mine, SegmentMember.contact_id == inside.c.contact_id)
    fresh = select(
        func.gen_random_uuid(), literal(row.workspace_id), literal(row.id), inside.c.contact_id, literal(now)
    ).where(~known.exists())
    came = (
        insert(SegmentMember)
        .from_select(["id", "workspace_id", "segment_id", "contact_id", "entered_at"], fresh)
        .returning(SegmentMember.contact_id)
        .cte("came")
    )
    changed = union_all(select(gone.c.contact_id, literal("left")), select(came.c.contact_id, literal("entered")))
    return session.execute(changed).all()


def _note(
    session: Session,
    context: RuleContext,
    row: Segment,
    changed: Sequence[tuple[UUID, str]],
    *,
    cause: Cause,
    now: datetime,
) -> None:
    if not changed:
        return
    causes: dict[UUID, str] = {}
    if cause is Cause.RULE and row.kind == SegmentKind.LIVE:
        left = [contact_id for contact_id, change in changed if change == "left"][:EXPLAINED]
        causes = _why_left(session, context, row, left)
    session.execute(
        insert(SegmentChange),
        [
            {
                "id": new_id(),
                "workspace_id": row.workspace_id,
                "segment_id": row.id,
                "contact_id": contact_id,
                "change": change,
                "cause": causes.get(contact_id, cause.value),
                "at": now,
            }
            for contact_id, change in changed
        ],
    )


def _why_left(session: Session, context: RuleContext, row: Segment, left: Sequence[UUID]) -> dict[UUID, str]:
    """`field:name` of the first condition that does not hold any more; `deleted` for who is gone altogether."""
    if not left:
        return {}
    bound = bound_rule(session, parse(row.rule), workspace_id=context.workspace_id)
    explained = explain_people(session, context, bound, left)
    found: dict[UUID, str] = {}
    for contact_id in left:
        failing = _failing(explained[contact_id]) if contact_id in explained else None
        if contact_id not in explained:
            found[contact_id] = Cause.DELETED.value
        elif failing is not None:
            found[contact_id] = f"field:{failing}"
    return found


def _failing(node: Explained) -> str | None:
    if node.holds:
        return None
    if node.leaf is not None:
        return node.leaf.field.name
    # In a denied group the children that do hold are the ones that keep people out.
    denied = node.group is not None and node.group.denied
    for child in node.children:
        inner = _holding(child) if denied else _failing(child)
        if inner is not None:
            return inner
    return None


def _holding(node: Explained) -> str | None:
    if not node.holds:
        return None
    if node.leaf is not None:
        return node.leaf.field.name
    return next((name for child in node.children if (name := _holding(child)) is not None), None)


def _size(row: Segment) -> object:
    return (
        select(func.count())
        .where(SegmentMember.workspace_id == row.workspace_id, SegmentMember.segment_id == row.id)
        .scalar_subquery()
    )
