"""Owns reading saved views: one's own and the shared ones."""

from dataclasses import dataclass
from typing import Final
from uuid import UUID

from sqlalchemy import ColumnElement, and_, or_, select
from sqlalchemy.orm import Session

from crm.accounts.kinds import Permission
from crm.accounts.rules import Actor
from crm.channels.sentences import N_
from crm.contacts.kinds import ListSubject
from crm.contacts.queries.access import Scope, scope
from crm.contacts.view_models import DefaultView, SavedView
from crm.errors import NotFoundError

#: So many views of one subject may a workspace keep; lists of them are shown whole.
MOST_VIEWS: Final = 200
NO_VIEW: Final = N_("There is no such view.")


class ViewNotFoundError(NotFoundError):
    """No such view, or it is somebody else's own."""

    code = "view_not_found"


def _readable(actor: Actor) -> ColumnElement[bool]:
    if actor.user_id is None:
        return SavedView.is_shared.is_(True)
    return or_(SavedView.is_shared, SavedView.user_id == actor.user_id)


@dataclass(frozen=True, slots=True)
class Views:
    """The views that somebody may read, by name, and the one with which the list opens for them, if any."""

    items: list[SavedView]
    default: SavedView | None

    def named(self, view_id: UUID) -> SavedView:
        """The view with this id; raises `ViewNotFoundError`."""
        found = next((view for view in self.items if view.id == view_id), None)
        if found is None:
            raise ViewNotFoundError(NO_VIEW)
        return found


def saved_views(session: Session, actor: Actor, *, subject: ListSubject = ListSubject.PEOPLE) -> Views:
    """The views of that list which the actor may read."""
    if scope(actor) is Scope.NOTHING:
        return Views([], None)
    mine = and_(DefaultView.view_id == SavedView.id, DefaultView.user_id == actor.user_id)
    rows = session.execute(
        select(SavedView, DefaultView.id)
        .outerjoin(DefaultView, mine)
        .where(SavedView.workspace_id == actor.workspace_id, SavedView.subject == subject, _readable(actor))
        .order_by(SavedView.name, SavedView.id)
        .limit(MOST_VIEWS)
    ).all()
    return Views([view for view, _default in rows], next((view for view, default in rows if default), None))


def saved_view(
    session: Session, actor: Actor, *, view_id: UUID, subject: ListSubject | None = None, lock: bool = False
) -> SavedView:
    """A view that the actor may read, of that list when one is named; raises `ViewNotFoundError`."""
    wanted = select(SavedView).where(SavedView.id == view_id, _readable(actor))
    if subject is not None:
        wanted = wanted.where(SavedView.subject == subject)
    if lock:
        wanted = wanted.with_for_update().execution_options(populate_existing=True)
    found = session.scalar(wanted) if scope(actor) is not Scope.NOTHING else None
    if found is None:
        raise ViewNotFoundError(NO_VIEW)
    return found


def may_change_view(actor: Actor, *, view: SavedView) -> bool:
    """Its maker, and for a shared one whoever may hand people to others."""
    if view.is_shared and not actor.may(Permission.EDIT):
        return False
    mine = actor.user_id is not None and view.user_id == actor.user_id
    return mine or (view.is_shared and actor.may(Permission.ASSIGN))
