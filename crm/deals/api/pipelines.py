"""REST: pipelines, their stages, and why deals are lost."""

from uuid import UUID

from flask import Response

from crm.accounts.guards import current_actor, requires
from crm.accounts.kinds import Permission
from crm.deals import queries, services
from crm.deals.api.blueprint import blueprint
from crm.deals.api.shapes import (
    DealStageCreate,
    DealStageOut,
    DealStagePut,
    DealStagesOut,
    LostReasonIn,
    LostReasonOut,
    LostReasonsOut,
    Order,
    PipelineCreate,
    PipelineOut,
    PipelinePatch,
    PipelineQuery,
    PipelinesOut,
    StageRemoval,
)
from crm.web.api import answer, operation, read_json, read_query
from crm.web.sessions import current_session, request_now


@blueprint.get("/pipelines")
@operation(tag="deals", query=PipelineQuery, returns=PipelinesOut)
def list_pipelines() -> Response:
    """List the pipelines in use, in their order, or those put away."""
    archived = read_query(PipelineQuery).archived
    rows = queries.pipelines(current_session(), current_actor(), archived=archived)
    return answer(PipelinesOut(items=[PipelineOut.model_validate(row) for row in rows]))


@blueprint.post("/pipelines")
@requires(Permission.MANAGE_PIPELINES)
@operation(tag="deals", body=PipelineCreate, returns=PipelineOut, status=201)
def create_pipeline() -> Response:
    """Add a pipeline with its stages."""
    data = read_json(PipelineCreate)
    row = services.create_pipeline(
        current_session(), current_actor(), name=data.name, stages=data.stages, now=request_now()
    )
    return answer(PipelineOut.model_validate(row), 201)


@blueprint.put("/pipelines/order")
@requires(Permission.MANAGE_PIPELINES)
@operation(tag="deals", body=Order, returns=PipelinesOut)
def order_pipelines() -> Response:
    """Put the pipelines in use in another order."""
    session, actor = current_session(), current_actor()
    services.order_pipelines(session, actor, pipeline_ids=read_json(Order).ids)
    rows = queries.pipelines(session, actor)
    return answer(PipelinesOut(items=[PipelineOut.model_validate(row) for row in rows]))


@blueprint.patch("/pipelines/<uuid:pipeline_id>")
@requires(Permission.MANAGE_PIPELINES)
@operation(tag="deals", body=PipelinePatch, returns=PipelineOut, refuses=(404,))
def rename_pipeline(pipeline_id: UUID) -> Response:
    """Give a pipeline another name."""
    name = read_json(PipelinePatch).name
    row = services.rename_pipeline(current_session(), current_actor(), pipeline_id=pipeline_id, name=name)
    return answer(PipelineOut.model_validate(row))


@blueprint.post("/pipelines/<uuid:pipeline_id>/archive")
@requires(Permission.MANAGE_PIPELINES)
@operation(tag="deals", returns=PipelineOut, refuses=(404, 409))
def archive_pipeline(pipeline_id: UUID) -> Response:
    """Put a pipeline away; one with open deals is refused."""
    row = services.archive_pipeline(current_session(), current_actor(), pipeline_id=pipeline_id, now=request_now())
    return answer(PipelineOut.model_validate(row))


@blueprint.post("/pipelines/<uuid:pipeline_id>/unarchive")
@requires(Permission.MANAGE_PIPELINES)
@operation(tag="deals", returns=PipelineOut, refuses=(404,))
def unarchive_pipeline(pipeline_id: UUID) -> Response:
    """Take a pipeline into use again."""
    row = services.unarchive_pipeline(current_session(), current_actor(), pipeline_id=pipeline_id)
    return answer(PipelineOut.model_validate(row))


