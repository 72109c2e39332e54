"""Reacts to what happens elsewhere: who was deleted is in no segment any more."""

from collections import Counter
from uuid import UUID

from sqlalchemy import case, delete, select, update
from sqlalchemy.orm import Session

from crm.db import among, insert_rows
from crm.events import ContactDeleted
from crm.segments.kinds import SegmentKind
from crm.segments.models import Segment, SegmentChange, SegmentMember
from crm.segments.services.refreshing import Cause


def leave_after_delete(session: Session, event: ContactDeleted) -> None:
    """Take the people out of every segment that follows a rule or picks; frozen ones are a memory and stay.

    The segments are locked first and in one order, as a refresh does.
    """
    inside = select(SegmentMember.segment_id).where(among(SegmentMember.contact_id, event.contact_ids))
    wanted = select(Segment.id).where(Segment.id.in_(inside), Segment.kind != SegmentKind.FROZEN)
    segment_ids: list[UUID] = list(session.scalars(wanted.order_by(Segment.id).with_for_update()))
    if not segment_ids:
        return
    left = session.execute(
        delete(SegmentMember)
        .where(among(SegmentMember.contact_id, event.contact_ids), among(SegmentMember.segment_id, segment_ids))
        .returning(SegmentMember.segment_id, SegmentMember.contact_id)
        .execution_options(synchronize_session=False)
    ).all()
    if not left:
        return
    gone = Counter(row.segment_id for row in left)
    session.execute(
        update(Segment)
        .where(among(Segment.id, list(gone)))
        .values(members=Segment.members - case(dict(gone), value=Segment.id))
        .execution_options(synchronize_session=False)
    )
    shared = {"workspace_id": event.workspace_id, "change": "left", "cause": Cause.DELETED.value, "at": event.now}
    rows = [{"segment_id": row.segment_id, "contact_id": row.contact_id} for row in left]
    insert_rows(session, SegmentChange, rows, shared=shared)
