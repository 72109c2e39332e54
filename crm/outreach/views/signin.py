"""Signing in to a mailbox at Google or Microsoft: which application, the way there, and the way back."""

from typing import Final
from uuid import UUID

from flask import current_app, flash, redirect, render_template, request, url_for
from flask import session as browser
from flask.typing import ResponseReturnValue

from crm.accounts.guards import current_actor, requires
from crm.accounts.kinds import Permission
from crm.channels.oauth import Application, OAuthError, Tokens, consent_url, exchange, new_secret
from crm.contacts.services import parsed
from crm.errors import AppError
from crm.outreach import queries
from crm.outreach.forms import SignInForm
from crm.outreach.models import SenderAccount
from crm.outreach.services import signin
from crm.outreach.tokens import http_client
from crm.outreach.views.blueprint import blueprint
from crm.outreach.words import reason_text
from crm.settings import Settings
from crm.web.i18n import _
from crm.web.sessions import current_session, request_now

manages = requires(Permission.MANAGE_CHANNELS)
#: Where the browser keeps what belongs to the sign-in under way.
KEPT: Final = "mailbox_sign_in"


@blueprint.get("/settings/channels/<uuid:account_id>/sign-in")
@manages
def sign_in(account_id: UUID) -> str:
    """What has to be registered at the provider, and then the way there."""
    row = queries.account(current_session(), current_actor(), account_id=account_id)
    given = {name: row.config.get(f"oauth_{name}", "") for name in ("provider", "client_id", "tenant")}
    return _page(row, SignInForm(data={key: value for key, value in given.items() if value}))


@blueprint.post("/settings/channels/<uuid:account_id>/sign-in")
@manages
def keep_application(account_id: UUID) -> ResponseReturnValue:
    """Remember the application; the secret is kept encrypted."""
    row = queries.account(current_session(), current_actor(), account_id=account_id)
    form = SignInForm()
    if not form.validate_on_submit():
        return _page(row, form), 422
    given = {name: form[name].data or "" for name in ("provider", "client_id", "client_secret", "tenant")}
    try:
        data = parsed(signin.ApplicationInput, given)
        signin.set_application(current_session(), current_actor(), account_id=account_id, data=data)
    except AppError as error:
        form.absorb(error)
        return _page(row, form), 422
    flash(_("Saved. Now sign in at the provider."), "success")
    return redirect(url_for(".sign_in", account_id=account_id), code=303)


@blueprint.get("/settings/channels/<uuid:account_id>/sign-in/go")
@manages
def go_to_provider(account_id: UUID) -> ResponseReturnValue:
    """Lead to the provider, where the mailbox's owner agrees."""
    row = queries.account(current_session(), current_actor(), account_id=account_id)
    application = signin.application_of(row)
    if application is None:
        return redirect(url_for(".sign_in", account_id=account_id), code=303)
    state, verifier = new_secret(), new_secret()
    browser[KEPT] = {"state": state, "verifier": verifier, "account_id": str(account_id)}
    there = consent_url(application, redirect_uri=redirect_uri(), state=state, verifier=verifier, address=row.address)
    return redirect(there, code=303)


@blueprint.get("/settings/channels/sign-in/back")
@manages
def back_from_provider() -> ResponseReturnValue:
    """The owner agreed, or did not: turn the code into tokens, once, for the browser that set out."""
    kept = browser.pop(KEPT, None)
    if not isinstance(kept, dict) or not request.args.get("state") or kept.get("state") != request.args["state"]:
        flash(_("This sign-in was not begun here, or it is over. Begin again on the page of the account."), "error")
        return redirect(url_for(".accounts"), code=303)
    session, actor, account_id = current_session(), current_actor(), UUID(kept["account_id"])
    application = signin.application_of(queries.account(session, actor, account_id=account_id))
    try:
        tokens = _tokens(application, request.args.get("code", ""), kept["verifier"])
    except OAuthError as error:
        flash(_("It did not work: %(reason)s", reason=reason_text(error.code)), "error")
        return redirect(url_for(".sign_in", account_id=account_id), code=303)
    signin.keep_first(session, actor, account_id=account_id, tokens=tokens, now=request_now())
    flash(_("Signed in: from now on the account sends without a password."), "success")
    return redirect(url_for(".account", account_id=account_id), code=303)


def _tokens(application: Application | None, code: str, verifier: str) -> Tokens:
    if application is None or not code:
        raise OAuthError("oauth_refused")
    return exchange(http_client(), application, code=code, verifier=verifier, redirect_uri=redirect_uri())


def redirect_uri() -> str:
    """The address that must be registered at the provider, to the letter."""
    settings: Settings = current_app.extensions["crm_settings"]
    return f"{settings.public_url.rstrip('/')}{url_for('outreach.back_from_provider')}"


def _page(row: SenderAccount, form: SignInForm) -> str:
    return render_template(
        "outreach/sign_in.html",
        account=row,
        form=form,
        redirect_uri=redirect_uri(),
        is_ready=signin.application_of(row) is not None,
    )
