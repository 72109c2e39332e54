"""Pages of the timeline and of tasks: logging, taking back, the list of what is to do."""

from datetime import timedelta
from uuid import UUID

from flask import Blueprint, flash, redirect, render_template, request, url_for
from werkzeug.wrappers import Response

from crm.accounts.guards import current_actor, requires
from crm.accounts.kinds import Permission
from crm.accounts.signin import local_or
from crm.clock import local_day
from crm.contacts import queries as contact_queries
from crm.contacts.inputs import parsed
from crm.errors import InvalidInputError
from crm.interactions import queries, services
from crm.interactions.forms import LOGGED, LogForm, SnoozeForm, TaskForm
from crm.interactions.queries import TaskFilter
from crm.interactions.services import TaskInput
from crm.web.i18n import _, translated
from crm.web.sessions import current_session, request_now

blueprint = Blueprint("interactions", __name__)


def _back(default: str) -> Response:
    return redirect(local_or(request.form.get("back"), default), 303)


@blueprint.get("/contacts/<uuid:contact_id>/log")
@requires(Permission.EDIT)
def log_form(contact_id: UUID) -> str:
    """The form of a note, call or meeting, for people without script and for refused input."""
    form = LogForm(formdata=None)
    if request.args.get("mode") in set(LOGGED):
        form.mode.data = request.args["mode"]
    return _log_page(contact_id, form)


@blueprint.post("/contacts/<uuid:contact_id>/log")
@requires(Permission.EDIT)
def log(contact_id: UUID) -> Response | tuple[str, int]:
    """Log a note, call or meeting."""
    session, actor, now, form = current_session(), current_actor(), request_now(), LogForm()
    if form.validate_on_submit():
        values = form.values(tz=actor.time_zone, now=now)
        if values["kind"] == "note" and not values["body"]:
            form.body.errors = [*form.body.errors, _("Write what you want to note.")]
        else:
            try:
                row = services.log(session, actor, contact_id=contact_id, now=now, **values)
            except InvalidInputError as error:
                form.absorb(error)
            else:
                undo = url_for(".remove", interaction_id=row.id)
                flash({"text": _("It is on the timeline."), "undo_url": undo}, "ok")  # type: ignore[arg-type]
                return _back(url_for("contact_page.show", contact_id=contact_id))
    return _log_page(contact_id, form), 422


def _log_page(contact_id: UUID, form: LogForm) -> str:
    person = contact_queries.contact(current_session(), current_actor(), contact_id=contact_id)
    return render_template("interactions/log.html", form=form, person=person)


@blueprint.post("/interactions/<uuid:interaction_id>/remove")
@requires(Permission.EDIT)
def remove(interaction_id: UUID) -> Response:
    """Take an entry off the timeline."""
    row = services.remove(current_session(), current_actor(), interaction_id=interaction_id, now=request_now())
    flash(_("The entry is off the timeline."), "ok")
    return _to_timeline(row.contact_id, row.company_id)


@blueprint.post("/interactions/<uuid:interaction_id>/answered")
@requires(Permission.EDIT)
def answered(interaction_id: UUID) -> Response:
    """Say that somebody answered it."""
    row = services.mark_answered(current_session(), current_actor(), interaction_id=interaction_id, now=request_now())
    return _to_timeline(row.contact_id, row.company_id)


def _to_timeline(contact_id: UUID | None, company_id: UUID | None) -> Response:
    if contact_id is not None:
        return _back(url_for("contact_page.show", contact_id=contact_id))
    if company_id is not None:
        return _back(url_for("company_page.show", company_id=company_id))
    return _back(url_for("people.index"))


@blueprint.get("/tasks")
def tasks() -> str:
    """What is to do: mine, everybody's, promises, done; snoozed tasks wait for their day."""
    session, actor, now = current_session(), current_actor(), request_now()
    which = request.args.get("show", "mine")
    where = TaskFilter(
        assignee_id=actor.user_id if which in {"mine", "promises"} else None,
        done=which == "done",
        promises_only=which == "promises",
        awake_at=None if which in {"done", "all"} else now,
    )
    page = queries.list_tasks(session, actor, where=where, after=request.args.get("after"))
    today = local_day(now, tz=actor.time_zone)
    return render_template("interactions/tasks.html", page=page, which=which, today=today, now=now)


@blueprint.get("/tasks/new")
@requires(Permission.EDIT)
def new_task() -> str:
    """An empty form; `?contact=` or `?company=` say whom it is about, `?promise=1` that it was promised."""
    session, actor = current_session(), current_actor()
    form = TaskForm(formdata=None).offer(contact_queries.colleagues(session, actor))
    form.assignee_id.data = str(actor.user_id or "")
    form.is_promise.data = "promise" in request.args
    return _task_page(form)


