"""Reacts to what happens elsewhere: who was deleted is in no segment any more."""

from uuid import UUID

from sqlalchemy import delete, insert, select, update
from sqlalchemy.orm import Session

from crm.db import among, new_id
from crm.events import ContactDeleted
from crm.segments.kinds import SegmentKind
from crm.segments.models import Segment, SegmentChange, SegmentMember
from crm.segments.services.refreshing import Cause


def leave_after_delete(session: Session, event: ContactDeleted) -> None:
    """Take the person out of every segment that follows a rule or picks; frozen ones are a memory and stay.

    The segments are locked first and in one order, as a refresh does.
    """
    inside = select(SegmentMember.segment_id).where(SegmentMember.contact_id == event.contact_id)
    wanted = select(Segment.id).where(Segment.id.in_(inside), Segment.kind != SegmentKind.FROZEN)
    segment_ids: list[UUID] = list(session.scalars(wanted.order_by(Segment.id).with_for_update()))
    if not segment_ids:
        return
    left = session.scalars(
        delete(SegmentMember)
        .where(SegmentMember.contact_id == event.contact_id, among(SegmentMember.segment_id, segment_ids))
        .returning(SegmentMember.segment_id)
        .execution_options(synchronize_session=False)
    ).all()
    if not left:
        return
    session.execute(
        update(Segment)
        .where(among(Segment.id, left))
        .values(members=Segment.members - 1)
        .execution_options(synchronize_session=False)
    )
    shared = {"workspace_id": event.workspace_id, "contact_id": event.contact_id, "change": "left", "at": event.now}
    rows = [{"id": new_id(), "segment_id": found, "cause": Cause.DELETED.value, **shared} for found in left]
    session.execute(insert(SegmentChange), rows)
