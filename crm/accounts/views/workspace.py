"""The settings of the workspace."""

from flask import flash, redirect, render_template, url_for
from flask.typing import ResponseReturnValue

from crm.accounts import queries
from crm.accounts.forms import WorkspaceForm, countries
from crm.accounts.guards import current_actor, requires
from crm.accounts.kinds import Permission
from crm.accounts.services import workspaces
from crm.accounts.services.workspaces import WorkspaceInput
from crm.accounts.views.blueprint import blueprint
from crm.errors import AppError
from crm.web.i18n import _
from crm.web.sessions import current_session


@blueprint.get("/settings/workspace")
@requires(Permission.VIEW_OWN)
def workspace() -> ResponseReturnValue:
    """Show the settings of the workspace; who may not change them reads them."""
    row = queries.workspace(current_session(), current_actor())
    return _page(WorkspaceForm(obj=row, window_days=row.window_days.split(",")))


@blueprint.post("/settings/workspace")
@requires(Permission.MANAGE_WORKSPACE)
def change_workspace() -> ResponseReturnValue:
    """Change the settings of the workspace."""
    form = WorkspaceForm()
    if form.validate_on_submit():
        values = {name: field.data for name, field in form._fields.items() if name != "csrf_token"}
        values["window_days"] = ",".join(sorted(values["window_days"]))
        try:
            workspaces.change(current_session(), current_actor(), changes=WorkspaceInput(**values))
        except AppError as error:
            form.absorb(error)
        else:
            flash(_("Saved."), "ok")
            return redirect(url_for("accounts.workspace"), code=303)
    return _page(form)


def _page(form: WorkspaceForm) -> ResponseReturnValue:
    actor = current_actor()
    row = queries.workspace(current_session(), actor)
    page = render_template(
        "settings/workspace.html",
        form=form,
        row=row,
        country=dict(countries()).get(row.country, row.country),
        may_change=actor.may(Permission.MANAGE_WORKSPACE),
        may_pause=actor.may(Permission.MANAGE_CHANNELS),
    )
    return page, 422 if form.errors else 200
