"""Pages that make and change a person: the whole form, one value in place, tags, deletion and its undoing."""

from typing import Final
from uuid import UUID

from flask import abort, flash, redirect, render_template, request, url_for
from werkzeug.wrappers import Response

from crm.accounts.guards import current_actor, requires
from crm.accounts.kinds import Permission
from crm.contacts import queries, services, words
from crm.contacts.custom_forms import custom_changes, show_custom, with_custom
from crm.contacts.forms import ContactForm, TagForm, ValueForm
from crm.contacts.kinds import CustomSubject, FactOrigin
from crm.contacts.rules import CONTACT_FIELDS
from crm.contacts.views.blueprint import blueprint, is_partial
from crm.contacts.views.custom_values import custom_of, their_custom
from crm.errors import AppError
from crm.numbers import whole
from crm.web.i18n import _
from crm.web.sessions import current_session, request_now

#: Values that are edited where they stand; names belong together and have the whole form.
IN_PLACE: Final = frozenset(CONTACT_FIELDS) - {"first_name", "last_name"}


def _to(contact_id: UUID) -> Response:
    return redirect(url_for("contact_page.show", contact_id=contact_id), 303)


@blueprint.get("/contacts/new")
@requires(Permission.EDIT)
def new() -> str:
    """An empty form; `?company=` fills in the company."""
    custom = custom_of(CustomSubject.CONTACT)
    form = with_custom(ContactForm, custom.fields)(formdata=None)
    form.offer(queries.colleagues(current_session(), current_actor()))
    form.owner_id.data = str(current_actor().user_id or "")
    form.company_name.data = request.args.get("company", "")
    return render_template("contacts/new.html", form=form, custom=custom.fields)


@blueprint.post("/contacts/new")
@requires(Permission.EDIT)
def create() -> Response | tuple[str, int]:
    """Add the person."""
    session, actor = current_session(), current_actor()
    custom = custom_of(CustomSubject.CONTACT)
    form = with_custom(ContactForm, custom.fields)().offer(queries.colleagues(session, actor))
    if form.validate_on_submit():
        own = custom_changes(form, custom.fields, {}, names={})
        try:
            given = {**form.changes(), "handles": form.handles(), "custom": own}
            data = services.parsed(services.ContactInput, given)
            row = services.create(session, actor, data=data, origin=FactOrigin.TYPED, source="", now=request_now())
        except AppError as error:
            form.absorb(error)
        else:
            flash(_("%(name)s is in.", name=row.display_name), "ok")
            return _to(row.id)
    return render_template("contacts/new.html", form=form, custom=custom.fields), 422


@blueprint.get("/contacts/<uuid:contact_id>/edit")
@requires(Permission.EDIT)
def edit(contact_id: UUID) -> str:
    """The whole person in one form."""
    session, actor = current_session(), current_actor()
    person = queries.contact(session, actor, contact_id=contact_id)
    tags = queries.tags_of(session, actor, contact_ids=[contact_id]).get(contact_id, [])
    custom = custom_of(CustomSubject.CONTACT, contact_id)
    form = with_custom(ContactForm, custom.fields, custom.values)(formdata=None)
    form.offer(queries.colleagues(session, actor)).show(person, [tag.name for tag in tags])
    show_custom(form, custom.fields, custom.values, names=custom.names)
    return render_template("contacts/edit.html", form=form, person=person, theirs={}, custom=custom.fields)


@blueprint.post("/contacts/<uuid:contact_id>/edit")
@requires(Permission.EDIT)
def change(contact_id: UUID) -> Response | tuple[str, int]:
    """Save what differs; where somebody else changed the same field meanwhile, ask."""
    session, actor = current_session(), current_actor()
    custom = custom_of(CustomSubject.CONTACT, contact_id)
    form = with_custom(ContactForm, custom.fields, custom.values)().offer(queries.colleagues(session, actor))
    theirs: dict[str, str] = {}
    if form.validate_on_submit():
        own = custom_changes(form, custom.fields, custom.values, names=custom.names)
        try:
            services.update(
                session,
                actor,
                contact_id=contact_id,
                changes={**form.changes(), "custom": own},
                expected_version=whole(form.version.data),
                now=request_now(),
            )
        except services.EditConflictError as error:
            theirs = _their_values(error) | their_custom(custom, error)
            form.absorb(error)
        except AppError as error:
            form.absorb(error)
        else:
            return _to(contact_id)
    person = queries.contact(session, actor, contact_id=contact_id)
    # The second answer is given on what they changed.
    form.version.raw_data, form.version.data = None, str(person.version)
    status = 409 if theirs else 422
    shown = {"form": form, "person": person, "theirs": theirs, "custom": custom.fields}
    return render_template("contacts/edit.html", **shown), status


