"""Owns the door: who is asking, in which workspace, and whether this route is open to them (deny by default)."""

from collections.abc import Callable
from functools import wraps
from typing import ParamSpec, TypeVar
from uuid import UUID

from flask import Flask, Response, abort, current_app, g, redirect, request, session, url_for
from flask.typing import ResponseReturnValue

from crm.accounts import queries
from crm.accounts.kinds import ActorKind, Permission, RecordAccess, Role
from crm.accounts.models import User
from crm.accounts.rules import Actor, sees
from crm.accounts.security import MEMBER_ENDPOINTS, SIGN_IN_ENDPOINTS, signed_in_user
from crm.accounts.services import tokens
from crm.accounts.services.audit import Origin
from crm.accounts.signin import is_local
from crm.db import enter_workspace
from crm.errors import ForbiddenError, worded
from crm.web.api import PREFIX
from crm.web.errors import problem, wants_json
from crm.web.i18n import _, choose_locale
from crm.web.sessions import current_session, request_now

P = ParamSpec("P")
R = TypeVar("R")

PUBLIC: frozenset[str] = frozenset({"static", "assets.file", *SIGN_IN_ENDPOINTS})
"""Endpoints without a sign-in that are not views of ours; our own are marked with `public`."""

CODE_PAGE = "security.two_factor_token_validation"
SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})

WITHOUT_SECOND_FACTOR = frozenset(
    {
        *SIGN_IN_ENDPOINTS,
        *MEMBER_ENDPOINTS,
        "accounts.access",
        "accounts.preferences",
        "accounts.switch_workspace",
    }
)
"""What a member may still open when the workspace demands a second factor that is not set up yet."""


def public(view: Callable[P, R]) -> Callable[P, R]:
    """Mark a view that needs no sign-in; the architecture test lists them all."""
    view.is_public = True  # type: ignore[attr-defined]
    return view


def any_role(view: Callable[P, R]) -> Callable[P, R]:
    """Mark a view that every signed-in role may use: one's own profile, bell, work, sign-out."""
    view.required = ()  # type: ignore[attr-defined]
    return view


