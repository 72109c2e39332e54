"""Pages of companies: making, changing and deleting one."""

from uuid import UUID

from flask import redirect, render_template, url_for
from werkzeug.wrappers import Response

from crm.accounts.guards import current_actor, requires
from crm.accounts.kinds import Permission
from crm.contacts import queries, services, words
from crm.contacts.custom_forms import custom_changes, show_custom, with_custom
from crm.contacts.forms import CompanyForm
from crm.contacts.kinds import CustomSubject, FactOrigin
from crm.contacts.views.blueprint import blueprint
from crm.contacts.views.custom_values import custom_of, their_custom
from crm.errors import AppError, InvalidInputError, worded
from crm.numbers import whole
from crm.web.i18n import _
from crm.web.sessions import current_session, request_now


@blueprint.get("/companies/new")
@requires(Permission.EDIT)
def new_company() -> str:
    """An empty form."""
    custom = custom_of(CustomSubject.COMPANY)
    form = with_custom(CompanyForm, custom.fields)(formdata=None)
    form.offer(queries.colleagues(current_session(), current_actor()))
    return render_template("contacts/company_form.html", form=form, company=None, theirs={}, custom=custom.fields)


@blueprint.post("/companies/new")
@requires(Permission.EDIT)
def create_company() -> Response | tuple[str, int]:
    """Add the company."""
    session, actor = current_session(), current_actor()
    custom = custom_of(CustomSubject.COMPANY)
    form = with_custom(CompanyForm, custom.fields)().offer(queries.colleagues(session, actor))
    if form.validate_on_submit():
        own = custom_changes(form, custom.fields, {}, names={})
        try:
            given = {**form.changes(), "parent_id": _parent_id(form), "custom": own}
            data = services.parsed(services.CompanyInput, given)
            row = services.create_company(
                session, actor, data=data, origin=FactOrigin.TYPED, source="", now=request_now()
            )
        except AppError as error:
            form.absorb(error)
        else:
            return redirect(url_for("company_page.show", company_id=row.id), 303)
    shown = {"form": form, "company": None, "theirs": {}, "custom": custom.fields}
    return render_template("contacts/company_form.html", **shown), 422


def _parent_id(form: CompanyForm) -> UUID | None:
    """The company that the form names as the one above; raises `InvalidInputError` beside its field."""
    name = (form.parent_name.data or "").strip()
    if not name:
        return None
    found = queries.company_named(current_session(), current_actor(), name=name)
    if found is None:
        sentence = worded("There is no company called so.")
        raise InvalidInputError(sentence, fields={"parent_id": sentence})
    return found.id


@blueprint.get("/companies/<uuid:company_id>/edit")
@requires(Permission.EDIT)
def edit_company(company_id: UUID) -> str:
    """The whole company in one form."""
    session, actor = current_session(), current_actor()
    company = queries.company(session, actor, company_id=company_id)
    custom = custom_of(CustomSubject.COMPANY, company_id)
    form = with_custom(CompanyForm, custom.fields, custom.values)(formdata=None)
    parent = queries.company_names(session, actor, company_ids=[company.parent_id] if company.parent_id else [])
    domains = queries.domains_of(session, actor, company_ids=[company_id]).get(company_id, [])
    form.offer(queries.colleagues(session, actor))
    form.show(company, parent_name="".join(parent.values()), domains=domains)
    show_custom(form, custom.fields, custom.values, names=custom.names)
    return render_template("contacts/company_form.html", form=form, company=company, theirs={}, custom=custom.fields)


@blueprint.post("/companies/<uuid:company_id>/edit")
@requires(Permission.EDIT)
def change_company(company_id: UUID) -> Response | tuple[str, int]:
    """Save what differs; where somebody else changed the same field meanwhile, ask."""
    session, actor = current_session(), current_actor()
    custom = custom_of(CustomSubject.COMPANY, company_id)
    form = with_custom(CompanyForm, custom.fields, custom.values)().offer(queries.colleagues(session, actor))
    theirs: dict[str, str] = {}
    if form.validate_on_submit():
        own = custom_changes(form, custom.fields, custom.values, names=custom.names)
        try:
            services.update_company(
                session,
                actor,
                company_id=company_id,
                changes={**form.changes(), "parent_id": _parent_id(form), "custom": own},
                expected_version=whole(form.version.data),
                now=request_now(),
            )
        except services.EditConflictError as error:
            names = words.names_of(queries.colleagues(session, actor))
            theirs = {
                str(words.FIELD_LABELS[field]): words.value_text(field, value, names=names) or _("nothing")
                for field, value in error.theirs.items()
                if field in words.FIELD_LABELS
            } | their_custom(custom, error)
            form.absorb(error)
        except AppError as error:
            form.absorb(error)
        else:
            return redirect(url_for("company_page.show", company_id=company_id), 303)
    company = queries.company(session, actor, company_id=company_id)
    form.version.raw_data, form.version.data = None, str(company.version)
    shown = {"form": form, "company": company, "theirs": theirs, "custom": custom.fields}
    answer = render_template("contacts/company_form.html", **shown)
    return answer, 409 if theirs else 422
