"""One's own pages: profile, password, second factor, browsers."""

from uuid import UUID

from flask import flash, redirect, render_template, request, session, url_for
from flask.typing import ResponseReturnValue

from crm.accounts import queries
from crm.accounts.credentials import digest
from crm.accounts.forms import PasswordForm, ProfileForm
from crm.accounts.guards import any_role, current_actor, current_user
from crm.accounts.security import KEY, passwords, sign_in
from crm.accounts.services import browsers, users
from crm.accounts.services.users import ProfileInput
from crm.accounts.signin import wrong_password
from crm.accounts.views.blueprint import blueprint
from crm.errors import AppError
from crm.web.i18n import _
from crm.web.sessions import current_session, request_now

# Marks in the header of a browser, the more telling ones first: Chrome also calls itself Safari.
PROGRAMS = (
    ("Edg/", "Edge"),
    ("OPR/", "Opera"),
    ("Firefox/", "Firefox"),
    ("Chrome/", "Chrome"),
    ("Safari/", "Safari"),
)
SYSTEMS = (
    ("iPhone", "iPhone"),
    ("iPad", "iPad"),
    ("Android", "Android"),
    ("Windows", "Windows"),
    ("Mac OS", "macOS"),
    ("Linux", "Linux"),
)


@blueprint.route("/settings/profile", methods=["GET", "POST"])
@any_role
def profile() -> ResponseReturnValue:
    """Show and change one's own name, language, zone and appearance."""
    user = current_user()
    form = ProfileForm(obj=user)
    if form.validate_on_submit():
        changes = ProfileInput(
            name=form.name.data, locale=form.locale.data, time_zone=form.time_zone.data, theme=form.theme.data
        )
        try:
            users.change_profile(current_session(), current_actor(), user=user, changes=changes)
        except AppError as error:
            form.absorb(error)
        else:
            session.pop("locale", None)
            flash(_("Saved."), "ok")
            return redirect(url_for("accounts.profile"), code=303)
    return render_template("settings/profile.html", form=form), 422 if form.errors else 200


@blueprint.get("/settings/access")
@any_role
def access() -> ResponseReturnValue:
    """Show password, second factor and signed-in browsers."""
    return _access_page(PasswordForm())


@blueprint.post("/settings/access/password")
@any_role
def change_password() -> ResponseReturnValue:
    """Change one's own password; every other browser is signed out, this one gets a fresh session."""
    user, form = current_user(), PasswordForm()
    if form.validate_on_submit():
        refusal = wrong_password(user, str(form.current.data))
        if refusal:
            form.current.errors = [refusal]
        else:
            try:
                password = passwords().new(str(form.password.data), about=(user.email, user.name))
                users.change_password(
                    current_session(), current_actor(), user=user, password=password, now=request_now()
                )
            except AppError as error:
                form.absorb(error)
            else:
                place = session.get("workspace_id")
                sign_in(user)
                session["workspace_id"] = place
                flash(_("Your password is changed; other browsers are signed out."), "ok")
                return redirect(url_for("accounts.access"), code=303)
    return _access_page(form)


@blueprint.post("/settings/access/browsers/<uuid:browser_id>/end")
@any_role
def end_browser(browser_id: UUID) -> ResponseReturnValue:
    """Sign one of one's own browsers out."""
    browsers.end_one(current_session(), user_id=current_user().id, session_id=browser_id, now=request_now())
    flash(_("That browser is signed out."), "ok")
    return redirect(url_for("accounts.access"), code=303)


@blueprint.post("/settings/access/browsers/end")
@any_role
def end_other_browsers() -> ResponseReturnValue:
    """Sign all one's other browsers out."""
    browsers.end_all(current_session(), user_id=current_user().id, now=request_now(), but_secret=session.get(KEY))
    flash(_("All other browsers are signed out."), "ok")
    return redirect(url_for("accounts.access"), code=303)


def _access_page(form: PasswordForm) -> ResponseReturnValue:
    user = current_user()
    here = digest(str(session.get(KEY, "")))
    found = queries.browsers_of(current_session(), user_id=user.id, now=request_now())
    demanded = any(space.require_second_factor for space in queries.workspaces_of(current_session(), user_id=user.id))
    page = render_template(
        "settings/access.html",
        form=form,
        browsers=[
            {"id": row.id, "name": browser_name(row.agent), "row": row, "here": row.token_hash == here} for row in found
        ],
        has_second_factor=bool(user.tf_primary_method),
        is_demanded=demanded,
        codes_left=len(user.mf_recovery_codes or []),
    )
    return page, 422 if request.method == "POST" else 200


def browser_name(agent: str) -> str:
    """A browser's header in words, like "Firefox, Windows"; it is told by the browser itself and only a hint."""
    found = [next((name for mark, name in table if mark in agent), "") for table in (PROGRAMS, SYSTEMS)]
    return ", ".join(part for part in found if part) or _("Unknown browser")
