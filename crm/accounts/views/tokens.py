"""API tokens: made, shown once, revoked."""

from datetime import timedelta
from uuid import UUID

from flask import flash, redirect, render_template, url_for
from flask.typing import ResponseReturnValue

from crm.accounts import queries
from crm.accounts.forms import TokenForm
from crm.accounts.guards import current_actor, requires
from crm.accounts.kinds import Permission, Role
from crm.accounts.services import tokens as service
from crm.accounts.views.blueprint import blueprint
from crm.accounts.words import PERMISSIONS, ROLES
from crm.errors import AppError
from crm.web.i18n import _
from crm.web.sessions import current_session, request_now


@blueprint.get("/settings/tokens")
@requires(Permission.MANAGE_USERS)
def tokens() -> ResponseReturnValue:
    """List the API tokens of the workspace."""
    return _page(TokenForm())


@blueprint.post("/settings/tokens")
@requires(Permission.MANAGE_USERS)
def make_token() -> ResponseReturnValue:
    """Make a token and show its secret this once."""
    form = TokenForm()
    if form.validate_on_submit():
        try:
            _token, secret = service.create(
                current_session(),
                current_actor(),
                name=str(form.name.data),
                role=Role(form.role.data),
                scopes=[Permission(scope) for scope in form.scopes.data or []] or None,
                lives=timedelta(days=int(form.days.data)),
                now=request_now(),
            )
        except AppError as error:
            form.absorb(error)
        else:
            return _page(TokenForm(formdata=None), secret=secret)
    return _page(form)


@blueprint.post("/settings/tokens/<uuid:token_id>/revoke")
@requires(Permission.MANAGE_USERS)
def revoke_token(token_id: UUID) -> ResponseReturnValue:
    """End a token at once."""
    service.revoke(current_session(), current_actor(), token_id=token_id, now=request_now())
    flash(_("The token is revoked; programs that use it are refused from now on."), "ok")
    return redirect(url_for("accounts.tokens"), code=303)


def _page(form: TokenForm, *, secret: str | None = None) -> ResponseReturnValue:
    now = request_now()
    rows = queries.tokens(current_session(), current_actor())
    page = render_template(
        "settings/tokens.html",
        form=form,
        secret=secret,
        tokens=[(row, row.expires_at is not None and row.expires_at <= now) for row in rows],
        role_names={role.value: ROLES[role] for role in Role},
        right_names={right.value: PERMISSIONS[right] for right in Permission},
    )
    return page, 422 if form.errors else 200
