"""Owns reading change sets: what was done to many people lately, and what of it can be taken back."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import select, tuple_
from sqlalchemy.orm import Session

from crm.accounts.kinds import Permission
from crm.accounts.models import User
from crm.accounts.rules import Actor
from crm.contacts import queries as contacts
from crm.contacts.change_models import ChangeSet
from crm.contacts.kinds import ChangeSetKind, ChangeSetState
from crm.web.paging import Page, decode_cursor, page_of

PAGE: Final = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangeSetView:
    """A bulk edit: `title` says what as `field=value`, `result` how many people, and what an undo did."""

    id: UUID
    title: str
    at: datetime
    who: str
    state: ChangeSetState
    undo_until: datetime
    result: dict[str, Any]
    can_undo: bool


def bulk_edits(session: Session, actor: Actor, *, after: str | None = None, now: datetime) -> Page[ChangeSetView]:
    """A page of bulk edits, the newest first; who doesn't see everybody finds the own ones."""
    actor.require(Permission.BULK_EDIT)
    wanted = (
        select(ChangeSet, User.name)
        .outerjoin(User, User.id == ChangeSet.created_by_id)
        .where(ChangeSet.workspace_id == actor.workspace_id, ChangeSet.kind == ChangeSetKind.BULK_EDIT)
        .order_by(ChangeSet.created_at.desc(), ChangeSet.id.desc())
        .limit(PAGE + 1)
    )
    if contacts.scope(actor) not in {contacts.Scope.EVERYTHING, contacts.Scope.ALL}:
        wanted = wanted.where(ChangeSet.created_by_id == actor.user_id)
    if after:
        wanted = wanted.where(tuple_(ChangeSet.created_at, ChangeSet.id) < tuple(decode_cursor(after, datetime, UUID)))
    rows = [
        ChangeSetView(
            id=row.id,
            title=row.title,
            at=row.created_at,
            who=name or "",
            state=ChangeSetState(row.state),
            undo_until=row.undo_until,
            result=row.result,
            can_undo=row.state == ChangeSetState.DONE and row.undo_until >= now,
        )
        for row, name in session.execute(wanted)
    ]
    return page_of(rows, limit=PAGE, key=lambda row: (row.at, row.id))
