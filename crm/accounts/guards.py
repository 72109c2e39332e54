"""Owns the door: who is asking, in which workspace, and whether this route is open to them (deny by default)."""

from collections.abc import Callable
from functools import wraps
from typing import ParamSpec, TypeVar
from uuid import UUID

from flask import Flask, abort, g, request, session
from sqlalchemy import select

from crm.accounts.kinds import ActorKind, Permission, Role
from crm.accounts.models import Membership, User, Workspace
from crm.accounts.rules import Actor
from crm.db import enter_workspace
from crm.web.sessions import current_session

P = ParamSpec("P")
R = TypeVar("R")

PUBLIC: set[str] = {"static"}


def public(view: Callable[P, R]) -> Callable[P, R]:
    """Mark a view that needs no sign-in; the architecture test lists them all."""
    view.is_public = True  # type: ignore[attr-defined]
    return view


def requires(*permissions: Permission) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Let a view run only for an actor who holds every permission; checked before the view's own work."""

    def decorate(view: Callable[P, R]) -> Callable[P, R]:
        @wraps(view)
        def guarded(*args: P.args, **kwargs: P.kwargs) -> R:
            actor = current_actor()
            for permission in permissions:
                actor.require(permission)
            return view(*args, **kwargs)

        guarded.required = permissions  # type: ignore[attr-defined]
        return guarded

    return decorate


def current_actor() -> Actor:
    """Who acts in this request; 401 when nobody is signed in."""
    actor: Actor | None = g.get("actor")
    if actor is None:
        abort(401)
    return actor


def init_app(app: Flask) -> None:
    """Check every request before its view."""
    app.before_request(_check)


def _check() -> None:
    view = g.get("view") or _view()
    if request.endpoint in PUBLIC or getattr(view, "is_public", False) or request.endpoint is None:
        return
    g.actor = _signed_in_actor()
    if g.actor is None:
        abort(401)


def _view() -> object:
    from flask import current_app

    return current_app.view_functions.get(request.endpoint or "")


def _signed_in_actor() -> Actor | None:
    identity, workspace_id = session.get("_user_id"), session.get("workspace_id")
    if not identity or not workspace_id:
        return None
    db = current_session()
    enter_workspace(db, UUID(workspace_id))
    row = db.execute(
        select(User, Membership, Workspace)
        .join(Membership, Membership.user_id == User.id)
        .join(Workspace, Workspace.id == Membership.workspace_id)
        .where(User.fs_uniquifier == identity, User.active, Membership.ended_at.is_(None))
    ).one_or_none()
    if row is None:
        enter_workspace(db, None)
        return None
    user, membership, workspace = row
    g.user, g.workspace = user, workspace
    g.locale, g.time_zone = user.locale or workspace.locale, user.time_zone or workspace.time_zone
    return Actor(
        workspace_id=workspace.id,
        kind=ActorKind.USER,
        role=Role(membership.role),
        user_id=user.id,
        name=user.name or user.email,
        locale=g.locale,
        time_zone=g.time_zone,
    )
