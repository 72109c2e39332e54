"""Pages that bring in history: choose a file, say who is who, watch."""

from dataclasses import dataclass
from typing import Final
from uuid import UUID

from flask import Response, abort, current_app, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from werkzeug.exceptions import RequestEntityTooLarge

from crm.accounts.guards import admit, current_actor, requires
from crm.accounts.kinds import Permission
from crm.accounts.services.progress import stands_still
from crm.contacts import queries as contact_queries
from crm.db import after_commit
from crm.errors import AppError
from crm.filters.text import normalise
from crm.interactions import queries, words
from crm.interactions.forms import HistoryForm, WhoForm
from crm.interactions.kinds import HistoryFormat, HistoryState
from crm.interactions.services import history as services
from crm.interactions.timeline_models import HistoryFile
from crm.interactions.views.blueprint import blueprint, folder, upload_limit
from crm.jobs import JobName
from crm.web.i18n import _, translated
from crm.web.sessions import current_session, request_now
from crm.web.uploads import refuse_large

may_import = requires(Permission.IMPORT)
#: Names that are asked about; the others of a large collection are left out, the rarest first.
ASKED: Final = 60
_LIVE: Final = frozenset({HistoryState.QUEUED, HistoryState.RUNNING})


@dataclass(frozen=True, slots=True)
class Who:
    """One name of the file with what it may be: (value, label) pairs and the chosen one."""

    name: str
    count: int
    choices: list[tuple[str, str]]
    chosen: str


@blueprint.get("/history")
@may_import
def history() -> str:
    """What somebody brought in, and the form for more."""
    return _list_page(HistoryForm(formdata=None))


def _list_page(form: HistoryForm) -> str:
    page = queries.history_files(current_session(), current_actor(), after=request.args.get("after"))
    return render_template(
        "interactions/history.html",
        page=page,
        form=form,
        states=words.HISTORY_STATES,
        formats=words.HISTORY_FORMATS,
        limit=upload_limit() // 1024 // 1024,
    )


@blueprint.post("/history")
@may_import
def bring_history() -> ResponseReturnValue:
    """Take the file."""
    form = HistoryForm()
    if form.validate_on_submit():
        try:
            row = services.upload(
                current_session(),
                current_actor(),
                folder=folder(),
                name=form.file.data.filename or "",
                stream=form.file.data.stream,
                limit=upload_limit(),
                now=request_now(),
            )
        except AppError as error:
            form.file.errors = [translated(error.message)]
        else:
            return redirect(url_for(".history_file", history_id=row.id), 303)
    return _list_page(form), 422


@blueprint.errorhandler(RequestEntityTooLarge)
def _too_large(error: RequestEntityTooLarge) -> ResponseReturnValue:
    """The body was refused unread; for a file of history it is said where the file was chosen."""
    if request.endpoint != "interactions.bring_history":
        return error
    refused = admit()
    if refused is not None:
        return refused
    form = HistoryForm(formdata=None)
    form.file.errors = [refuse_large()]
    return _list_page(form), 413


@blueprint.get("/history/<uuid:history_id>")
@may_import
def history_file(history_id: UUID) -> str:
    """Who is who, before it starts; progress and result behind that."""
    view = queries.history_view(current_session(), current_actor(), history_id=history_id)
    if view.row.state == HistoryState.UPLOADED:
        return _who_page(view.row, WhoForm(formdata=None, data={"order": "day" if view.row.day_first else "month"}))
    return render_template(
        "interactions/history_result.html",
        view=view,
        row=view.row,
        running=view.row.state in _LIVE,
        still=view.progress is not None and stands_still(view.progress, now=request_now()),
        states=words.HISTORY_STATES,
        sentences=words.history_sentences(view.row),
    )


