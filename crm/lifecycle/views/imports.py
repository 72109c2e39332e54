"""Pages of imports: upload, choose what the columns mean, watch, download what was refused."""

from pathlib import Path
from typing import cast
from uuid import UUID

from flask import Flask, Response, abort, current_app, flash, redirect, render_template, request, url_for
from flask.blueprints import BlueprintSetupState
from flask.typing import ResponseReturnValue
from werkzeug.exceptions import RequestEntityTooLarge
from werkzeug.wrappers import Response as AnyResponse

from crm.accounts.guards import admit, current_actor, requires
from crm.accounts.kinds import Permission, ProgressState
from crm.accounts.places import Choice, Step, Words, add_choice, add_words
from crm.accounts.services.progress import stands_still
from crm.contacts import queries as contacts
from crm.contacts.custom_rules import FieldShape
from crm.contacts.kinds import CustomSubject
from crm.db import after_commit
from crm.errors import AppError
from crm.files.services import FileTooLargeError
from crm.jobs import JobName
from crm.lifecycle import queries, services, words
from crm.lifecycle.forms import ChoicesForm, UploadForm
from crm.lifecycle.kinds import ImportState
from crm.lifecycle.refused import as_csv
from crm.lifecycle.views.blueprint import blueprint
from crm.settings import Settings
from crm.web.i18n import _, lazy, lazy_p, translated
from crm.web.sessions import current_session, request_now
from crm.web.uploads import refuse_large

may_import = requires(Permission.IMPORT)
RUNNING = frozenset({ProgressState.QUEUED, ProgressState.RUNNING})


@blueprint.record_once
def _offer(state: BlueprintSetupState) -> None:
    app = cast("Flask", state.app)
    add_words(
        app,
        {
            "import": Words(lazy_p("noun", "Import"), "file-import"),
            "import.started": Words(lazy("Started an import"), "file-import"),
            "export": Words(lazy_p("noun", "Export"), "file-export"),
            "export.started": Words(lazy("Exported people"), "file-export"),
            "export.fetched": Words(lazy("Downloaded an export"), "download"),
            "export.forgotten": Words(lazy("Removed the file of an export"), "trash"),
            "import.reverted": Words(lazy("Took an import back"), "arrow-back-up"),
            "changes.undone": Words(lazy("Took changes back"), "arrow-back-up"),
            "import.revert": Words(lazy("Import taken back"), "arrow-back-up"),
        },
    )
    add_choice(
        app,
        Choice(
            step=Step.PEOPLE,
            key="import",
            label=lazy("Import a list"),
            text=lazy("A table or cards from your address book, shop or old program."),
            icon="file-import",
            endpoint="lifecycle.new",
            primary=True,
            order=10,
        ),
    )


def file_folder() -> Path:
    """Where uploaded files lie."""
    return _settings().home / "files"


def upload_limit_mb() -> int:
    """The largest upload in MiB."""
    return _settings().max_upload_mb


def _settings() -> Settings:
    return current_app.extensions["crm_settings"]


@blueprint.get("/imports")
@may_import
def imports() -> str:
    """The list of imports."""
    page = queries.imports(current_session(), current_actor(), after=request.args.get("after"))
    return render_template("lifecycle/imports.html", page=page, states=words.STATES)


@blueprint.get("/imports/new")
@may_import
def new() -> str:
    """Choose a file."""
    return render_template("lifecycle/new.html", form=UploadForm(), limit=upload_limit_mb())


@blueprint.post("/imports/new")
@may_import
def upload() -> ResponseReturnValue:
    """Take the file."""
    form = UploadForm()
    if form.validate_on_submit():
        try:
            row = services.upload(
                current_session(),
                current_actor(),
                folder=file_folder(),
                name=form.file.data.filename or "",
                stream=form.file.data.stream,
                limit=upload_limit_mb() * 1024 * 1024,
                now=request_now(),
            )
            return redirect(url_for(".show", import_id=row.id))
        except FileTooLargeError as error:
            return _too_large(error)
        except AppError as error:
            form.file.errors = [translated(error.message)]
    return render_template("lifecycle/new.html", form=form, limit=upload_limit_mb()), 422


@blueprint.errorhandler(RequestEntityTooLarge)
def _too_large(_error: Exception) -> ResponseReturnValue:
    """The body was refused unread, before anybody was identified: say so where the file was chosen."""
    refused = admit()
    if refused is not None:
        return refused
    form = UploadForm(formdata=None)
    form.file.errors = [refuse_large()]
    return render_template("lifecycle/new.html", form=form, limit=upload_limit_mb()), 413


@blueprint.get("/imports/<uuid:import_id>")
@may_import
def show(import_id: UUID) -> str:
    """The choices before the start, the progress and result after it."""
    view = queries.view(current_session(), current_actor(), import_id=import_id)
    if view.row.state == ImportState.UPLOADED:
        return _choices(view.row.id, ChoicesForm.for_import(view.row, _own_fields()))
    return _result(view)


