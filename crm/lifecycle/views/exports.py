"""Pages of exports: ask for a list of people as a file, watch, fetch it, remove it."""

from uuid import UUID

from flask import Response, abort, current_app, flash, redirect, render_template, request, url_for
from werkzeug.wrappers import Response as AnyResponse

from crm.accounts.guards import current_actor, requires
from crm.accounts.kinds import Permission
from crm.accounts.services.progress import stands_still
from crm.db import after_commit
from crm.errors import AppError
from crm.files import services as files
from crm.jobs import JobName
from crm.lifecycle import queries, services, words
from crm.lifecycle.forms import ExportForm
from crm.lifecycle.kinds import ExportFormat, ExportState
from crm.lifecycle.views.blueprint import blueprint
from crm.lifecycle.views.imports import file_folder
from crm.web.downloads import as_download
from crm.web.i18n import _, translated
from crm.web.sessions import current_session, request_now

may_export = requires(Permission.EXPORT)
RUNNING = frozenset({ExportState.QUEUED, ExportState.RUNNING})


@blueprint.get("/exports")
@may_export
def exports() -> str:
    """What the reader asked for."""
    page = queries.exports(current_session(), current_actor(), after=request.args.get("after"))
    return render_template("lifecycle/exports.html", page=page, states=words.EXPORT_STATES, formats=words.FORMATS)


@blueprint.get("/exports/new")
@may_export
def new_export() -> str:
    """Choose the kind of file for the people whom the address means."""
    query = {key: request.args[key] for key in queries.WORDS if request.args.get(key)}
    return render_template("lifecycle/new_export.html", query=query, form=ExportForm(formdata=None))


@blueprint.post("/exports/new")
@may_export
def ask_for_export() -> AnyResponse | tuple[str, int]:
    """Begin to write the file."""
    query = {key: request.form[key] for key in queries.WORDS if request.form.get(key)}
    form, now = ExportForm(), request_now()
    if not form.validate_on_submit():
        return render_template("lifecycle/new_export.html", query=query, form=form), 422
    try:
        row = services.ask(
            current_session(),
            current_actor(),
            form=ExportFormat(form.format.data),
            query=query,
            wording=words.wording(now),
            now=now,
        )
    except AppError as error:
        problem = translated(error.message)
        return render_template("lifecycle/new_export.html", query={}, form=form, problem=problem), 422
    wake_export(row.id)
    return redirect(url_for(".show_export", export_id=row.id), code=303)


@blueprint.get("/exports/<uuid:export_id>")
@may_export
def show_export(export_id: UUID) -> str:
    """How far it is, and the file."""
    view = queries.export_view(current_session(), current_actor(), export_id=export_id)
    return render_template(
        "lifecycle/export.html",
        view=view,
        row=view.row,
        still=view.progress is not None and stands_still(view.progress, now=request_now()),
        states=words.EXPORT_STATES,
        formats=words.FORMATS,
    )


@blueprint.get("/exports/<uuid:export_id>/progress")
@may_export
def export_progress(export_id: UUID) -> str | Response:
    """The progress bar alone; at the end the browser loads the page with the file."""
    view = queries.export_view(current_session(), current_actor(), export_id=export_id)
    if view.progress is None:
        abort(404)
    html = render_template("lifecycle/_exporting.html", view=view)
    return html if view.row.state in RUNNING else Response(html, headers={"HX-Refresh": "true"})


@blueprint.post("/exports/<uuid:export_id>/resume")
@may_export
def resume_export(export_id: UUID) -> AnyResponse:
    """Wake a worker again for an export that stands still."""
    row = queries.export(current_session(), current_actor(), export_id=export_id)
    if row.state in RUNNING:
        wake_export(export_id)
    return redirect(url_for(".show_export", export_id=export_id), code=303)


@blueprint.get("/exports/<uuid:export_id>/file")
@may_export
def download_export(export_id: UUID) -> Response:
    """The file, for who asked for it, as long as it is kept."""
    return fetched(export_id)


@blueprint.post("/exports/<uuid:export_id>/forget")
@may_export
def forget_export(export_id: UUID) -> AnyResponse:
    """Remove the file before its time."""
    session, actor = current_session(), current_actor()
    row = queries.export(session, actor, export_id=export_id, lock=True)
    services.forget(session, actor, row=row, folder=file_folder())
    flash(_("The file is gone."), "ok")
    return redirect(url_for(".show_export", export_id=export_id), code=303)


def fetched(export_id: UUID) -> Response:
    """The file of an export as an answer; `ExportNotFoundError` where there is none (any more)."""
    session, actor, now = current_session(), current_actor(), request_now()
    stored = services.fetch(session, actor, export_id=export_id, now=now)
    source = files.chunks(session, folder=file_folder(), file_id=stored.id)
    return as_download(source, name=stored.name, size=stored.size)


def wake_export(export_id: UUID) -> None:
    """Ring for a worker once the request is committed."""
    workspace_id, jobs = current_actor().workspace_id, current_app.extensions["crm_jobs"]
    after_commit(
        current_session(),
        lambda: jobs.enqueue(
            JobName.RUN_EXPORT, id=f"export:{export_id}", workspace_id=workspace_id, export_id=export_id
        ),
    )
