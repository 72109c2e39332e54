"""Pages that change one value of the workspace's own fields where it stands, of a person or of a company."""

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from flask import abort, redirect, render_template, request, url_for
from werkzeug.wrappers import Response

from crm.accounts.guards import current_actor, requires
from crm.accounts.kinds import Permission
from crm.contacts import custom_words, queries, services
from crm.contacts.custom_forms import CustomValueForm, custom_changes, show_custom, with_custom
from crm.contacts.custom_rules import FieldShape
from crm.contacts.kinds import CustomSubject
from crm.contacts.models import Company, Contact
from crm.contacts.queries import Values
from crm.contacts.views.blueprint import blueprint, is_partial
from crm.errors import AppError
from crm.numbers import whole
from crm.web.i18n import _
from crm.web.sessions import current_session, request_now


@dataclass(frozen=True, slots=True)
class Custom:
    """The own fields of one record with its values, and the names of the people these refer to."""

    fields: tuple[FieldShape, ...]
    values: Values
    names: dict[str, str]


def custom_of(subject: CustomSubject, owner_id: UUID | None = None) -> Custom:
    """The fields in use of people or companies, with the values of one of them."""
    session, actor = current_session(), current_actor()
    fields = queries.custom_fields(session, actor, subject=subject)
    if owner_id is None or not fields:
        return Custom(fields, {}, {})
    owner = {f"{subject}_ids": [owner_id]}
    values = queries.custom_values_of(session, actor, fields=fields, **owner).get(owner_id, {})
    return Custom(fields, values, queries.custom_names(session, actor, values=[values]))


def their_custom(custom: Custom, error: services.EditConflictError) -> dict[str, str]:
    """What somebody else wrote into the same own fields, by label."""
    by_name = {field.name: field for field in custom.fields}
    return {
        by_name[name].label: custom_words.kept_text(by_name[name], text, names=custom.names) or _("nothing")
        for name, text in error.theirs.items()
        if name in by_name
    }


@blueprint.get("/contacts/<uuid:contact_id>/own/<key>")
@requires(Permission.EDIT)
def edit_custom(contact_id: UUID, key: str) -> str:
    """The control of one value of a person; by htmx in place of the value, else as a small page."""
    return _edit(CustomSubject.CONTACT, contact_id, key)


@blueprint.get("/companies/<uuid:company_id>/own/<key>")
@requires(Permission.EDIT)
def edit_company_custom(company_id: UUID, key: str) -> str:
    """The control of one value of a company."""
    return _edit(CustomSubject.COMPANY, company_id, key)


@blueprint.post("/contacts/<uuid:contact_id>/own/<key>")
@requires(Permission.EDIT)
def change_custom(contact_id: UUID, key: str) -> Response | str | tuple[str, int]:
    """Save one value of a person."""
    return _change(CustomSubject.CONTACT, contact_id, key)


@blueprint.post("/companies/<uuid:company_id>/own/<key>")
@requires(Permission.EDIT)
def change_company_custom(company_id: UUID, key: str) -> Response | str | tuple[str, int]:
    """Save one value of a company."""
    return _change(CustomSubject.COMPANY, company_id, key)


def _record(subject: CustomSubject, owner_id: UUID) -> Contact | Company:
    session, actor = current_session(), current_actor()
    if subject is CustomSubject.CONTACT:
        return queries.contact(session, actor, contact_id=owner_id)
    return queries.company(session, actor, company_id=owner_id)


def _one(subject: CustomSubject, owner_id: UUID, key: str) -> tuple[FieldShape, Custom]:
    custom = custom_of(subject, owner_id)
    field = next((one for one in custom.fields if one.key == key), None)
    if field is None:
        abort(404)
    return field, custom


def _edit(subject: CustomSubject, owner_id: UUID, key: str) -> str:
    record = _record(subject, owner_id)
    field, custom = _one(subject, owner_id, key)
    if request.args.get("shown"):
        return _shown(subject, owner_id, key)
    form = with_custom(CustomValueForm, [field], custom.values)(formdata=None)
    form.version.data = str(record.version)
    show_custom(form, [field], custom.values, names=custom.names)
    return _page(subject, record, field, form, theirs="")


def _shown(subject: CustomSubject, owner_id: UUID, key: str) -> str:
    session, actor = current_session(), current_actor()
    field, custom = _one(subject, owner_id, key)
    owner: dict[str, Any] = {f"{subject}_id": owner_id}
    facts, _suggested = queries.facts_of(session, actor, **owner)
    row = custom_words.custom_row(field, custom.values, facts, names=custom.names)
    return render_template("contacts/_custom_fact.html", row=row, subject=subject, owner_id=owner_id)


def _change(subject: CustomSubject, owner_id: UUID, key: str) -> Response | str | tuple[str, int]:
    session, actor = current_session(), current_actor()
    field, custom = _one(subject, owner_id, key)
    form, theirs, status = with_custom(CustomValueForm, [field], custom.values)(), "", 422
    if form.validate_on_submit():
        owner: dict[str, Any] = {f"{subject}_id": owner_id}
        try:
            services.set_custom_values(
                session,
                actor,
                **owner,
                values=custom_changes(form, [field], custom.values, names=custom.names),
                expected_version=whole(form.version.data),
                now=request_now(),
            )
        except services.EditConflictError as error:
            theirs, status = next(iter(their_custom(custom, error).values())), 409
            form.version.raw_data, form.version.data = None, str(_record(subject, owner_id).version)
        except AppError as error:
            form.absorb(error)
        else:
            if is_partial():
                session.flush()
                session.expire_all()
                return _shown(subject, owner_id, key)
            return redirect(_record_url(subject, owner_id), 303)
    return _page(subject, _record(subject, owner_id), field, form, theirs=theirs), status


def _record_url(subject: CustomSubject, owner_id: UUID) -> str:
    if subject is CustomSubject.CONTACT:
        return url_for("contact_page.show", contact_id=owner_id)
    return url_for("company_page.show", company_id=owner_id)


def _page(
    subject: CustomSubject, record: Contact | Company, field: FieldShape, form: CustomValueForm, *, theirs: str
) -> str:
    return render_template(
        "contacts/_custom_value.html" if is_partial() else "contacts/custom_value.html",
        form=form,
        control=form[field.name],
        field=field,
        subject=subject,
        owner_id=record.id,
        name=record.display_name if isinstance(record, Contact) else record.name,
        back=_record_url(subject, record.id),
        theirs=theirs,
    )