@blueprint.get("/pipelines/<uuid:pipeline_id>/stages")
@operation(tag="deals", returns=DealStagesOut, refuses=(404,))
def list_stages(pipeline_id: UUID) -> Response:
    """List the stages of a pipeline, in their order."""
    session, actor = current_session(), current_actor()
    queries.pipeline(session, actor, pipeline_id=pipeline_id)
    rows = queries.stages(session, actor, pipeline_id=pipeline_id)
    return answer(DealStagesOut(items=[DealStageOut.model_validate(row) for row in rows]))


@blueprint.post("/pipelines/<uuid:pipeline_id>/stages")
@requires(Permission.MANAGE_PIPELINES)
@operation(tag="deals", body=DealStageCreate, returns=DealStageOut, status=201, refuses=(404,))
def add_stage(pipeline_id: UUID) -> Response:
    """Add a stage: an open one behind the open ones, another at the end."""
    data = read_json(DealStageCreate)
    row = services.add_stage(current_session(), current_actor(), pipeline_id=pipeline_id, data=data)
    return answer(DealStageOut.model_validate(row), 201)


@blueprint.put("/pipelines/<uuid:pipeline_id>/stages/order")
@requires(Permission.MANAGE_PIPELINES)
@operation(tag="deals", body=Order, returns=DealStagesOut, refuses=(404,))
def order_stages(pipeline_id: UUID) -> Response:
    """Put the stages of a pipeline in another order."""
    session, actor = current_session(), current_actor()
    services.order_stages(session, actor, pipeline_id=pipeline_id, stage_ids=read_json(Order).ids)
    rows = queries.stages(session, actor, pipeline_id=pipeline_id)
    return answer(DealStagesOut(items=[DealStageOut.model_validate(row) for row in rows]))


@blueprint.put("/deal-stages/<uuid:stage_id>")
@requires(Permission.MANAGE_PIPELINES)
@operation(tag="deals", body=DealStagePut, returns=DealStageOut, refuses=(404, 409))
def change_stage(stage_id: UUID) -> Response:
    """Change name, chance and days of a stage; what it means only while no deal ever stood in it."""
    data = read_json(DealStagePut)
    row = services.change_stage(current_session(), current_actor(), stage_id=stage_id, data=data)
    return answer(DealStageOut.model_validate(row))


@blueprint.delete("/deal-stages/<uuid:stage_id>")
@requires(Permission.MANAGE_PIPELINES)
@operation(tag="deals", query=StageRemoval, status=204, refuses=(404, 409))
def remove_stage(stage_id: UUID) -> Response:
    """Take a stage out of use; one with deals needs `move_to`, another stage that means the same."""
    wanted = read_query(StageRemoval)
    services.remove_stage(
        current_session(), current_actor(), stage_id=stage_id, move_to=wanted.move_to, now=request_now()
    )
    return Response(status=204)


@blueprint.get("/lost-reasons")
@operation(tag="deals", returns=LostReasonsOut)
def list_reasons() -> Response:
    """List the reasons for which deals are lost, by name."""
    rows = queries.lost_reasons(current_session(), current_actor())
    return answer(LostReasonsOut(items=[LostReasonOut.model_validate(row) for row in rows]))


@blueprint.post("/lost-reasons")
@requires(Permission.MANAGE_PIPELINES)
@operation(tag="deals", body=LostReasonIn, returns=LostReasonOut, status=201)
def add_reason() -> Response:
    """Add a reason; the same words twice are one."""
    row = services.add_reason(current_session(), current_actor(), name=read_json(LostReasonIn).name)
    return answer(LostReasonOut.model_validate(row), 201)


@blueprint.delete("/lost-reasons/<uuid:reason_id>")
@requires(Permission.MANAGE_PIPELINES)
@operation(tag="deals", status=204, refuses=(404,))
def remove_reason(reason_id: UUID) -> Response:
    """Offer a reason no more; deals that were lost for it keep it."""
    services.remove_reason(current_session(), current_actor(), reason_id=reason_id, now=request_now())
    return Response(status=204)
