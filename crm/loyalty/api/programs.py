"""REST: programmes, their figures and earning rules."""

from datetime import date, datetime
from uuid import UUID

from flask import Response

from crm.accounts.guards import current_actor, requires
from crm.accounts.kinds import Permission
from crm.loyalty import queries, services
from crm.loyalty.api.blueprint import blueprint, picked
from crm.loyalty.services import ProgramInput, RuleInput
from crm.web.api import (
    ApiModel,
    PageQuery,
    answer,
    operation,
    page_model,
    read_json,
    read_query,
)
from crm.web.sessions import current_session, request_now


class ProgramOut(ApiModel):
    id: UUID
    name: str
    is_default: bool
    time_zone: str
    currency: str
    point_value_minor: int
    validity_months: int | None
    rules_text: str
    rules_version: int
    started_on: date | None
    ends_on: date | None


class ProgramReportOut(ApiModel):
    members: int
    outstanding: int
    pending: int
    owed: int
    liability_minor: int
    issued: int
    redeemed: int
    expired: int
    clawed_back: int


class RuleOut(ApiModel):
    id: UUID
    program_id: UUID
    name: str
    interaction_kind: str
    channel: str | None
    direction: str | None
    points: int
    cap_per_day: int | None
    validity_months: int | None
    is_active: bool
    created_at: datetime
    retired_at: datetime | None


@blueprint.get("/programs")
@operation(tag="loyalty", query=PageQuery, returns=page_model(ProgramOut))
def list_programs() -> Response:
    """List the programmes, the default one first."""
    read_query(PageQuery)
    rows = queries.programs(current_session(), current_actor())
    shown = [picked(ProgramOut, row) for row in rows]
    return answer(page_model(ProgramOut)(items=shown, next=None))


@blueprint.post("/programs")
@operation(tag="loyalty", body=ProgramInput, returns=ProgramOut, status=201)
@requires(Permission.MANAGE_LOYALTY)
def create_program() -> Response:
    """Start a programme; the first one is the default."""
    data = read_json(ProgramInput)
    row = services.create_program(current_session(), current_actor(), data=data, now=request_now())
    return answer(picked(ProgramOut, row), 201, {"Location": f"/api/v1/loyalty/programs/{row.id}"})


@blueprint.get("/programs/<uuid:program_id>")
@operation(tag="loyalty", returns=ProgramOut, refuses=(404,))
def read_program(program_id: UUID) -> Response:
    """Read a programme."""
    return answer(picked(ProgramOut, queries.program(current_session(), current_actor(), program_id=program_id)))


@blueprint.put("/programs/<uuid:program_id>")
@operation(tag="loyalty", body=ProgramInput, returns=ProgramOut, refuses=(404,))
@requires(Permission.MANAGE_LOYALTY)
def replace_program(program_id: UUID) -> Response:
    """Change a programme: what is left out gets its default."""
    row = services.update_program(
        current_session(), current_actor(), program_id=program_id, data=read_json(ProgramInput), now=request_now()
    )
    return answer(picked(ProgramOut, row))


@blueprint.get("/programs/<uuid:program_id>/report")
@operation(tag="loyalty", returns=ProgramReportOut, refuses=(404,))
def report(program_id: UUID) -> Response:
    """The programme in figures, with what the open points may cost."""
    found = queries.figures(current_session(), current_actor(), program_id=program_id, now=request_now())
    return answer(picked(ProgramReportOut, found))


@blueprint.get("/programs/<uuid:program_id>/rules")
@operation(tag="loyalty", query=PageQuery, returns=page_model(RuleOut), refuses=(404,))
def list_rules(program_id: UUID) -> Response:
    """List the earning rules of a programme, those in force first."""
    read_query(PageQuery)
    queries.program(current_session(), current_actor(), program_id=program_id)
    rows = queries.rules(current_session(), current_actor(), program_id=program_id)
    return answer(page_model(RuleOut)(items=[picked(RuleOut, row.rule) for row in rows], next=None))


@blueprint.post("/programs/<uuid:program_id>/rules")
@operation(tag="loyalty", body=RuleInput, returns=RuleOut, status=201, refuses=(404,))
@requires(Permission.MANAGE_LOYALTY)
def create_rule(program_id: UUID) -> Response:
    """Switch on an earning rule."""
    row = services.create_rule(
        current_session(), current_actor(), data=read_json(RuleInput), program_id=program_id, now=request_now()
    )
    return answer(picked(RuleOut, row), 201)


@blueprint.post("/rules/<uuid:rule_id>/retire")
@operation(tag="loyalty", returns=RuleOut, refuses=(404,))
@requires(Permission.MANAGE_LOYALTY)
def retire_rule(rule_id: UUID) -> Response:
    """Switch an earning rule off for good; what it gave stays."""
    row = services.retire_rule(current_session(), current_actor(), rule_id=rule_id, now=request_now())
    return answer(picked(RuleOut, row))
