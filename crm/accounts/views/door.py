"""Pages around the sign-in: invitation, lost password, reset link, language of a visitor, workspace switcher."""

from uuid import UUID

from flask import (
    Response,
    after_this_request,
    current_app,
    flash,
    g,
    redirect,
    render_template,
    request,
    session,
    url_for,
)
from flask.typing import ResponseReturnValue

from crm.accounts import postbox
from crm.accounts.credentials import digest
from crm.accounts.events import ResetLinkAsked
from crm.accounts.forms import AcceptForm, ForgotForm, ResetForm
from crm.accounts.guards import any_role, current_user, enter, public
from crm.accounts.kinds import Role
from crm.accounts.models import Workspace
from crm.accounts.rules import LINKS_PER_ADDRESS, RESET_PER_ACCOUNT
from crm.accounts.security import passwords, sign_in, signed_in_user
from crm.accounts.services import memberships, reset, users
from crm.accounts.services.memberships import ForeignInvitationError
from crm.accounts.signin import compared_address, counted, local_or
from crm.accounts.views.blueprint import blueprint
from crm.accounts.words import ROLES
from crm.errors import InvalidInputError, NotFoundError, TooManyError
from crm.events import publish
from crm.settings import Settings, current
from crm.web.i18n import LOCALES, _, locale_code
from crm.web.sessions import current_session, request_now


@blueprint.route("/invitation/<secret>", methods=["GET", "POST"])
@public
def invitation(secret: str) -> ResponseReturnValue:
    """Accept an invitation: as the signed-in person, by signing in, or as a new user."""
    _count_stranger("invitation")
    db = current_session()
    found = memberships.open_invitation(db, secret=secret, now=request_now())
    row, user = found.invitation, signed_in_user()
    place = {"workspace_name": _workspace_name(row.workspace_id), "email": row.email, "role": ROLES[Role(row.role)]}
    if found.has_account:
        if user is None:
            return redirect(url_for("security.login", next=request.path), code=303)
        if user.email_norm != row.email_norm:
            raise ForeignInvitationError(_("This invitation was written to another address."))
        if request.method == "POST":
            memberships.accept_as(db, secret=secret, user=user, now=request_now())
            session["workspace_id"] = str(row.workspace_id)
            return redirect("/", code=303)
        return render_template("accounts/invitation.html", form=None, **place)
    form = AcceptForm()
    if form.validate_on_submit():
        try:
            user = memberships.accept_as_new(
                db,
                secret=secret,
                name=str(form.name.data),
                password=passwords().new(str(form.password.data), about=(row.email, str(form.name.data))),
                locale=locale_code(),
                now=request_now(),
            )
        except InvalidInputError as error:
            form.absorb(error)
        else:
            sign_in(user)
            enter(user, row.workspace_id)
            return redirect("/", code=303)
    return render_template("accounts/invitation.html", form=form, **place), 422 if form.errors else 200


@blueprint.route("/forgot", methods=["GET", "POST"])
@public
def forgot() -> ResponseReturnValue:
    """Send a reset link to a known address; the answer is the same for every address."""
    form, db = ForgotForm(), current_session()
    can_send = postbox.is_ready(current()) and db.info["handlers"].hears(ResetLinkAsked)
    if can_send and form.validate_on_submit():
        _count_stranger("forgot")
        address = compared_address(str(form.email.data))
        if counted((f"forgot:{digest(address)}", RESET_PER_ACCOUNT)) is None:
            _ask_for_link(address)
        return render_template("accounts/forgot.html", form=form, sent=True, can_send=can_send)
    status = 422 if form.errors else 200
    return render_template("accounts/forgot.html", form=form, sent=False, can_send=can_send), status


@blueprint.route("/reset/<secret>", methods=["GET", "POST"])
@public
def reset_password(secret: str) -> ResponseReturnValue:
    """Set a new password by a link that works once; every browser of the person is signed out."""
    _count_stranger("reset")
    db = current_session()
    user = reset.holder(db, secret=secret, now=request_now())
    form = ResetForm()
    if form.validate_on_submit():
        try:
            password = passwords().new(str(form.password.data), about=(user.email, user.name))
            reset.use_reset_link(db, secret=secret, password=password, now=request_now())
        except InvalidInputError as error:
            form.absorb(error)
        else:
            session.clear()
            flash(_("Your password is set. Sign in with it."), "ok")
            return redirect(url_for("security.login"), code=303)
    return render_template("accounts/reset.html", form=form, email=user.email), 422 if form.errors else 200


@blueprint.post("/preferences")
@public
def preferences() -> ResponseReturnValue:
    """Set language or appearance: for the person when signed in, else for this browser."""
    locale, theme = request.form.get("locale"), request.form.get("theme")
    user = signed_in_user()
    if locale in LOCALES:
        session["locale"] = locale
        if user is not None:
            user.locale = locale
    if user is not None and theme in users.THEMES:
        user.theme = theme
    if "HX-Request" in request.headers:
        return "", 204
    return redirect(local_or(request.form.get("next"), "/"), code=303)


@blueprint.post("/workspaces/<uuid:workspace_id>/switch")
@any_role
def switch_workspace(workspace_id: UUID) -> ResponseReturnValue:
    """Work in another of one's workspaces; one that is not one's own does not exist."""
    user = current_user()
    if not any(space.id == workspace_id for space in g.workspaces):
        raise NotFoundError
    user.last_workspace_id = workspace_id
    session["workspace_id"] = str(workspace_id)
    return redirect("/", code=303)


def _ask_for_link(address: str) -> None:
    """Make the link and tell those who send it; the work is done after the answer, so that its time tells nothing."""
    settings: Settings = current_app.extensions["crm_settings"]
    database = current_session().info["database"]
    now, public_url = request_now(), settings.public_url

    def make() -> None:
        with database.scope() as own:
            user = reset.user_by_address(own, email=address)
            if user is None or user.last_workspace_id is None:
                return
            url = reset.reset_link(own, user=user, public_url=public_url, now=now)
            publish(
                own,
                ResetLinkAsked(
                    workspace_id=user.last_workspace_id,
                    now=now,
                    user_id=user.id,
                    email=user.email,
                    name=user.name,
                    locale=user.locale or "it",
                    url=url,
                ),
            )

    @after_this_request
    def _later(response: Response) -> Response:
        response.call_on_close(make)
        return response


def _count_stranger(what: str) -> None:
    refusal = counted((f"{what}-from:{request.remote_addr}", LINKS_PER_ADDRESS))
    if refusal:
        raise TooManyError(refusal)


def _workspace_name(workspace_id: UUID) -> str:
    row = current_session().get(Workspace, workspace_id)
    return row.name if row else ""