def requires(*permissions: Permission) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Let a view run only for an actor who holds every permission; checked at the door, before any work.

    A view that says nothing needs VIEW_OWN to be read and EDIT to change something.
    """

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


def required_of(view: object, method: str) -> tuple[Permission, ...]:
    """The permissions that a view needs for `method`, declared or by default."""
    declared: tuple[Permission, ...] | None = getattr(view, "required", None)
    if declared is not None:
        return declared
    return (Permission.VIEW_OWN,) if method in SAFE_METHODS else (Permission.EDIT,)


def current_actor() -> Actor:
    """Who acts in this request; 401 when nobody is signed in."""
    actor: Actor | None = g.get("actor")
    if actor is None:
        abort(401)
    return actor


def current_user() -> User:
    """The signed-in person; 401 for tokens and strangers."""
    user: User | None = g.get("user")
    if user is None:
        abort(401)
    return user


def init_app(app: Flask) -> None:
    """Check every request before its view."""
    app.before_request(_check)


def enter(user: User, workspace_id: UUID | None = None) -> Actor | None:
    """Make `user` the actor of this request, in the wanted workspace, their last one, or their first.

    None when the user is in no workspace, or not in the wanted one.
    """
    db = current_session()
    spaces = queries.workspaces_of(db, user_id=user.id)
    wanted = workspace_id or user.last_workspace_id
    chosen = next((space for space in spaces if space.id == wanted), None)
    if chosen is None and workspace_id is None and spaces:
        chosen = spaces[0]
    if chosen is None:
        return None
    enter_workspace(db, chosen.id)
    g.user, g.workspace_of_user, g.workspaces = user, chosen, spaces
    # Whoever looks at a demo reads it in their own language, whatever its people speak.
    g.locale = user.locale or (choose_locale() if chosen.is_demo else chosen.locale)
    g.time_zone = user.time_zone or chosen.time_zone
    reach = sees(Role(chosen.role), chosen.record_access)
    g.actor = Actor(
        workspace_id=chosen.id,
        kind=ActorKind.USER,
        role=Role(chosen.role),
        sees=reach,
        team=queries.team_of(db, user_id=user.id) if reach is RecordAccess.TEAM else frozenset(),
        user_id=user.id,
        name=user.name or user.email,
        locale=g.locale,
        time_zone=g.time_zone,
    )
    return g.actor


def admit() -> ResponseReturnValue | None:
    """Find out who asks, for an answer that is given before the door was reached; a refusal when nobody may ask."""
    return None if "actor" in g else _check()


def _led_away(endpoint: str) -> ResponseReturnValue | None:
    """Where a request goes that Flask-Security must not see."""
    if not is_local(request.values.get("next") or "/"):
        # It would follow some of these as far as this host; nobody of ours writes such an address.
        return redirect(url_for(endpoint, **(request.view_args or {})), code=303)
    if endpoint == CODE_PAGE and session.get("tf_state") != "validating_profile" and signed_in_user():
        # It would sign whoever comes here without a set-up under way out, also by a link of a stranger's.
        return redirect(url_for("accounts.access"), code=303)
    return None


def _check() -> ResponseReturnValue | None:
    endpoint = request.endpoint
    if endpoint is None:
        return None
    current_session().info["origin"] = Origin(ip=request.remote_addr or "", request_id=g.get("request_id", ""))
    view = current_app.view_functions.get(endpoint)
    elsewhere = _led_away(endpoint) if endpoint.startswith("security.") else None
    if elsewhere is not None:
        return elsewhere
    if endpoint in PUBLIC or getattr(view, "is_public", False):
        return None
    if endpoint.startswith("security.") and endpoint not in MEMBER_ENDPOINTS:
        abort(404)
    refused = _identify()
    if refused is not None:
        return refused
    if endpoint in MEMBER_ENDPOINTS:
        return None
    for permission in required_of(view, request.method):
        g.actor.require(permission)
    return None


def _identify() -> ResponseReturnValue | None:
    """Find the actor by bearer token (API only) or by the browser's session; an answer when there is none."""
    is_api = request.path.startswith(f"{PREFIX}/")
    scheme, _space, secret = request.headers.get("Authorization", "").partition(" ")
    if is_api and scheme.lower() == "bearer":
        g.actor = tokens.bearer(current_session(), secret=secret.strip(), now=request_now())
        if g.actor is None:
            return _unauthorised("bad_token", _("This token is unknown, revoked or over."))
        g.locale, g.time_zone = g.actor.locale, g.actor.time_zone
        return None
    user = signed_in_user()
    if user is None:
        return _unauthorised("sign_in", _("Sign in first.")) if is_api or wants_json() else _to_sign_in()
    if is_api and request.method not in SAFE_METHODS and current_app.config.get("WTF_CSRF_ENABLED", True):
        # The API's blueprints are exempt for the sake of tokens; a cookie alone must not be enough.
        current_app.extensions["csrf"].protect()
    wanted = session.get("workspace_id")
    if enter(user, UUID(wanted) if wanted else None) is None:
        session.pop("workspace_id", None)
        if enter(user) is None:
            raise ForbiddenError(
                worded("You are in no workspace any more. Ask for an invitation."), code="no_workspace"
            )
    if session.get("workspace_id") != str(g.actor.workspace_id):
        session["workspace_id"] = str(g.actor.workspace_id)
    if g.workspace_of_user.require_second_factor and not user.tf_primary_method:
        return _demand_second_factor(is_api=is_api)
    return None


def _demand_second_factor(*, is_api: bool) -> ResponseReturnValue | None:
    if request.endpoint in WITHOUT_SECOND_FACTOR:
        return None
    if is_api:
        raise ForbiddenError(worded("This workspace demands a second factor. Set it up first."), code="second_factor")
    return _elsewhere(url_for("accounts.access"))


def _unauthorised(code: str, message: str) -> Response:
    answer = problem(401, code, message)
    answer.headers["WWW-Authenticate"] = 'Bearer realm="Filodiretto"'
    return answer


def _to_sign_in() -> ResponseReturnValue:
    back = request.full_path.rstrip("?") if request.method == "GET" and "HX-Request" not in request.headers else None
    return _elsewhere(url_for("security.login", next=back if back != "/" else None))


def _elsewhere(address: str) -> ResponseReturnValue:
    """Lead the whole page elsewhere, also when only a part of it was asked for."""
    if "HX-Request" in request.headers:
        return Response(status=204, headers={"HX-Redirect": address})
    return redirect(address, code=303)
