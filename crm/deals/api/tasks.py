"""REST: the tasks of a deal."""

from uuid import UUID

from flask import Response

from crm.accounts.guards import current_actor
from crm.deals import queries, services
from crm.deals.api.blueprint import blueprint
from crm.deals.api.shapes import DealTasksOut
from crm.interactions.api.tasks import TaskOut, task_out, tasks_out
from crm.interactions.services import TaskInput
from crm.web.api import answer, operation, read_json
from crm.web.sessions import current_session, request_now


@blueprint.get("/deals/<uuid:deal_id>/tasks")
@operation(tag="deals", returns=DealTasksOut, refuses=(404,))
def read_tasks(deal_id: UUID) -> Response:
    """Read the open tasks about a deal: promises first, then by date."""
    found = queries.tasks_of(current_session(), current_actor(), deal_id=deal_id)
    return answer(DealTasksOut(items=tasks_out([view.task for view in found])))


@blueprint.post("/deals/<uuid:deal_id>/tasks")
@operation(tag="deals", body=TaskInput, returns=TaskOut, status=201, refuses=(404,))
def add_task(deal_id: UUID) -> Response:
    """Add a task about a deal, and about its main person unless another person or company is named."""
    data = read_json(TaskInput)
    row = services.add_task(current_session(), current_actor(), deal_id=deal_id, data=data, now=request_now())
    return answer(task_out(row), 201, {"Location": f"/api/v1/tasks/{row.id}"})


@blueprint.put("/deals/<uuid:deal_id>/tasks/<uuid:task_id>")
@operation(tag="deals", status=204, refuses=(404,))
def put_task(deal_id: UUID, task_id: UUID) -> Response:
    """Let a task be about a deal; twice is once."""
    services.link_task(current_session(), current_actor(), deal_id=deal_id, task_id=task_id)
    return Response(status=204)


@blueprint.delete("/deals/<uuid:deal_id>/tasks/<uuid:task_id>")
@operation(tag="deals", status=204, refuses=(404,))
def remove_task(deal_id: UUID, task_id: UUID) -> Response:
    """Let a task be about a deal no longer; the task itself stays."""
    services.unlink_task(current_session(), current_actor(), deal_id=deal_id, task_id=task_id)
    return Response(status=204)