def _their_values(error: services.EditConflictError) -> dict[str, str]:
    session, actor = current_session(), current_actor()
    names = words.names_of(queries.colleagues(session, actor))
    for value in {value for field, value in error.theirs.items() if field == "company_id" and value}:
        names[value] = queries.company(session, actor, company_id=UUID(value)).name
    return {
        str(words.FIELD_LABELS[field]): words.value_text(field, value, names=names) or _("nothing")
        for field, value in error.theirs.items()
        if field in words.FIELD_LABELS
    }


def _fact(contact_id: UUID, field: str) -> words.FactRow:
    session, actor = current_session(), current_actor()
    person = queries.contact(session, actor, contact_id=contact_id)
    current, _suggested = queries.facts_of(session, actor, contact_id=contact_id)
    names = words.names_of(queries.colleagues(session, actor), person.company)
    return words.fact_row(person, field, current, names=names)


@blueprint.get("/contacts/<uuid:contact_id>/fields/<field>")
@requires(Permission.EDIT)
def edit_field(contact_id: UUID, field: str) -> str:
    """The control of one value; by htmx in place of the value, else as a small page."""
    if field not in IN_PLACE:
        abort(404)
    session, actor = current_session(), current_actor()
    person = queries.contact(session, actor, contact_id=contact_id)
    if request.args.get("shown"):
        return render_template("contacts/_fact.html", row=_fact(contact_id, field), contact_id=contact_id)
    form = ValueForm(formdata=None).prepare(field, queries.colleagues(session, actor)).show(person, field)
    return _field_page(form, field, contact_id, theirs="")


@blueprint.post("/contacts/<uuid:contact_id>/fields/<field>")
@requires(Permission.EDIT)
def change_field(contact_id: UUID, field: str) -> Response | str | tuple[str, int]:
    """Save one value."""
    if field not in IN_PLACE:
        abort(404)
    session, actor = current_session(), current_actor()
    form, theirs, status = ValueForm().prepare(field, queries.colleagues(session, actor)), "", 422
    if form.validate_on_submit():
        try:
            services.update(
                session,
                actor,
                contact_id=contact_id,
                changes=form.changes(field),
                expected_version=whole(form.version.data),
                now=request_now(),
            )
        except services.EditConflictError as error:
            theirs, status = next(iter(_their_values(error).values())), 409
            form.version.data = str(queries.contact(session, actor, contact_id=contact_id).version)
        except AppError as error:
            form.absorb_value(error, field)
        else:
            if is_partial():
                session.flush()
                session.expire_all()
                return render_template("contacts/_fact.html", row=_fact(contact_id, field), contact_id=contact_id)
            return _to(contact_id)
    return _field_page(form, field, contact_id, theirs=theirs), status


def _field_page(form: ValueForm, field: str, contact_id: UUID, *, theirs: str) -> str:
    person = queries.contact(current_session(), current_actor(), contact_id=contact_id)
    return render_template(
        "contacts/_field.html" if is_partial() else "contacts/field.html",
        form=form,
        field=field,
        control=form.control(field),
        label=words.FIELD_LABELS[field],
        person=person,
        theirs=theirs,
    )


@blueprint.get("/contacts/<uuid:contact_id>/tags")
@requires(Permission.EDIT)
def edit_tags(contact_id: UUID) -> str:
    """The tags of a person as one line."""
    session, actor = current_session(), current_actor()
    person = queries.contact(session, actor, contact_id=contact_id)
    tags = queries.tags_of(session, actor, contact_ids=[contact_id]).get(contact_id, [])
    form = TagForm(formdata=None, data={"tags": ", ".join(tag.name for tag in tags)})
    known = queries.tags(session, actor).items
    return render_template("contacts/tags.html", form=form, person=person, known=known)


@blueprint.post("/contacts/<uuid:contact_id>/tags")
@requires(Permission.EDIT)
def set_tags(contact_id: UUID) -> Response | tuple[str, int]:
    """Give the person exactly these tags."""
    session, actor, form = current_session(), current_actor(), TagForm()
    person = queries.contact(session, actor, contact_id=contact_id)
    if form.validate_on_submit():
        try:
            services.set_tags(session, actor, contact_id=contact_id, names=form.names(), now=request_now())
        except AppError as error:
            form.absorb(error)
        else:
            return _to(contact_id)
    known = queries.tags(session, actor).items
    return render_template("contacts/tags.html", form=form, person=person, known=known), 422
