"""Reading the templates that a network approved, from the page of their account."""

from uuid import UUID

from flask import flash, redirect, url_for
from flask.typing import ResponseReturnValue

from crm.accounts.guards import current_actor, requires
from crm.accounts.kinds import Permission
from crm.errors import InvalidInputError
from crm.outreach import queries, services
from crm.outreach.views.blueprint import blueprint
from crm.web.i18n import ngettext, translated
from crm.web.sessions import current_session, request_now


@blueprint.post("/settings/channels/<uuid:account_id>/templates")
@requires(Permission.MANAGE_CHANNELS)
def read_network_templates(account_id: UUID) -> ResponseReturnValue:
    """Ask the network what it has approved, and keep that."""
    session, actor = current_session(), current_actor()
    queries.account(session, actor, account_id=account_id)
    try:
        count = services.read_templates(session, actor, account_id=account_id, now=request_now())
    except InvalidInputError as error:
        flash(translated(error.message), "error")
    else:
        flash(ngettext("One template was read.", "%(number)s templates were read.", count, number=count), "success")
    return redirect(url_for(".account", account_id=account_id), code=303)
