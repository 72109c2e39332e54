"""The last step of the first run: look around with invented people, or bring one's own."""

from flask import Blueprint, flash, redirect
from flask.blueprints import BlueprintSetupState
from flask.typing import ResponseReturnValue

from crm.accounts.guards import current_actor, current_user, requires
from crm.accounts.kinds import Permission
from crm.accounts.places import Choice, Step, add_choice
from crm.accounts.services import workspaces
from crm.contacts import queries as contacts
from crm.desk import demo
from crm.web.i18n import _, lazy
from crm.web.sessions import current_session, request_now

blueprint = Blueprint("first_run", __name__)


@blueprint.record_once
def _offer(state: BlueprintSetupState) -> None:
    add_choice(
        state.app,  # type: ignore[arg-type]
        Choice(
            step=Step.PEOPLE,
            key="demo",
            label=lazy("Look around with the demo"),
            text=lazy("24 invented people with two years of history, points, offers and a promotion to review."),
            icon="sparkles",
            endpoint="first_run.tell",
            post=True,
            order=30,
        ),
    )


@blueprint.post("/setup/demo")
@requires(Permission.MANAGE_WORKSPACE)
def tell() -> ResponseReturnValue:
    """Fill the workspace with the demo and end the wizard on Today; a workspace with people keeps to its own."""
    session, actor, now = current_session(), current_actor(), request_now()
    if contacts.list_contacts(session, actor, limit=1).items:
        flash(_("There are people here already: the demo is only for an empty workspace."), "wait")
    else:
        demo.fill(session, actor, owners=(current_user().id,), now=now)
        flash(_("The demo is ready. Nothing of it leaves this machine."), "ok")
    workspaces.finish_set_up(session, actor, now=now)
    return redirect("/", code=303)
