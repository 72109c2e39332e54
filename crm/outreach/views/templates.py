"""Texts to start from, under Settings."""

from uuid import UUID

from flask import flash, redirect, render_template, url_for
from flask.typing import ResponseReturnValue

from crm.accounts.guards import current_actor, requires
from crm.accounts.kinds import Permission
from crm.contacts.services import parsed
from crm.errors import AppError
from crm.outreach import queries, services
from crm.outreach.forms import TemplateForm
from crm.outreach.models import Template
from crm.outreach.views.blueprint import blueprint
from crm.outreach.words import VARIABLES
from crm.web.i18n import _
from crm.web.sessions import current_session, request_now

FIELDS = ("name", "purpose", "channel", "language", "subject", "body")


@blueprint.get("/settings/templates")
@requires(Permission.WRITE)
def templates() -> str:
    """All texts."""
    rows = queries.templates(current_session(), current_actor())
    return render_template("outreach/templates.html", templates=rows)


@blueprint.get("/settings/templates/new")
@requires(Permission.WRITE)
def new_template() -> str:
    """A blank text."""
    return _form(TemplateForm(), None)


@blueprint.post("/settings/templates/new")
@requires(Permission.WRITE)
def create_template() -> ResponseReturnValue:
    """Keep a new text; a mistake in its variables is told beside the text."""
    form = TemplateForm()
    if _saved(form, None) is None:
        return _form(form, None), 422
    flash(_("Saved."), "success")
    return redirect(url_for(".templates"), code=303)


@blueprint.get("/settings/templates/<uuid:template_id>")
@requires(Permission.WRITE)
def edit_template(template_id: UUID) -> str:
    """One text."""
    row = queries.template(current_session(), current_actor(), template_id=template_id)
    return _form(TemplateForm(data={name: getattr(row, name) for name in FIELDS}), row)


@blueprint.post("/settings/templates/<uuid:template_id>")
@requires(Permission.WRITE)
def update_template(template_id: UUID) -> ResponseReturnValue:
    """Change a text; drafts made from it are flagged for another look, never changed silently."""
    row = queries.template(current_session(), current_actor(), template_id=template_id)
    form = TemplateForm()
    if _saved(form, row) is None:
        return _form(form, row), 422
    flash(_("Saved. Drafts made from it ask for another look."), "success")
    return redirect(url_for(".templates"), code=303)


@blueprint.post("/settings/templates/<uuid:template_id>/delete")
@requires(Permission.WRITE)
def delete_template(template_id: UUID) -> ResponseReturnValue:
    """Remove a text; messages made from it stay."""
    services.delete_template(current_session(), current_actor(), template_id=template_id, now=request_now())
    flash(_("The text is gone; messages made from it stay."), "success")
    return redirect(url_for(".templates"), code=303)


def _form(form: TemplateForm, row: Template | None) -> str:
    return render_template("outreach/template_form.html", form=form, template=row, variables=VARIABLES)


def _saved(form: TemplateForm, row: Template | None) -> Template | None:
    if not form.validate_on_submit():
        return None
    session, actor = current_session(), current_actor()
    try:
        data = parsed(services.TemplateInput, {name: form.data[name] or "" for name in FIELDS})
        if row is None:
            return services.create_template(session, actor, data=data, now=request_now())
        return services.update_template(
            session, actor, template_id=row.id, data=data, expected_version=None, now=request_now()
        )
    except AppError as error:
        form.absorb(error)
        return None
