"""Who takes part in a deal: people with their roles, and companies."""

from typing import Any
from uuid import UUID

from flask import redirect, render_template, url_for
from flask.typing import ResponseReturnValue
from werkzeug.wrappers import Response

from crm.accounts.guards import current_actor, requires
from crm.accounts.kinds import Permission
from crm.contacts import queries as contacts
from crm.deals import queries, services
from crm.deals.forms import CompanyLinkForm, PersonForm, as_id, chosen_id
from crm.deals.views.blueprint import blueprint
from crm.errors import InvalidInputError, worded
from crm.web.i18n import _
from crm.web.sessions import current_session

#: Offered without typing; the field finds everybody else.
OFFERED = 50


def offer_people(field: Any) -> None:
    """Some people to choose from without typing, and the chosen one."""
    session, actor = current_session(), current_actor()
    people = list(contacts.list_contacts(session, actor, limit=OFFERED).items)
    try:
        chosen = as_id(field.data, "contact_id")
    except InvalidInputError:
        chosen = None
    if chosen and all(row.id != chosen for row in people):
        people += contacts.contacts(session, actor, contact_ids=[chosen]).values()
    field.choices = [("", _("nobody yet")), *((str(row.id), row.display_name) for row in people)]


def offer_companies(field: Any) -> None:
    """Some companies to choose from without typing, and the chosen one."""
    session, actor = current_session(), current_actor()
    rows = list(contacts.list_companies(session, actor, limit=OFFERED).items)
    try:
        chosen = as_id(field.data, "company_id")
    except InvalidInputError:
        chosen = None
    if chosen and all(row.id != chosen for row in rows):
        rows.append(contacts.company(session, actor, company_id=chosen))
    field.choices = [("", _("none yet")), *((str(row.id), row.name) for row in rows)]


@blueprint.get("/deals/<uuid:deal_id>/who")
@requires(Permission.EDIT)
def who(deal_id: UUID) -> str:
    """Who takes part: people with their roles, and companies."""
    return _who_page(deal_id, PersonForm(formdata=None), CompanyLinkForm(formdata=None))


def _who_page(deal_id: UUID, person_form: PersonForm, company_form: CompanyLinkForm) -> str:
    session, actor = current_session(), current_actor()
    offer_people(person_form.contact_id)
    offer_companies(company_form.company_id)
    return render_template(
        "deals/who.html",
        deal=queries.deal(session, actor, deal_id=deal_id),
        people=queries.people_of(session, actor, deal_id=deal_id),
        companies=queries.companies_of(session, actor, deal_id=deal_id),
        person_form=person_form,
        company_form=company_form,
    )


@blueprint.post("/deals/<uuid:deal_id>/people")
@requires(Permission.EDIT)
def add_person(deal_id: UUID) -> ResponseReturnValue:
    """Link a person, or change their part."""
    form = PersonForm()
    try:
        contact_id = chosen_id(form.contact_id.data, "contact_id", worded("Choose a person."))
        if form.validate_on_submit():
            services.add_person(
                current_session(),
                current_actor(),
                deal_id=deal_id,
                contact_id=contact_id,
                role=(form.role.data or "").strip(),
                is_main=bool(form.is_main.data),
            )
            return redirect(url_for(".who", deal_id=deal_id), 303)
    except InvalidInputError as error:
        form.validate()
        form.absorb(error)
    return _who_page(deal_id, form, CompanyLinkForm(formdata=None)), 422


@blueprint.post("/deals/<uuid:deal_id>/people/<uuid:contact_id>/remove")
@requires(Permission.EDIT)
def remove_person(deal_id: UUID, contact_id: UUID) -> Response:
    """Unlink a person."""
    services.remove_person(current_session(), current_actor(), deal_id=deal_id, contact_id=contact_id)
    return redirect(url_for(".who", deal_id=deal_id), 303)


@blueprint.post("/deals/<uuid:deal_id>/companies")
@requires(Permission.EDIT)
def add_company(deal_id: UUID) -> ResponseReturnValue:
    """Link a company."""
    form = CompanyLinkForm()
    try:
        company_id = chosen_id(form.company_id.data, "company_id", worded("Choose a company."))
        if form.validate_on_submit():
            services.add_company(current_session(), current_actor(), deal_id=deal_id, company_id=company_id)
            return redirect(url_for(".who", deal_id=deal_id), 303)
    except InvalidInputError as error:
        form.validate()
        form.absorb(error)
    return _who_page(deal_id, PersonForm(formdata=None), form), 422


@blueprint.post("/deals/<uuid:deal_id>/companies/<uuid:company_id>/remove")
@requires(Permission.EDIT)
def remove_company(deal_id: UUID, company_id: UUID) -> Response:
    """Unlink a company."""
    services.remove_company(current_session(), current_actor(), deal_id=deal_id, company_id=company_id)
    return redirect(url_for(".who", deal_id=deal_id), 303)
