"""Owns reading merges: who was merged lately, and what of it can be undone."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import Select, select, tuple_
from sqlalchemy.orm import Session

from crm.accounts.kinds import Permission
from crm.accounts.models import User
from crm.accounts.rules import Actor
from crm.contacts import queries as contacts
from crm.contacts.change_models import ChangeSet
from crm.contacts.kinds import ChangeSetKind, ChangeSetState
from crm.contacts.models import Contact
from crm.web.paging import Page, decode_cursor, page_of


@dataclass(frozen=True, slots=True, kw_only=True)
class MergeView:
    """A merge: whom it left, and who did it; `can_undo` when its time is not over and nobody has."""

    id: UUID
    contact_id: UUID
    name: str
    who: str
    at: datetime
    undo_until: datetime
    undone_at: datetime | None
    can_undo: bool


def merges(
    session: Session, actor: Actor, *, after: str | None = None, limit: int = 30, now: datetime
) -> Page[MergeView]:
    """A page of merges into people whom the actor may see, newest first."""
    actor.require(Permission.MERGE)
    wanted = _wanted(actor)
    if after:
        at, last_id = decode_cursor(after, datetime, UUID)
        wanted = wanted.where(tuple_(ChangeSet.created_at, ChangeSet.id) < (at, last_id))
    wanted = wanted.order_by(ChangeSet.created_at.desc(), ChangeSet.id.desc()).limit(limit + 1)
    return page_of(_views(session, wanted, now=now), limit=limit, key=lambda row: (row.at, row.id))


def merges_of(session: Session, actor: Actor, *, contact_id: UUID, now: datetime) -> list[MergeView]:
    """The merges into a person that can still be undone, the newest first."""
    wanted = _wanted(actor).where(
        ChangeSet.source_id == contact_id, ChangeSet.state == ChangeSetState.DONE, ChangeSet.undo_until >= now
    )
    return _views(session, wanted.order_by(ChangeSet.created_at.desc()).limit(5), now=now)


def _wanted(actor: Actor) -> Select[ChangeSet, str, UUID, str]:
    return (
        select(ChangeSet, User.name, Contact.id, Contact.display_name)
        .join(Contact, Contact.id == ChangeSet.source_id)
        .outerjoin(User, User.id == ChangeSet.created_by_id)
        .where(ChangeSet.kind == ChangeSetKind.MERGE, ChangeSet.state != ChangeSetState.OPEN, contacts.visible(actor))
    )


def _views(session: Session, wanted: Select[ChangeSet, str, UUID, str], *, now: datetime) -> list[MergeView]:
    return [
        MergeView(
            id=row.id,
            contact_id=contact_id,
            name=name,
            who=who or "",
            at=row.created_at,
            undo_until=row.undo_until,
            undone_at=row.undone_at,
            can_undo=row.state == ChangeSetState.DONE and row.undo_until >= now,
        )
        for row, who, contact_id, name in session.execute(wanted)
    ]
