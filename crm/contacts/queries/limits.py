"""Owns reading the limits on processing: whose data may only be kept, and why."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ARRAY, ColumnElement, Uuid, all_, func, select
from sqlalchemy.orm import Session, aliased

from crm.accounts.models import User
from crm.accounts.rules import Actor
from crm.contacts.kinds import LimitGround
from crm.contacts.limit_models import ProcessingLimit
from crm.contacts.models import Contact
from crm.contacts.queries.access import visible
from crm.db import among


@dataclass(frozen=True, slots=True, kw_only=True)
class LimitLine:
    """One limit on a person: why and since when, by whom, and how it ended (`lifted_at` None: it stands)."""

    id: UUID
    ground: LimitGround
    note: str
    asked_on: date
    since: datetime
    by: str
    lifted_at: datetime | None
    lifted_by: str
    lift_note: str


def limits_of(session: Session, actor: Actor, *, contact_id: UUID) -> list[LimitLine]:
    """All limits of a person whom the actor may see, the latest first."""
    by, lifter = aliased(User), aliased(User)
    rows = session.execute(
        select(ProcessingLimit, by.name.label("by"), lifter.name.label("lifter"))
        .join(Contact, Contact.id == ProcessingLimit.contact_id)
        .outerjoin(by, by.id == ProcessingLimit.user_id)
        .outerjoin(lifter, lifter.id == ProcessingLimit.lifted_by_id)
        .where(ProcessingLimit.contact_id == contact_id, visible(actor))
        .order_by(ProcessingLimit.since.desc(), ProcessingLimit.id.desc())
    )
    return [
        LimitLine(
            id=row.ProcessingLimit.id,
            ground=LimitGround(row.ProcessingLimit.ground),
            note=row.ProcessingLimit.note,
            asked_on=row.ProcessingLimit.asked_on,
            since=row.ProcessingLimit.since,
            by=row.by or "",
            lifted_at=row.ProcessingLimit.lifted_at,
            lifted_by=row.lifter or "",
            lift_note=row.ProcessingLimit.lift_note,
        )
        for row in rows
    ]


def limited(session: Session, *, contact_ids: Collection[UUID]) -> frozenset[UUID]:
    """Those of the people whose data may only be kept: what works by itself leaves them out."""
    if not contact_ids:
        return frozenset()
    wanted = select(Contact.id).where(among(Contact.id, contact_ids), Contact.limited_at.is_not(None))
    return frozenset(session.scalars(wanted))


def is_nobody_limited(workspace_id: UUID, reference: Any) -> ColumnElement[bool]:
    """The condition that `reference`, a column with the id of a contact, names nobody whose data may only be kept."""
    found = select(Contact.id).where(
        Contact.workspace_id == workspace_id, Contact.limited_at.is_not(None), Contact.deleted_at.is_(None)
    )
    # They are the few, so they come as one array and the index of the big table stays in use.
    return reference != all_(func.array(found.correlate(None).scalar_subquery(), type_=ARRAY(Uuid())))
