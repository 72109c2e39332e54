"""REST: tasks and promises."""

from collections.abc import Sequence
from datetime import date, datetime, time
from typing import Annotated, Final
from uuid import UUID

from flask import Response
from pydantic import AwareDatetime, Field

from crm.accounts.guards import current_actor
from crm.contacts.inputs import Input, Line
from crm.interactions import queries, services
from crm.interactions.api.blueprint import blueprint
from crm.interactions.models import Task
from crm.interactions.queries import TaskFilter
from crm.interactions.services import ReminderInput, RepeatInput, TaskInput
from crm.web.api import (
    ApiModel,
    PageQuery,
    answer,
    operation,
    page_answer,
    page_model,
    read_json,
    read_query,
)
from crm.web.sessions import current_session, request_now


class TaskOut(ApiModel):
    """A task; `due_on` and `due_time` are meant in `time_zone`, `due_at` is the same instant everywhere."""

    id: UUID
    title: str
    contact_id: UUID | None
    company_id: UUID | None
    contact_ids: list[UUID] = []
    company_ids: list[UUID] = []
    is_promise: bool
    due_on: date | None
    due_time: time | None
    time_zone: str
    due_at: datetime | None
    reminder: ReminderInput | None = None
    remind_at: datetime | None
    #: How it comes back: completing it makes the next one.
    repeat: RepeatInput | None = None
    #: The task whose completion made this one.
    follows_id: UUID | None
    assignee_id: UUID | None
    done_at: datetime | None
    snoozed_until: datetime | None
    created_at: datetime


_MADE: Final = frozenset({"contact_ids", "company_ids", "reminder", "repeat"})


class TaskQuery(PageQuery):
    assignee_id: UUID | None = None
    done: bool = False
    promises_only: bool = False


class TaskPatch(TaskInput):
    """The fields to change."""

    title: Annotated[Line, Field(min_length=1)] = "-"


class SnoozeIn(Input):
    until: AwareDatetime


@blueprint.get("/tasks")
@operation(tag="tasks", query=TaskQuery, returns=page_model(TaskOut))
def list_tasks() -> Response:
    """List open tasks by due date, or done ones newest first."""
    query = read_query(TaskQuery)
    where = TaskFilter(assignee_id=query.assignee_id, done=query.done, promises_only=query.promises_only)
    session, actor = current_session(), current_actor()
    page = queries.list_tasks(session, actor, where=where, after=query.after, limit=query.limit)
    links = queries.links_of_tasks(session, actor, task_ids=[view.id for view in page.items])
    return page_answer(page, lambda view: _shown(view.task, links[view.id]))


def _shown(row: Task, links: queries.Links) -> TaskOut:
    plain = {name: getattr(row, name) for name in TaskOut.model_fields if name not in _MADE}
    how = services.reminder_of(row)
    has_reminder = how.days is not None or how.minutes is not None
    return TaskOut(
        **plain,
        contact_ids=links.contact_ids,
        company_ids=links.company_ids,
        reminder=ReminderInput(days=how.days, at=how.at, minutes=how.minutes) if has_reminder else None,
        repeat=services.repeat_of(row),
    )


def tasks_out(rows: Sequence[Task]) -> list[TaskOut]:
    """Tasks with all that they are about, in two statements."""
    links = queries.links_of_tasks(current_session(), current_actor(), task_ids=[row.id for row in rows])
    return [_shown(row, links[row.id]) for row in rows]


def task_out(row: Task) -> TaskOut:
    """A task with all that it is about, as far as the actor sees it."""
    return _shown(row, queries.links_of_task(current_session(), current_actor(), task_id=row.id))


@blueprint.post("/tasks")
@operation(tag="tasks", body=TaskInput, returns=TaskOut, status=201, refuses=(404,))
def create_task() -> Response:
    """Add a task or promise."""
    row = services.create_task(current_session(), current_actor(), data=read_json(TaskInput), now=request_now())
    return answer(task_out(row), 201, {"Location": f"/api/v1/tasks/{row.id}"})


@blueprint.get("/tasks/<uuid:task_id>")
@operation(tag="tasks", returns=TaskOut, refuses=(404,))
def read_task(task_id: UUID) -> Response:
    """Read a task."""
    return answer(task_out(queries.task(current_session(), current_actor(), task_id=task_id)))


@blueprint.patch("/tasks/<uuid:task_id>")
@operation(tag="tasks", body=TaskPatch, returns=TaskOut, refuses=(404,))
def change_task(task_id: UUID) -> Response:
    """Change some fields of a task."""
    changes = read_json(TaskPatch).model_dump(exclude_unset=True)
    row = services.update_task(current_session(), current_actor(), task_id=task_id, changes=changes, now=request_now())
    return answer(task_out(row))


@blueprint.delete("/tasks/<uuid:task_id>")
@operation(tag="tasks", status=204, refuses=(404,))
def delete_task(task_id: UUID) -> Response:
    """Delete a task for good."""
    services.delete_task(current_session(), current_actor(), task_id=task_id)
    return Response(status=204)


@blueprint.post("/tasks/<uuid:task_id>/done")
@operation(tag="tasks", returns=TaskOut, refuses=(404,))
def complete_task(task_id: UUID) -> Response:
    """Mark a task done; twice is once. A repeating task makes its next one."""
    row = services.complete_task(current_session(), current_actor(), task_id=task_id, now=request_now())
    return answer(task_out(row))


@blueprint.post("/tasks/<uuid:task_id>/reopen")
@operation(tag="tasks", returns=TaskOut, refuses=(404,))
def reopen_task(task_id: UUID) -> Response:
    """Mark a task not done after all; the next one that its completion made goes, unless it is done too."""
    return answer(task_out(services.reopen_task(current_session(), current_actor(), task_id=task_id)))


@blueprint.post("/tasks/<uuid:task_id>/snooze")
@operation(tag="tasks", body=SnoozeIn, returns=TaskOut, refuses=(404,))
def snooze_task(task_id: UUID) -> Response:
    """Keep a task out of sight until a time ahead."""
    data = read_json(SnoozeIn)
    row = services.snooze_task(current_session(), current_actor(), task_id=task_id, until=data.until, now=request_now())
    return answer(task_out(row))
