"""Lets people join and leave a programme."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.orm import Session

from crm.accounts.kinds import Permission
from crm.accounts.rules import Actor
from crm.contacts import queries as contacts
from crm.db import new_id
from crm.loyalty.models import Member
from crm.loyalty.queries.members import require_member
from crm.loyalty.rules.codes import make_number
from crm.loyalty.services.programs import program_or_default


def join(session: Session, actor: Actor, *, contact_id: UUID, program_id: UUID | None = None, now: datetime) -> Member:
    """Make a contact a member of a programme (the default one), or give back the membership there is.

    What happened before this instant earns nothing; somebody who left joins anew and keeps the points.
    Raises `NoProgramError`, `NotFoundError`, `ForbiddenError`.
    """
    actor.require(Permission.EDIT)
    contacts.contact(session, actor, contact_id=contact_id)
    program = program_or_default(session, program_id=program_id)
    session.execute(
        upsert(Member)
        .values(
            id=new_id(),
            workspace_id=actor.workspace_id,
            program_id=program.id,
            contact_id=contact_id,
            number=make_number(),
            joined_at=now,
        )
        .on_conflict_do_nothing(
            index_elements=["workspace_id", "program_id", "contact_id"], index_where=Member.contact_id.is_not(None)
        )
    )
    member = session.scalars(
        select(Member)
        .where(Member.program_id == program.id, Member.contact_id == contact_id)
        .with_for_update()
        .execution_options(populate_existing=True)
    ).one()
    if member.left_at is not None:
        member.joined_at, member.left_at = now, None
        session.flush()
    return member


def leave(session: Session, actor: Actor, *, member_id: UUID, now: datetime) -> Member:
    """End a membership: nothing is earned any more, the points stay. Raises `NotFoundError`, `ForbiddenError`."""
    actor.require(Permission.EDIT)
    require_member(session, actor, member_id=member_id)
    member = session.get_one(Member, member_id, with_for_update=True, populate_existing=True)
    member.left_at = member.left_at or now
    session.flush()
    return member
