"""Owns reading saved views: one's own and the shared ones."""

from typing import Final
from uuid import UUID

from sqlalchemy import ColumnElement, or_, select
from sqlalchemy.orm import Session

from crm.accounts.kinds import Permission
from crm.accounts.rules import Actor
from crm.channels.sentences import N_
from crm.contacts.queries.access import Scope, scope
from crm.contacts.view_models import DefaultView, SavedView
from crm.errors import NotFoundError

#: So many views may one workspace keep; lists of them are shown whole.
MOST_VIEWS: Final = 200


class ViewNotFoundError(NotFoundError):
    """No such view, or it is somebody else's own."""

    code = "view_not_found"


def _readable(actor: Actor) -> ColumnElement[bool]:
    if actor.user_id is None:
        return SavedView.is_shared.is_(True)
    return or_(SavedView.is_shared, SavedView.user_id == actor.user_id)


def saved_views(session: Session, actor: Actor) -> list[SavedView]:
    """The views that the actor may read, by name."""
    if scope(actor) is Scope.NOTHING:
        return []
    wanted = select(SavedView).where(SavedView.workspace_id == actor.workspace_id, _readable(actor))
    return list(session.scalars(wanted.order_by(SavedView.name, SavedView.id).limit(MOST_VIEWS)))


def saved_view(session: Session, actor: Actor, *, view_id: UUID, lock: bool = False) -> SavedView:
    """A view that the actor may read; raises `ViewNotFoundError`."""
    wanted = select(SavedView).where(SavedView.id == view_id, _readable(actor))
    if lock:
        wanted = wanted.with_for_update().execution_options(populate_existing=True)
    found = session.scalar(wanted) if scope(actor) is not Scope.NOTHING else None
    if found is None:
        raise ViewNotFoundError(N_("There is no such view."))
    return found


def default_view_id(session: Session, actor: Actor) -> UUID | None:
    """The view with which the list opens for the actor, None for everybody's list."""
    wanted = (
        select(DefaultView.view_id)
        .join(SavedView, SavedView.id == DefaultView.view_id)
        .where(DefaultView.user_id == actor.user_id, _readable(actor))
    )
    return session.scalar(wanted) if actor.user_id is not None else None


def may_change_view(actor: Actor, *, view: SavedView) -> bool:
    """Its maker, and for a shared one whoever may hand people to others."""
    if view.is_shared and not actor.may(Permission.EDIT):
        return False
    mine = actor.user_id is not None and view.user_id == actor.user_id
    return mine or (view.is_shared and actor.may(Permission.ASSIGN))
