"""Reads of workspaces, memberships, notifications and long work."""

from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import func, select, text
from sqlalchemy.orm import Session

from crm.accounts.models import Notification
from crm.accounts.rules import Actor


@dataclass(frozen=True, slots=True)
class WorkspaceOfUser:
    """A workspace that a user may enter."""

    id: UUID
    name: str
    role: str


def workspaces_of(session: Session, *, user_id: UUID) -> list[WorkspaceOfUser]:
    """The workspaces of a user by name, over all workspaces (the definer function shows this user's rows alone)."""
    rows = session.execute(
        text("select workspace_id, name, role from public.crm_memberships_of(:user_id)"), {"user_id": user_id}
    )
    return [WorkspaceOfUser(*row) for row in rows]


def unread_notifications(session: Session, actor: Actor) -> int:
    """How many lines of the bell the actor has not read."""
    return (
        session.scalar(
            select(func.count())
            .select_from(Notification)
            .where(Notification.user_id == actor.user_id, Notification.read_at.is_(None))
        )
        or 0
    )