@blueprint.post("/imports/<uuid:import_id>")
@may_import
def configure(import_id: UUID) -> AnyResponse | tuple[str, int]:
    """Store the choices; start, or only show the preview anew."""
    session, actor = current_session(), current_actor()
    row = queries.get(session, actor, import_id=import_id)
    form = ChoicesForm.for_import(row, _own_fields())
    if not form.validate_on_submit():
        return _choices(import_id, form), 422
    try:
        services.configure(session, actor, import_id=import_id, choices=form.choices(), now=request_now())
        if "preview" in request.form:
            return redirect(url_for(".show", import_id=import_id, _anchor="preview"))
        services.start(session, actor, import_id=import_id, folder=file_folder(), now=request_now())
    except services.MappingError as error:
        for column, message in error.fields.items():
            if column in form.columns:
                form.columns[column].errors = [translated(message)]
        if not error.fields:
            form.form_errors.append(translated(error.message))
        return _choices(import_id, form), 422
    wake(import_id)
    flash(_("The import has started. You can leave this page: the bell tells you when it is done."), "success")
    return redirect(url_for(".show", import_id=import_id))


@blueprint.post("/imports/<uuid:import_id>/resume")
@may_import
def resume(import_id: UUID) -> AnyResponse:
    """Wake a worker again for an import that stands still; what was loaded is not loaded twice."""
    view = queries.view(current_session(), current_actor(), import_id=import_id)
    if view.row.state in {ImportState.QUEUED, ImportState.RUNNING}:
        wake(import_id)
    elif view.revert is not None and view.revert.state in RUNNING:
        wake(import_id, JobName.REVERT_IMPORT)
    else:
        raise services.ImportStateError(_("This import has ended."))
    return redirect(url_for(".show", import_id=import_id))


@blueprint.post("/imports/<uuid:import_id>/revert")
@may_import
def revert(import_id: UUID) -> AnyResponse:
    """Take the whole import back, as far as nobody changed it since."""
    try:
        services.ask_to_revert(current_session(), current_actor(), import_id=import_id, now=request_now())
    except services.NotRevertibleError as error:
        flash(translated(error.message), "bad")
    else:
        wake(import_id, JobName.REVERT_IMPORT)
    return redirect(url_for(".show", import_id=import_id))


@blueprint.get("/imports/<uuid:import_id>/revert/progress")
@may_import
def revert_progress(import_id: UUID) -> str | AnyResponse:
    """How far taking back is; at the end the browser loads the page with the result."""
    view = queries.view(current_session(), current_actor(), import_id=import_id)
    if view.revert is None:
        return redirect(url_for(".show", import_id=import_id), code=303)
    html = render_template("lifecycle/_reverting.html", view=view)
    return Response(html, headers={"HX-Refresh": "true"}) if view.revert.state not in RUNNING else html


@blueprint.get("/imports/<uuid:import_id>/progress")
@may_import
def progress(import_id: UUID) -> str | Response:
    """The progress bar alone; at the end the browser loads the page with the result."""
    view = queries.view(current_session(), current_actor(), import_id=import_id)
    if view.progress is None:
        abort(404)
    html = render_template("lifecycle/_progress.html", view=view)
    if view.row.state in {ImportState.DONE, ImportState.FAILED}:
        return Response(html, headers={"HX-Refresh": "true"})
    return html


@blueprint.get("/imports/<uuid:import_id>/refused.csv")
@may_import
def refused(import_id: UUID) -> Response:
    """The rows that did not go in, with their reasons, to correct and upload again."""
    session, actor = current_session(), current_actor()
    row = queries.get(session, actor, import_id=import_id)
    rows = queries.refused(session, actor, import_id=import_id)
    return Response(
        as_csv(row, rows),
        mimetype="text/csv",
        headers={"Content-Disposition": f'attachment; filename="refused-{import_id}.csv"'},
    )


def wake(import_id: UUID, job: JobName = JobName.RUN_IMPORT) -> None:
    """Ring for a worker once the request is committed."""
    workspace_id, jobs = current_actor().workspace_id, current_app.extensions["crm_jobs"]
    after_commit(
        current_session(),
        lambda: jobs.enqueue(job, id=f"{job}:{import_id}", workspace_id=workspace_id, import_id=import_id),
    )


def _own_fields() -> tuple[FieldShape, ...]:
    return contacts.custom_fields(current_session(), current_actor(), subject=CustomSubject.CONTACT)


def _choices(import_id: UUID, form: ChoicesForm) -> str:
    session, actor = current_session(), current_actor()
    row = queries.get(session, actor, import_id=import_id)
    return render_template(
        "lifecycle/choices.html",
        row=row,
        form=form,
        samples=queries.samples(session, row=row, folder=file_folder()),
        plans=queries.preview(session, actor, row=row, folder=file_folder()),
        program=words.program(row),
        actions=words.ACTIONS,
        why=words.why,
        changes=words.changes,
        shown=words.column,
    )


def _result(view: queries.ImportView) -> str:
    session, actor = current_session(), current_actor()
    return render_template(
        "lifecycle/result.html",
        view=view,
        row=view.row,
        still=view.progress is not None and stands_still(view.progress, now=request_now()),
        refused=queries.refused(session, actor, import_id=view.row.id, limit=100),
        tag=contacts.tag_by_name(session, actor, name=view.row.tag),
        reason=words.reason,
        shown=words.column,
        states=words.STATES,
    )
