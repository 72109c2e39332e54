"""Pages of what was deleted: people and companies, each with the way back."""

from uuid import UUID

from flask import flash, redirect, render_template, request, url_for
from werkzeug.wrappers import Response

from crm.accounts.guards import current_actor, requires
from crm.accounts.kinds import Permission
from crm.contacts import queries, services
from crm.contacts.views.blueprint import blueprint
from crm.web.i18n import _, ngettext
from crm.web.sessions import current_session, request_now


@blueprint.get("/contacts/deleted")
@requires(Permission.EDIT)
def deleted_people() -> str:
    """The deleted people, the latest first."""
    page = queries.deleted_contacts(current_session(), current_actor(), after=request.args.get("after"))
    more = url_for(".deleted_people", after=page.next) if page.next else None
    lines = [(row.id, row.display_name, row.deleted_at, url_for(".restore", contact_id=row.id)) for row in page.items]
    return render_template("contacts/deleted.html", lines=lines, more=more, kind="person")


@blueprint.get("/companies/deleted")
@requires(Permission.EDIT)
def deleted_companies() -> str:
    """The deleted companies, the latest first."""
    page = queries.deleted_companies(current_session(), current_actor(), after=request.args.get("after"))
    more = url_for(".deleted_companies", after=page.next) if page.next else None
    lines = [(row.id, row.name, row.deleted_at, url_for(".restore_company", company_id=row.id)) for row in page.items]
    return render_template("contacts/deleted.html", lines=lines, more=more, kind="company")


@blueprint.post("/contacts/<uuid:contact_id>/delete")
@requires(Permission.EDIT)
def delete(contact_id: UUID) -> Response:
    """Take the person off every list, with a way back."""
    person = services.delete(current_session(), current_actor(), contact_id=contact_id, now=request_now())
    undo = url_for(".restore", contact_id=contact_id)
    flash({"text": _("%(name)s was deleted.", name=person.display_name), "undo_url": undo}, "ok")  # type: ignore[arg-type]
    return redirect(url_for("people.index"), 303)


@blueprint.post("/contacts/<uuid:contact_id>/restore")
@requires(Permission.EDIT)
def restore(contact_id: UUID) -> Response:
    """Bring a deleted person back."""
    found = services.restore(current_session(), current_actor(), contact_id=contact_id, now=request_now())
    flash(_("%(name)s is back.", name=found.contact.display_name), "ok")
    _tell_taken(found.taken)
    return redirect(url_for("contact_page.show", contact_id=contact_id), 303)


@blueprint.post("/companies/<uuid:company_id>/delete")
@requires(Permission.EDIT)
def delete_company(company_id: UUID) -> Response:
    """Take the company off the lists, with a way back; its people stay."""
    row = services.delete_company(current_session(), current_actor(), company_id=company_id, now=request_now())
    undo = url_for(".restore_company", company_id=company_id)
    flash({"text": _("%(name)s was deleted; its people stay.", name=row.name), "undo_url": undo}, "ok")  # type: ignore[arg-type]
    return redirect(url_for("companies.index"), 303)


@blueprint.post("/companies/<uuid:company_id>/restore")
@requires(Permission.EDIT)
def restore_company(company_id: UUID) -> Response:
    """Bring a deleted company back."""
    found = services.restore_company(current_session(), current_actor(), company_id=company_id, now=request_now())
    flash(_("%(name)s is back.", name=found.company.name), "ok")
    _tell_taken(found.taken)
    return redirect(url_for("company_page.show", company_id=company_id), 303)


def _tell_taken(taken: tuple[str, ...]) -> None:
    if taken:
        text = ngettext(
            "%(addresses)s belongs to somebody else by now and did not come back.",
            "%(addresses)s belong to others by now and did not come back.",
            len(taken),
            addresses=", ".join(taken),
        )
        flash(text, "wait")
