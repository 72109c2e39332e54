"""REST: tasks and promises."""

from datetime import date, datetime
from typing import Annotated
from uuid import UUID

from flask import Response
from pydantic import AwareDatetime, Field

from crm.accounts.guards import current_actor
from crm.contacts.inputs import Input, Line
from crm.interactions import queries, services
from crm.interactions.api.blueprint import blueprint
from crm.interactions.queries import TaskFilter
from crm.interactions.services import TaskInput
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
    id: UUID
    title: str
    contact_id: UUID | None
    company_id: UUID | None
    is_promise: bool
    due_on: date | None
    due_at: datetime | None
    assignee_id: UUID | None
    done_at: datetime | None
    snoozed_until: datetime | None
    created_at: datetime


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
    page = queries.list_tasks(current_session(), current_actor(), where=where, after=query.after, limit=query.limit)
    return page_answer(page, _task)


def _task(row: object) -> TaskOut:
    return TaskOut.model_validate({name: getattr(row, name) for name in TaskOut.model_fields})


@blueprint.post("/tasks")
@operation(tag="tasks", body=TaskInput, returns=TaskOut, status=201, refuses=(404,))
def create_task() -> Response:
    """Add a task or promise."""
    row = services.create_task(current_session(), current_actor(), data=read_json(TaskInput), now=request_now())
    return answer(_task(row), 201, {"Location": f"/api/v1/tasks/{row.id}"})


@blueprint.get("/tasks/<uuid:task_id>")
@operation(tag="tasks", returns=TaskOut, refuses=(404,))
def read_task(task_id: UUID) -> Response:
    """Read a task."""
    return answer(_task(queries.task(current_session(), current_actor(), task_id=task_id)))


@blueprint.patch("/tasks/<uuid:task_id>")
@operation(tag="tasks", body=TaskPatch, returns=TaskOut, refuses=(404,))
def change_task(task_id: UUID) -> Response:
    """Change some fields of a task."""
    changes = read_json(TaskPatch).model_dump(exclude_unset=True)
    row = services.update_task(current_session(), current_actor(), task_id=task_id, changes=changes, now=request_now())
    return answer(_task(row))


@blueprint.delete("/tasks/<uuid:task_id>")
@operation(tag="tasks", status=204, refuses=(404,))
def delete_task(task_id: UUID) -> Response:
    """Delete a task for good."""
    services.delete_task(current_session(), current_actor(), task_id=task_id)
    return Response(status=204)


@blueprint.post("/tasks/<uuid:task_id>/done")
@operation(tag="tasks", returns=TaskOut, refuses=(404,))
def complete_task(task_id: UUID) -> Response:
    """Mark a task done; twice is once."""
    row = services.complete_task(current_session(), current_actor(), task_id=task_id, now=request_now())
    return answer(_task(row))


@blueprint.post("/tasks/<uuid:task_id>/snooze")
@operation(tag="tasks", body=SnoozeIn, returns=TaskOut, refuses=(404,))
def snooze_task(task_id: UUID) -> Response:
    """Keep a task out of sight until a time ahead."""
    data = read_json(SnoozeIn)
    row = services.snooze_task(current_session(), current_actor(), task_id=task_id, until=data.until, now=request_now())
    return answer(_task(row))
