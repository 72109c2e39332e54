"""Pages of tasks and promises."""

from datetime import timedelta
from typing import Any, Final
from uuid import UUID

from flask import flash, redirect, render_template, request, url_for
from werkzeug.wrappers import Response

from crm.accounts.guards import current_actor, requires
from crm.accounts.kinds import Permission
from crm.clock import local_day
from crm.contacts import queries as contact_queries
from crm.contacts.inputs import parsed
from crm.errors import InvalidInputError
from crm.interactions import queries, services
from crm.interactions.models import Task
from crm.interactions.queries import TaskFilter
from crm.interactions.services import TaskInput
from crm.interactions.task_forms import LinkTaskForm, SnoozeForm, TaskForm
from crm.interactions.views.blueprint import back_or, blueprint
from crm.web.i18n import _, translated
from crm.web.sessions import current_session, request_now

#: So many people and companies of a name are offered.
FOUND: Final = 8


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


def _task_page(form: TaskForm, task: Task | None = None, **more: Any) -> str:
    session, actor = current_session(), current_actor()
    person = company = None
    try:
        if request.args.get("contact"):
            person = contact_queries.contact(session, actor, contact_id=UUID(request.args["contact"]))
        elif request.args.get("company"):
            company = contact_queries.company(session, actor, company_id=UUID(request.args["company"]))
    except ValueError as error:
        raise contact_queries.ContactNotFoundError from error
    linked = _linked(task) if task is not None else []
    given = {"link_form": LinkTaskForm(formdata=None), "found": [], **more}
    return render_template(
        "interactions/task.html", form=form, task=task, person=person, company=company, linked=linked, **given
    )


def _linked(task: Task) -> list[tuple[UUID, str, str]]:
    """(id, name, address of the page) of what else a task is about."""
    session, actor = current_session(), current_actor()
    links = queries.links_of_task(session, actor, task_id=task.id)
    return [
        *((key, links.names[key], url_for("contact_page.show", contact_id=key)) for key in links.contact_ids),
        *((key, links.names[key], url_for("company_page.show", company_id=key)) for key in links.company_ids),
    ]


@blueprint.post("/tasks/<uuid:task_id>/links")
@requires(Permission.EDIT)
def link_task(task_id: UUID) -> Response | tuple[str, int]:
    """One more person or company found by name; several found ones are offered. `gone` takes one away."""
    session, actor = current_session(), current_actor()
    task = queries.task(session, actor, task_id=task_id)
    links = queries.links_of_task(session, actor, task_id=task_id)
    wanted = {"contact_ids": links.contact_ids, "company_ids": links.company_ids}
    if gone := request.form.get("gone"):
        wanted = {field: [key for key in keys if str(key) != gone] for field, keys in wanted.items()}
        services.update_task(session, actor, task_id=task_id, changes=wanted, now=request_now())
        return redirect(url_for(".edit_task", task_id=task_id), 303)
    form, hits = LinkTaskForm(), []
    if form.validate_on_submit():
        kinds = {contact_queries.HitKind.CONTACT: "contact_ids", contact_queries.HitKind.COMPANY: "company_ids"}
        hits = contact_queries.search(session, actor, text=form.other.data or "", limit=FOUND)
        hits = [hit for hit in hits if hit.kind in kinds]
        chosen = request.form.get("other_id", "")
        picked = next((hit for hit in hits if str(hit.id) == chosen), hits[0] if len(hits) == 1 else None)
        if picked is not None:
            wanted[kinds[picked.kind]] = [*wanted[kinds[picked.kind]], picked.id]
            services.update_task(session, actor, task_id=task_id, changes=wanted, now=request_now())
            return redirect(url_for(".edit_task", task_id=task_id), 303)
        if not hits:
            form.other.errors = [_("Nobody here has this name.")]
    shown = TaskForm(formdata=None, data={"title": task.title, "is_promise": task.is_promise})
    shown.offer(contact_queries.colleagues(session, actor)).show(task, tz=actor.time_zone)
    return _task_page(shown, task, link_form=form, found=hits), 422


@blueprint.get("/tasks/<uuid:task_id>/edit")
@requires(Permission.EDIT)
def edit_task(task_id: UUID) -> str:
    """A task in its form."""
    session, actor = current_session(), current_actor()
    task = queries.task(session, actor, task_id=task_id)
    form = TaskForm(formdata=None, data={"title": task.title, "is_promise": task.is_promise})
    form.offer(contact_queries.colleagues(session, actor)).show(task, tz=actor.time_zone)
    return _task_page(form, task)


@blueprint.post("/tasks/<uuid:task_id>/edit")
@requires(Permission.EDIT)
def change_task(task_id: UUID) -> Response | tuple[str, int]:
    """Save the task."""
    session, actor = current_session(), current_actor()
    task = queries.task(session, actor, task_id=task_id)
    form = TaskForm().offer(contact_queries.colleagues(session, actor)).keep_reminder(task)
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
    return back_or(url_for(".tasks"))


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
    return back_or(url_for(".tasks"))


@blueprint.post("/tasks/<uuid:task_id>/delete")
@requires(Permission.EDIT)
def delete_task(task_id: UUID) -> Response:
    """Away for good."""
    services.delete_task(current_session(), current_actor(), task_id=task_id)
    return back_or(url_for(".tasks"))
