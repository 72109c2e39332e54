"""The front page of Settings: what can be set, by group."""

from flask import render_template
from flask.typing import ResponseReturnValue

from crm.accounts.guards import any_role
from crm.accounts.views.blueprint import blueprint


@blueprint.get("/settings")
@any_role
def settings() -> ResponseReturnValue:
    """List the pages under Settings that the actor may open."""
    return render_template("settings/index.html")
