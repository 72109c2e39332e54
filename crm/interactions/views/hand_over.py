"""Handing a person over to a colleague, and the names that a note may call."""

from uuid import UUID

from flask import Response, flash, jsonify, redirect, render_template, url_for
from flask.typing import ResponseReturnValue

from crm.accounts.guards import current_actor, requires
from crm.accounts.kinds import Permission
from crm.contacts import queries as contact_queries
from crm.contacts.inputs import parsed
from crm.errors import AppError
from crm.interactions import services
from crm.interactions.forms import HandOverForm
from crm.interactions.views.blueprint import blueprint
from crm.web.i18n import _
from crm.web.sessions import current_session, request_now


@blueprint.get("/contacts/<uuid:contact_id>/hand-over")
@requires(Permission.EDIT)
def hand_over_form(contact_id: UUID) -> str:
    """Whom to, and what they should know and do."""
    form = HandOverForm(formdata=None).offer(contact_queries.colleagues(current_session(), current_actor()))
    return _page(contact_id, form)


@blueprint.post("/contacts/<uuid:contact_id>/hand-over")
@requires(Permission.EDIT)
def hand_over(contact_id: UUID) -> ResponseReturnValue:
    """Give the person to them."""
    session, actor = current_session(), current_actor()
    form = HandOverForm().offer(contact_queries.colleagues(session, actor))
    if form.validate_on_submit():
        try:
            data = parsed(services.HandOverInput, form.values())
            services.hand_over(session, actor, contact_id=contact_id, data=data, now=request_now())
        except AppError as error:
            form.absorb(error)
        else:
            flash(_("Handed over: they have been told."), "ok")
            if contact_queries.contacts(session, actor, contact_ids=[contact_id]):
                return redirect(url_for("contact_page.show", contact_id=contact_id), 303)
            return redirect(url_for("people.index"), 303)
    return _page(contact_id, form), 422


def _page(contact_id: UUID, form: HandOverForm) -> str:
    person = contact_queries.contact(current_session(), current_actor(), contact_id=contact_id)
    if not form.task.data:
        form.task.data = _("Get in touch with %(name)s", name=person.display_name)
    return render_template("interactions/hand_over.html", form=form, person=person)


@blueprint.get("/interactions/colleagues")
@requires(Permission.EDIT)
def colleagues() -> Response:
    """The names that "@" completes to, for the script of the note."""
    names = contact_queries.colleagues(current_session(), current_actor())
    return jsonify(sorted(names.values()))
