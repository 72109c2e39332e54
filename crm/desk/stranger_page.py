"""The page of an address of nobody yet: what came from it, until somebody says whose it is."""

from uuid import UUID

from flask import Blueprint, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from crm.accounts.guards import current_actor, requires
from crm.accounts.kinds import Permission
from crm.contacts import queries as contacts
from crm.contacts.words import CHANNEL_LABELS
from crm.desk.contact_page import lines_by_day
from crm.interactions import queries as interactions
from crm.web.sessions import current_session

blueprint = Blueprint("stranger_page", __name__)


@blueprint.get("/strangers/<uuid:stranger_id>")
@requires(Permission.EDIT)
def show(stranger_id: UUID) -> ResponseReturnValue:
    """What a stranger wrote, newest first; the address of somebody leads to them."""
    session, actor = current_session(), current_actor()
    row = contacts.handle(session, actor, handle_id=stranger_id)
    if row.contact_id is not None:
        return redirect(url_for("contact_page.show", contact_id=row.contact_id), 303)
    if row.company_id is not None:
        return redirect(url_for("company_page.show", company_id=row.company_id), 303)
    page = interactions.timeline(session, actor, handle_id=stranger_id, after=request.args.get("after"))
    more = url_for(".show", stranger_id=stranger_id, after=page.next) if page.next else None
    return render_template(
        "desk/stranger.html",
        row=row,
        channel=CHANNEL_LABELS[row.channel],
        days=lines_by_day(page.items),
        more=more,
        may_edit=False,
    )