def _who_page(row: HistoryFile, form: WhoForm, *, given: dict[str, str] | None = None, wanted: str = "") -> str:
    session, actor = current_session(), current_actor()
    names = [(str(name), int(count)) for name, count in row.found]
    found = queries.candidates(session, actor, row=row, names=[name for name, _count in names])
    more = contact_queries.search(session, actor, text=wanted, limit=8) if wanted else []
    extra = [(str(hit.id), hit.name) for hit in more if hit.kind is contact_queries.HitKind.CONTACT]
    is_calendar = row.format == HistoryFormat.CALENDAR
    people = []
    for name, count in names:
        known = found.get(name, [])
        if is_calendar and not known:
            continue
        choices = {"": str(_("leave out")), **({} if is_calendar else {services.ME: str(_("this is me"))})}
        choices.update({str(one.id): one.name for one in known})
        choices.update(extra)
        people.append(Who(name, count, list(choices.items()), (given or {}).get(name, _guess(name, known))))
    return render_template(
        "interactions/history_who.html",
        row=row,
        form=form,
        people=people[:ASKED],
        left=len(names) - len(people[:ASKED]),
        is_calendar=is_calendar,
        asks_order=row.format == HistoryFormat.WHATSAPP,
        formats=words.HISTORY_FORMATS,
        wanted=wanted,
    )


def _guess(name: str, known: list[queries.Candidate]) -> str:
    if normalise(name) == normalise(current_actor().name):
        return services.ME
    return str(known[0].id) if known and known[0].is_sure else ""


@blueprint.post("/history/<uuid:history_id>")
@may_import
def start_history(history_id: UUID) -> ResponseReturnValue:
    """Start it, or look for somebody who was not offered."""
    session, actor = current_session(), current_actor()
    row = queries.history_file(session, actor, history_id=history_id)
    if row.state != HistoryState.UPLOADED:
        raise services.HistoryStateError(_("This history was started already."))
    form = WhoForm()
    # Only some names are asked about, so each choice travels with its own.
    asked = zip(request.form.getlist("name"), request.form.getlist("who"), strict=False)
    chosen = {name: value for name, value in asked if value}
    if "find" in request.form:
        return _who_page(row, form, given=chosen, wanted=(form.wanted.data or "").strip())
    if form.validate_on_submit():
        try:
            services.start(
                session,
                actor,
                history_id=history_id,
                people=chosen,
                day_first=form.order.data != "month",
                now=request_now(),
            )
        except AppError as error:
            form.absorb(error)
        else:
            wake(history_id)
            return redirect(url_for(".history_file", history_id=history_id), 303)
    return _who_page(row, form, given=chosen), 422


@blueprint.post("/history/<uuid:history_id>/resume")
@may_import
def resume_history(history_id: UUID) -> ResponseReturnValue:
    """Wake a worker again; what has landed doesn't land twice."""
    row = queries.history_file(current_session(), current_actor(), history_id=history_id)
    if row.state in _LIVE:
        wake(history_id)
    return redirect(url_for(".history_file", history_id=history_id), 303)


@blueprint.post("/history/<uuid:history_id>/discard")
@may_import
def discard_history(history_id: UUID) -> ResponseReturnValue:
    """Throw an uploaded file away."""
    services.discard(current_session(), current_actor(), history_id=history_id, folder=folder())
    flash(_("The file is gone; nothing was put on any timeline."), "ok")
    return redirect(url_for(".history"), 303)


@blueprint.get("/history/<uuid:history_id>/progress")
@may_import
def history_progress(history_id: UUID) -> str | Response:
    """The progress bar alone; at the end the browser loads the page with the result."""
    view = queries.history_view(current_session(), current_actor(), history_id=history_id)
    if view.progress is None:
        abort(404)
    html = render_template("interactions/_history_progress.html", view=view, running=view.row.state in _LIVE)
    return html if view.row.state in _LIVE else Response(html, headers={"HX-Refresh": "true"})


def wake(history_id: UUID) -> None:
    """Ring for a worker once the request is committed."""
    workspace_id, jobs = current_actor().workspace_id, current_app.extensions["crm_jobs"]
    after_commit(
        current_session(),
        lambda: jobs.enqueue(
            JobName.BRING_HISTORY, id=f"history:{history_id}", workspace_id=workspace_id, history_id=history_id
        ),
    )
