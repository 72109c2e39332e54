"""Canned replies: managed under Settings, chosen beside an answer."""

from uuid import UUID

from flask import flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from crm.accounts.guards import current_actor, requires
from crm.accounts.kinds import Permission
from crm.contacts.services import parsed
from crm.errors import AppError
from crm.outreach import queries, services
from crm.outreach.forms import CannedForm
from crm.outreach.inbox_models import CannedReply
from crm.outreach.views.blueprint import blueprint
from crm.outreach.words import VARIABLES
from crm.web.i18n import _
from crm.web.sessions import current_session, request_now

FIELDS = ("title", "language", "body")
#: As many are offered at once; typing narrows them.
SHOWN = 50


@blueprint.get("/inbox/<uuid:conversation_id>/canned")
@requires(Permission.WRITE)
def canned_list(conversation_id: UUID) -> str:
    """Those with the typed words, filled in for this person; for htmx, or a page of links without script."""
    session, actor = current_session(), current_actor()
    opened = queries.conversation(session, actor, conversation_id=conversation_id)
    asked = request.args.get("q", "")[:100]
    rows = queries.canned_replies(session, actor, text=asked, limit=SHOWN)
    texts = services.canned_texts(session, actor, rows=rows, conversation_id=conversation_id)
    template = "outreach/_canned_list.html" if request.headers.get("HX-Request") else "outreach/canned_list.html"
    return render_template(template, rows=rows, texts=texts, opened=opened, asked=asked)


@blueprint.get("/settings/canned")
@requires(Permission.WRITE)
def canned() -> str:
    """All canned replies."""
    return render_template("outreach/canned.html", rows=queries.canned_replies(current_session(), current_actor()))


@blueprint.get("/settings/canned/new")
@requires(Permission.WRITE)
def new_canned() -> str:
    """A blank one."""
    return _form(CannedForm(formdata=None), None)


@blueprint.post("/settings/canned/new")
@requires(Permission.WRITE)
def add_canned() -> ResponseReturnValue:
    """Keep a new one."""
    form = CannedForm()
    if _saved(form, None) is None:
        return _form(form, None), 422
    flash(_("Saved."), "success")
    return redirect(url_for(".canned"), code=303)


@blueprint.get("/settings/canned/<uuid:canned_id>")
@requires(Permission.WRITE)
def edit_canned(canned_id: UUID) -> str:
    """One of them."""
    row = services.load_canned(current_session(), canned_id)
    return _form(CannedForm(formdata=None, data={name: getattr(row, name) for name in FIELDS}), row)


@blueprint.post("/settings/canned/<uuid:canned_id>")
@requires(Permission.WRITE)
def update_canned(canned_id: UUID) -> ResponseReturnValue:
    """Change one."""
    row, form = services.load_canned(current_session(), canned_id), CannedForm()
    if _saved(form, row) is None:
        return _form(form, row), 422
    flash(_("Saved."), "success")
    return redirect(url_for(".canned"), code=303)


@blueprint.post("/settings/canned/<uuid:canned_id>/delete")
@requires(Permission.WRITE)
def remove_canned(canned_id: UUID) -> ResponseReturnValue:
    """Remove one."""
    services.delete_canned(current_session(), current_actor(), canned_id=canned_id)
    flash(_("The canned reply is gone."), "success")
    return redirect(url_for(".canned"), code=303)


def _form(form: CannedForm, row: CannedReply | None) -> str:
    return render_template("outreach/canned_form.html", form=form, row=row, variables=VARIABLES)


def _saved(form: CannedForm, row: CannedReply | None) -> CannedReply | None:
    if not form.validate_on_submit():
        return None
    session, actor, now = current_session(), current_actor(), request_now()
    try:
        data = parsed(services.CannedReplyInput, {name: form.data[name] or "" for name in FIELDS})
        if row is None:
            return services.create_canned(session, actor, data=data, now=now)
        return services.update_canned(session, actor, canned_id=row.id, data=data, now=now)
    except AppError as error:
        form.absorb(error)
        return None
