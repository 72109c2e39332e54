"""The link with which a person begins a chat with our bot, made for them alone, ready to be sent another way."""

from uuid import UUID

from flask import redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from crm.accounts.guards import current_actor, requires
from crm.accounts.kinds import Permission
from crm.channels.telegram import start_link
from crm.contacts import queries as contacts
from crm.outreach import queries, services
from crm.outreach.views.blueprint import blueprint
from crm.web.sessions import current_session, request_now


@blueprint.post("/contacts/<uuid:contact_id>/start-link")
@requires(Permission.WRITE)
def make_start_link(contact_id: UUID) -> ResponseReturnValue:
    """A fresh link, shown once: only its digest is kept. Back to the person where it isn't needed any more."""
    session, actor = current_session(), current_actor()
    person = contacts.contact(session, actor, contact_id=contact_id)
    bot = queries.bot_to_start(session, contact_id=contact_id)
    if bot is None:
        return redirect(url_for("contact_page.show", contact_id=contact_id), code=303)
    token = services.start_link(session, actor, contact_id=contact_id, account_id=bot.id, now=request_now())
    template = "outreach/_start_link.html" if "HX-Request" in request.headers else "outreach/start_link.html"
    return render_template(template, person=person, link=start_link(bot.address, token))
