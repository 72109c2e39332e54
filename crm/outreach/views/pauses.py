"""The buttons of a crisis: no promotion, or nothing at all, leaves until they are pressed again."""

from flask import flash, redirect, request, url_for
from flask.typing import ResponseReturnValue

from crm.accounts.guards import current_actor, requires
from crm.accounts.kinds import Permission
from crm.accounts.signin import local_or
from crm.outreach import services
from crm.outreach.views.blueprint import blueprint
from crm.web.i18n import _
from crm.web.sessions import current_session, request_now


@blueprint.post("/promotions/<any(pause, resume):action>")
@requires(Permission.MANAGE_CHANNELS)
def promotions(action: str) -> ResponseReturnValue:
    """Stop all promotions of the workspace, or let them go again."""
    return _pressed(action, promotions_only=True)


@blueprint.post("/sending/<any(pause, resume):action>")
@requires(Permission.MANAGE_CHANNELS)
def sending(action: str) -> ResponseReturnValue:
    """Stop everything that would leave the workspace, or let it go again."""
    return _pressed(action, promotions_only=False)


def _pressed(action: str, *, promotions_only: bool) -> ResponseReturnValue:
    session, actor = current_session(), current_actor()
    if action == "pause":
        services.pause_sending(session, actor, promotions_only=promotions_only)
        text = _("No promotion leaves any more.") if promotions_only else _("Nothing leaves any more.")
        endpoint = ".promotions" if promotions_only else ".sending"
        undo = {"undo_url": url_for(endpoint, action="resume"), "undo_label": _("Undo")}
        flash({"text": text, **undo}, "success")  # pyright: ignore[reportArgumentType]
    else:
        services.resume_sending(session, actor, promotions_only=promotions_only, now=request_now())
        late = _("Promotions leave again; late ones wait for you.")
        flash(late if promotions_only else _("Messages leave again; late ones wait for you."), "success")
    return redirect(local_or(request.form.get("next", ""), url_for(".calendar")), code=303)
