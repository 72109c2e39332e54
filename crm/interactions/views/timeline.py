"""Pages of the timeline: logging, taking back, saying that it was answered."""

from uuid import UUID

from flask import flash, render_template, request, url_for
from werkzeug.wrappers import Response

from crm.accounts.guards import current_actor, requires
from crm.accounts.kinds import Permission
from crm.contacts import queries as contact_queries
from crm.errors import AppError
from crm.interactions import queries, services
from crm.interactions.forms import LogForm
from crm.interactions.views.blueprint import attach_all, back_or, blueprint
from crm.web.i18n import _
from crm.web.sessions import current_session, request_now


@blueprint.get("/contacts/<uuid:contact_id>/log")
@requires(Permission.EDIT)
def log_form(contact_id: UUID) -> str:
    """The form of whatever happened, for people without script and for refused input."""
    form = LogForm(formdata=None).offer(queries.own_kinds(current_session(), current_actor()))
    wanted = request.args.get("mode", "")
    if wanted in {str(choice[0]) for choice in form.mode.choices or ()}:
        form.mode.data = wanted
    return _log_page(contact_id, form)


@blueprint.post("/contacts/<uuid:contact_id>/log")
@requires(Permission.EDIT)
def log(contact_id: UUID) -> Response | tuple[str, int]:
    """Write down what happened, with its files."""
    session, actor, now = current_session(), current_actor(), request_now()
    form = LogForm().offer(queries.own_kinds(session, actor))
    if form.validate_on_submit():
        values = form.values(tz=actor.time_zone, now=now)
        if values["kind"] == "note" and not values["body"] and not form.uploads():
            form.body.errors = [*form.body.errors, _("Write what you want to note.")]
        else:
            try:
                row = services.log(session, actor, contact_id=contact_id, now=now, **values)
                attach_all(row.id, form.uploads())
                services.tell_mentioned(session, actor, row=row, body=values["body"], now=now)
            except AppError as error:
                form.absorb(error)
            else:
                undo = url_for(".remove", interaction_id=row.id)
                flash({"text": _("It is on the timeline."), "undo_url": undo}, "ok")  # type: ignore[arg-type]
                return back_or(url_for("contact_page.show", contact_id=contact_id))
    return _log_page(contact_id, form), 422


def _log_page(contact_id: UUID, form: LogForm) -> str:
    person = contact_queries.contact(current_session(), current_actor(), contact_id=contact_id)
    return render_template("interactions/log.html", form=form, person=person)


@blueprint.post("/interactions/<uuid:interaction_id>/remove")
@requires(Permission.EDIT)
def remove(interaction_id: UUID) -> Response:
    """Take an entry off the timeline."""
    row = services.remove(current_session(), current_actor(), interaction_id=interaction_id, now=request_now())
    flash(_("The entry is off the timeline."), "ok")
    return to_timeline(row.contact_id, row.company_id)


@blueprint.post("/interactions/<uuid:interaction_id>/answered")
@requires(Permission.EDIT)
def answered(interaction_id: UUID) -> Response:
    """Say that somebody answered it."""
    row = services.mark_answered(current_session(), current_actor(), interaction_id=interaction_id, now=request_now())
    return to_timeline(row.contact_id, row.company_id)


def to_timeline(contact_id: UUID | None, company_id: UUID | None) -> Response:
    """Back to the page of whom an entry is about."""
    if contact_id is not None:
        return back_or(url_for("contact_page.show", contact_id=contact_id))
    if company_id is not None:
        return back_or(url_for("company_page.show", company_id=company_id))
    return back_or(url_for("people.index"))