@blueprint.post("/tasks/new")
@requires(Permission.EDIT)
def create_task() -> Response | tuple[str, int]:
    """Add the task."""
    session, actor = current_session(), current_actor()
    form = TaskForm().offer(contact_queries.colleagues(session, actor))
    contact_id, company_id = request.args.get("contact"), request.args.get("company")
    if form.validate_on_submit():
        try:
            about = {"contact_id": contact_id, "company_id": company_id}
            data = parsed(TaskInput, {**form.changes(), **about})
            services.create_task(session, actor, data=data, now=request_now())
        except InvalidInputError as error:
            form.absorb(error)
        else:
            return _after_task(data.contact_id, data.company_id)
    return _task_page(form), 422


def _after_task(contact_id: UUID | None, company_id: UUID | None) -> Response:
    if contact_id is not None:
        return redirect(url_for("contact_page.show", contact_id=contact_id), 303)
    if company_id is not None:
        return redirect(url_for("company_page.show", company_id=company_id), 303)
    return redirect(url_for(".tasks"), 303)


def _task_page(form: TaskForm, task: object = None) -> str:
    session, actor = current_session(), current_actor()
    person = company = None
    try:
        if request.args.get("contact"):
            person = contact_queries.contact(session, actor, contact_id=UUID(request.args["contact"]))
        elif request.args.get("company"):
            company = contact_queries.company(session, actor, company_id=UUID(request.args["company"]))
    except ValueError as error:
        raise contact_queries.ContactNotFoundError from error
    return render_template("interactions/task.html", form=form, task=task, person=person, company=company)


@blueprint.get("/tasks/<uuid:task_id>/edit")
@requires(Permission.EDIT)
def edit_task(task_id: UUID) -> str:
    """A task in its form."""
    session, actor = current_session(), current_actor()
    task = queries.task(session, actor, task_id=task_id)
    form = TaskForm(formdata=None, obj=task).offer(contact_queries.colleagues(session, actor))
    form.assignee_id.data = str(task.assignee_id or "")
    return _task_page(form, task)


@blueprint.post("/tasks/<uuid:task_id>/edit")
@requires(Permission.EDIT)
def change_task(task_id: UUID) -> Response | tuple[str, int]:
    """Save the task."""
    session, actor = current_session(), current_actor()
    task = queries.task(session, actor, task_id=task_id)
    form = TaskForm().offer(contact_queries.colleagues(session, actor))
    if form.validate_on_submit():
        try:
            services.update_task(session, actor, task_id=task_id, changes=form.changes(), now=request_now())
        except InvalidInputError as error:
            form.absorb(error)
        else:
            return _after_task(task.contact_id, task.company_id)
    return _task_page(form, task), 422


@blueprint.post("/tasks/<uuid:task_id>/done")
@requires(Permission.EDIT)
def toggle_task(task_id: UUID) -> Response:
    """Done, or not done after all."""
    session, actor = current_session(), current_actor()
    if queries.task(session, actor, task_id=task_id).done_at is None:
        services.complete_task(session, actor, task_id=task_id, now=request_now())
        flash({"text": _("Done."), "undo_url": url_for(".toggle_task", task_id=task_id)}, "ok")  # type: ignore[arg-type]
    else:
        services.reopen_task(session, actor, task_id=task_id)
    return _back(url_for(".tasks"))


@blueprint.post("/tasks/<uuid:task_id>/snooze")
@requires(Permission.EDIT)
def snooze_task(task_id: UUID) -> Response:
    """Out of sight until a day, by default tomorrow."""
    actor, now = current_actor(), request_now()
    form = SnoozeForm()
    if not form.until.data:
        form.until.data = local_day(now, tz=actor.time_zone) + timedelta(days=1)
    try:
        services.snooze_task(current_session(), actor, task_id=task_id, until=form.instant(tz=actor.time_zone), now=now)
    except InvalidInputError as error:
        flash(translated(error.message), "bad")
    else:
        flash(_("Put off."), "ok")
    return _back(url_for(".tasks"))


@blueprint.post("/tasks/<uuid:task_id>/delete")
@requires(Permission.EDIT)
def delete_task(task_id: UUID) -> Response:
    """Away for good."""
    services.delete_task(current_session(), current_actor(), task_id=task_id)
    return _back(url_for(".tasks"))
