"""Pages of a person's places in companies: adding, changing, ending, forgetting one."""

from uuid import UUID

from flask import flash, redirect, render_template, url_for
from werkzeug.wrappers import Response

from crm.accounts.guards import current_actor, requires
from crm.accounts.kinds import Permission
from crm.contacts import queries, services
from crm.contacts.forms import PlaceForm
from crm.contacts.kinds import FactOrigin
from crm.contacts.views.blueprint import blueprint
from crm.errors import AppError
from crm.web.i18n import _
from crm.web.sessions import current_session, request_now


@blueprint.get("/contacts/<uuid:contact_id>/companies")
@requires(Permission.EDIT)
def places(contact_id: UUID) -> str:
    """The companies of a person, now and before, and a form for one more."""
    return _page(contact_id, PlaceForm(formdata=None), None)


@blueprint.post("/contacts/<uuid:contact_id>/companies")
@requires(Permission.EDIT)
def add_place(contact_id: UUID) -> Response | tuple[str, int]:
    """Add a company by its name; a new name makes a new company."""
    session, actor, now, form = current_session(), current_actor(), request_now(), PlaceForm()
    person = queries.contact(session, actor, contact_id=contact_id)
    if form.validate_on_submit():
        try:
            company = services.find_or_create_company(
                session, actor, name=form.company.data or "", origin=FactOrigin.TYPED, source="", now=now
            )
            services.add_affiliation(
                session,
                actor,
                contact_id=person.id,
                company_id=company.id,
                role=(form.role.data or "").strip(),
                is_primary=bool(form.is_primary.data),
                started_on=form.started_on.data,
                ended_on=form.ended_on.data,
                now=now,
            )
        except AppError as error:
            error.fields = {"company" if name == "name" else name: text for name, text in error.fields.items()}
            form.absorb(error)
        else:
            return redirect(url_for(".places", contact_id=contact_id), 303)
    return _page(contact_id, form, None), 422


@blueprint.get("/contacts/<uuid:contact_id>/companies/<uuid:affiliation_id>")
@requires(Permission.EDIT)
def edit_place(contact_id: UUID, affiliation_id: UUID) -> str:
    """One place in a form."""
    session, actor = current_session(), current_actor()
    place = queries.affiliation(session, actor, contact_id=contact_id, affiliation_id=affiliation_id)
    form = PlaceForm(formdata=None, obj=place)
    return _page(contact_id, form, place)


@blueprint.post("/contacts/<uuid:contact_id>/companies/<uuid:affiliation_id>")
@requires(Permission.EDIT)
def change_place(contact_id: UUID, affiliation_id: UUID) -> Response | tuple[str, int]:
    """Save the place; with a last day it is one of the past."""
    session, actor, form = current_session(), current_actor(), PlaceForm()
    place = queries.affiliation(session, actor, contact_id=contact_id, affiliation_id=affiliation_id)
    del form.company
    if form.validate_on_submit():
        try:
            services.change_affiliation(
                session,
                actor,
                contact_id=contact_id,
                affiliation_id=affiliation_id,
                role=(form.role.data or "").strip(),
                started_on=form.started_on.data,
                ended_on=form.ended_on.data,
                is_primary=bool(form.is_primary.data),
                now=request_now(),
            )
        except AppError as error:
            form.absorb(error)
        else:
            return redirect(url_for(".places", contact_id=contact_id), 303)
    return _page(contact_id, form, place), 422


@blueprint.post("/contacts/<uuid:contact_id>/companies/<uuid:affiliation_id>/remove")
@requires(Permission.EDIT)
def remove_place(contact_id: UUID, affiliation_id: UUID) -> Response:
    """Forget a place that was noted by mistake."""
    session, actor = current_session(), current_actor()
    place = queries.affiliation(session, actor, contact_id=contact_id, affiliation_id=affiliation_id)
    services.remove_affiliation(session, actor, contact_id=contact_id, affiliation_id=affiliation_id, now=request_now())
    flash(_("%(name)s was taken off.", name=place.company_name), "ok")
    return redirect(url_for(".places", contact_id=contact_id), 303)


def _page(contact_id: UUID, form: PlaceForm, place: queries.AffiliationView | None) -> str:
    session, actor = current_session(), current_actor()
    session.flush()
    return render_template(
        "contacts/places.html",
        form=form,
        place=place,
        person=queries.contact(session, actor, contact_id=contact_id),
        places=queries.affiliations_of(session, actor, contact_id=contact_id),
    )
