"""Owns reading the saved segments themselves, their hand picks and their history."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import ColumnElement, func, select, tuple_
from sqlalchemy.orm import Session

from crm.accounts.rules import Actor
from crm.channels.sentences import N_
from crm.contacts.models import Contact
from crm.contacts.queries import Scope, alive, scope, visible
from crm.db import among
from crm.errors import NotFoundError
from crm.segments.kinds import PickMode
from crm.segments.models import Segment, SegmentChange, SegmentMember, SegmentPick
from crm.web.paging import Page, decode_cursor, page_of


class SegmentNotFoundError(NotFoundError):
    """No such segment in this workspace."""

    code = "segment_not_found"


@dataclass(frozen=True, slots=True)
class ChangeView:
    """Somebody entered or left, when, and by what: a code, or the name of the field after `field:`."""

    id: UUID
    contact_id: UUID
    name: str
    change: str
    cause: str
    at: datetime


def segment(session: Session, actor: Actor, *, segment_id: UUID, deleted: bool = False, lock: bool = False) -> Segment:
    """The segment; raises `SegmentNotFoundError`. `deleted` finds deleted ones too."""
    wanted = select(Segment).where(Segment.workspace_id == actor.workspace_id, Segment.id == segment_id)
    if not deleted:
        wanted = wanted.where(Segment.deleted_at.is_(None))
    if lock:
        wanted = wanted.with_for_update().execution_options(populate_existing=True)
    found = session.scalar(wanted) if scope(actor) is not Scope.NOTHING else None
    if found is None:
        raise SegmentNotFoundError(N_("There is no such segment."))
    return found


def segments(session: Session, actor: Actor, *, after: str | None = None, limit: int = 50) -> Page[Segment]:
    """A page of segments by name."""
    if scope(actor) is Scope.NOTHING:
        return Page([])
    wanted = select(Segment).where(Segment.workspace_id == actor.workspace_id, Segment.deleted_at.is_(None))
    if after:
        wanted = wanted.where(tuple_(Segment.name, Segment.id) > tuple(decode_cursor(after, str, UUID)))
    rows = session.scalars(wanted.order_by(Segment.name, Segment.id).limit(limit + 1)).all()
    return page_of(rows, limit=limit, key=lambda row: (row.name, row.id))


def member_counts(session: Session, actor: Actor, *, segments: Sequence[Segment]) -> dict[UUID, int | None]:
    """How many people of each segment the actor may see, as of its last look; None before the first.

    Who sees everybody reads the stored numbers. Who sees everybody but the restricted has these few taken off them;
    for others the people are counted.
    """
    reach = scope(actor)
    stored = {row.id: row.members for row in segments}
    if reach is Scope.EVERYTHING or not segments:
        return stored
    hidden = reach is Scope.ALL
    counted = (
        select(SegmentMember.segment_id, func.count().label("number"))
        .join(Contact, Contact.id == SegmentMember.contact_id)
        .where(
            among(SegmentMember.segment_id, list(stored)), *_restricted_to_others(actor) if hidden else [alive(actor)]
        )
        .group_by(SegmentMember.segment_id)
    )
    found: dict[UUID, int] = {row.segment_id: row.number for row in session.execute(counted)}
    return {
        key: number if number is None else max(0, number - found.get(key, 0)) if hidden else found.get(key, 0)
        for key, number in stored.items()
    }


def _restricted_to_others(actor: Actor) -> list[ColumnElement[bool]]:
    return [Contact.restricted.is_(True), Contact.deleted_at.is_(None), ~visible(actor)]


def segments_of(session: Session, actor: Actor, *, contact_id: UUID) -> Sequence[Segment]:
    """The segments that a contact was in at the last refresh, by name (for the contact page)."""
    if scope(actor) is Scope.NOTHING:
        return []
    return session.scalars(
        select(Segment)
        .join(SegmentMember, SegmentMember.segment_id == Segment.id)
        .where(
            SegmentMember.workspace_id == actor.workspace_id,
            SegmentMember.contact_id == contact_id,
            Segment.deleted_at.is_(None),
        )
        .order_by(Segment.name)
    ).all()


def picks_of(session: Session, actor: Actor, *, segment_id: UUID) -> dict[PickMode, list[Contact]]:
    """Who was added and who was taken out by hand, of the people the actor may see, by name (at most 200 each)."""
    rows = session.execute(
        select(SegmentPick.mode, Contact)
        .join(Contact, Contact.id == SegmentPick.contact_id)
        .where(SegmentPick.workspace_id == actor.workspace_id, SegmentPick.segment_id == segment_id, alive(actor))
        .order_by(Contact.sort_name, Contact.id)
        .limit(400)
    )
    found: dict[PickMode, list[Contact]] = {PickMode.ADDED: [], PickMode.REMOVED: []}
    for mode, contact in rows:
        found[PickMode(mode)].append(contact)
    return found


def changes(
    session: Session, actor: Actor, *, segment_id: UUID, after: str | None = None, limit: int = 50
) -> Page[ChangeView]:
    """Who entered and left, of the people the actor may see, the newest first."""
    wanted = (
        select(SegmentChange, Contact.display_name)
        .join(Contact, Contact.id == SegmentChange.contact_id)
        .where(SegmentChange.workspace_id == actor.workspace_id, SegmentChange.segment_id == segment_id, alive(actor))
        .order_by(SegmentChange.at.desc(), SegmentChange.id.desc())
        .limit(limit + 1)
    )
    if after:
        wanted = wanted.where(tuple_(SegmentChange.at, SegmentChange.id) < tuple(decode_cursor(after, datetime, UUID)))
    views = [
        ChangeView(change.id, change.contact_id, name, change.change, change.cause, change.at)
        for change, name in session.execute(wanted)
    ]
    return page_of(views, limit=limit, key=lambda view: (view.at, view.id))
