"""Settings: the workspace's own fields, what they hold, in which order they stand."""

from uuid import UUID

from flask import flash, redirect, render_template, request, url_for
from werkzeug.wrappers import Response

from crm.accounts.guards import current_actor, requires
from crm.accounts.kinds import Permission
from crm.contacts import custom_words, queries, services
from crm.contacts.custom_forms import CustomFieldForm
from crm.contacts.custom_rules import FieldShape
from crm.contacts.kinds import CustomSubject
from crm.contacts.views.blueprint import blueprint
from crm.errors import AppError
from crm.web.i18n import _
from crm.web.sessions import current_session, request_now


@blueprint.get("/settings/fields")
@requires(Permission.MANAGE_WORKSPACE)
def custom_fields() -> str:
    """The fields of people and of companies, with how many have a value."""
    session, actor = current_session(), current_actor()
    listed = {
        subject: queries.custom_fields(session, actor, subject=subject, archived=True) for subject in CustomSubject
    }
    return render_template(
        "contacts/custom_fields.html",
        listed=listed,
        counts=queries.custom_counts(session, actor),
        types=custom_words.TYPE_LABELS,
        icons=custom_words.TYPE_ICONS,
        subjects=custom_words.SUBJECT_LABELS,
    )


@blueprint.get("/settings/fields/new")
@requires(Permission.MANAGE_WORKSPACE)
def new_custom_field() -> str:
    """An empty form; `?subject=company` for companies."""
    form = CustomFieldForm(formdata=None)
    wanted = request.args.get("subject", "")
    form.subject.data = wanted if wanted in set(CustomSubject) else CustomSubject.CONTACT.value
    return _page(form, None)


@blueprint.post("/settings/fields/new")
@requires(Permission.MANAGE_WORKSPACE)
def create_custom_field() -> Response | tuple[str, int]:
    """Add the field."""
    form = CustomFieldForm()
    if form.validate_on_submit():
        try:
            data = services.parsed(services.CustomFieldInput, form.changes())
            field = services.create_custom_field(current_session(), current_actor(), data=data, now=request_now())
        except AppError as error:
            _absorb(form, error)
        else:
            flash(_("%(name)s can be filled in now.", name=field.label), "ok")
            return redirect(url_for(".custom_fields"), 303)
    return _page(form, None), 422


@blueprint.get("/settings/fields/<uuid:field_id>")
@requires(Permission.MANAGE_WORKSPACE)
def edit_custom_field(field_id: UUID) -> str:
    """One field in a form."""
    field = queries.custom_field(current_session(), current_actor(), field_id=field_id)
    return _page(CustomFieldForm(formdata=None).show(field), field)


@blueprint.post("/settings/fields/<uuid:field_id>")
@requires(Permission.MANAGE_WORKSPACE)
def change_custom_field(field_id: UUID) -> Response | tuple[str, int]:
    """Save the field."""
    session, actor, form = current_session(), current_actor(), CustomFieldForm()
    field = queries.custom_field(session, actor, field_id=field_id)
    # It is not asked again: a field describes people or companies for good.
    form.subject.data = str(field.subject)
    form.subject.raw_data = [str(field.subject)]
    if form.validate_on_submit():
        try:
            services.update_custom_field(
                session, actor, field_id=field_id, changes=form.changes(field), now=request_now()
            )
        except AppError as error:
            _absorb(form, error)
        else:
            flash(_("Saved."), "ok")
            return redirect(url_for(".custom_fields"), 303)
    return _page(form, field), 422


@blueprint.post("/settings/fields/<uuid:field_id>/<any(archive, restore):action>")
@requires(Permission.MANAGE_WORKSPACE)
def archive_custom_field(field_id: UUID, action: str) -> Response:
    """Take a field off the pages, or bring it back; its values stay."""
    session, actor = current_session(), current_actor()
    services.archive_custom_field(session, actor, field_id=field_id, is_archived=action == "archive", now=request_now())
    return redirect(url_for(".custom_fields"), 303)


@blueprint.post("/settings/fields/<uuid:field_id>/move")
@requires(Permission.MANAGE_WORKSPACE)
def move_custom_field(field_id: UUID) -> Response:
    """Put a field at place `to` among those of its subject."""
    to = request.form.get("to", default=0, type=int)
    services.move_custom_field(current_session(), current_actor(), field_id=field_id, to=to)
    return redirect(url_for(".custom_fields"), 303)


@blueprint.post("/settings/fields/<uuid:field_id>/choices")
@requires(Permission.MANAGE_WORKSPACE)
def move_custom_choice(field_id: UUID) -> Response:
    """Put the choice `key` at place `to` among those in use."""
    to = request.form.get("to", default=0, type=int)
    key = request.form.get("key", "")
    services.move_custom_choice(current_session(), current_actor(), field_id=field_id, key=key, to=to)
    return redirect(url_for(".edit_custom_field", field_id=field_id, _anchor="order"), 303)


def _absorb(form: CustomFieldForm, error: AppError) -> None:
    """A mistake in one of the choices stands beside all of them."""
    error.fields = {name.partition(".")[0]: text for name, text in error.fields.items()}
    form.absorb(error)


def _page(form: CustomFieldForm, field: FieldShape | None) -> str:
    counts = queries.custom_counts(current_session(), current_actor()) if field else {}
    return render_template(
        "contacts/custom_field.html",
        form=form,
        field=field,
        count=counts.get(field.id, 0) if field else 0,
        subjects=custom_words.SUBJECT_LABELS,
    )
