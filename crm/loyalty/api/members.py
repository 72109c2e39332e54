"""REST: members, what they have, and the entries of the ledger."""

from datetime import date, datetime
from typing import Annotated, Any
from uuid import UUID

from flask import Response
from pydantic import Field

from crm.accounts.guards import current_actor, requires
from crm.accounts.kinds import Permission
from crm.loyalty import queries, services
from crm.loyalty.api.blueprint import blueprint, ledger_key, picked
from crm.loyalty.kinds import EntryKind
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

Reason = Annotated[str, Field(max_length=200)]


class MemberIn(ApiModel):
    contact_id: UUID
    program_id: UUID | None = None


class MemberQuery(PageQuery):
    program_id: UUID | None = None
    text: str = Field("", max_length=100, description="Beginning of the family name, or a member number.")


class MemberRowOut(ApiModel):
    member_id: UUID
    contact_id: UUID
    name: str
    number: str
    balance: int
    pending: int
    joined_at: datetime
    left_at: datetime | None


class StandingOut(ApiModel):
    member_id: UUID
    program_id: UUID
    contact_id: UUID | None
    number: str
    joined_at: datetime
    left_at: datetime | None
    balance: int
    debt: int
    pending: int
    next_expiry: datetime | None
    next_expiry_on: date | None
    next_expiry_points: int


class LineOut(ApiModel):
    id: UUID
    kind: EntryKind
    at: datetime
    points: int
    is_pending: bool
    rule_name: str
    note: str
    cause_kind: str
    cause_id: UUID | None
    reverses_id: UUID | None
    reversed_points: int


class EntryIn(ApiModel):
    """`points` are whole; only an `adjust` may be below zero."""

    member_id: UUID
    kind: Annotated[str, Field(pattern="^(earn|spend|adjust)$")]
    points: Annotated[int, Field(strict=True)]
    reason: Reason
    pending: bool = False


class EntryOut(ApiModel):
    id: UUID
    kind: EntryKind
    member_id: UUID
    at: datetime
    reverses_id: UUID | None
    standing: StandingOut


class ReverseIn(ApiModel):
    points: Annotated[int, Field(strict=True)] | None = None
    reason: Reason


def _standing(member_id: UUID) -> StandingOut:
    standing = queries.member_standing(current_session(), current_actor(), member_id=member_id, now=request_now())
    return picked(StandingOut, standing)


@blueprint.get("/members")
@operation(tag="loyalty", query=MemberQuery, returns=page_model(MemberRowOut))
def list_members() -> Response:
    """List members, those with the most points first."""
    query = read_query(MemberQuery)
    page = queries.list_members(
        current_session(),
        current_actor(),
        program_id=query.program_id,
        text=query.text,
        after=query.after,
        limit=query.limit,
    )
    return page_answer(page, lambda row: picked(MemberRowOut, row))


@blueprint.post("/members")
@operation(tag="loyalty", body=MemberIn, returns=StandingOut, status=201, refuses=(404, 409))
def join() -> Response:
    """Make a contact a member; a member already stays one."""
    data = read_json(MemberIn)
    row = services.join(
        current_session(), current_actor(), contact_id=data.contact_id, program_id=data.program_id, now=request_now()
    )
    return answer(_standing(row.id), 201, {"Location": f"/api/v1/loyalty/members/{row.id}"})


@blueprint.get("/members/<uuid:member_id>")
@operation(tag="loyalty", returns=StandingOut, refuses=(404,))
def read_member(member_id: UUID) -> Response:
    """What a member has now."""
    return answer(_standing(member_id))


@blueprint.post("/members/<uuid:member_id>/leave")
@operation(tag="loyalty", returns=StandingOut, refuses=(404,))
def leave(member_id: UUID) -> Response:
    """End a membership; the points stay."""
    services.leave(current_session(), current_actor(), member_id=member_id, now=request_now())
    return answer(_standing(member_id))


@blueprint.get("/members/<uuid:member_id>/statement")
@operation(tag="loyalty", query=PageQuery, returns=page_model(LineOut), refuses=(404,))
def statement(member_id: UUID) -> Response:
    """A member's movements with their why, newest first."""
    query = read_query(PageQuery)
    page = queries.statement(
        current_session(), current_actor(), member_id=member_id, after=query.after, limit=query.limit
    )
    return page_answer(page, lambda row: picked(LineOut, row))


@blueprint.post("/entries")
@operation(tag="loyalty", body=EntryIn, returns=EntryOut, status=201, refuses=(404, 409))
@requires(Permission.ADJUST_POINTS)
def create_entry() -> Response:
    """Give, take or adjust points; the Idempotency-Key is kept with the entry for ever."""
    data = read_json(EntryIn)
    given: dict[str, Any] = {
        "member_id": data.member_id,
        "points": data.points,
        "reason": data.reason,
        "idempotency_key": ledger_key(),
        "now": request_now(),
    }
    session, actor = current_session(), current_actor()
    if data.kind == EntryKind.EARN:
        entry = services.earn(session, actor, pending=data.pending, **given)
    elif data.kind == EntryKind.SPEND:
        entry = services.spend(session, actor, **given)
    else:
        entry = services.adjust(session, actor, **given)
    return _entry(entry)


@blueprint.post("/entries/<uuid:entry_id>/reverse")
@operation(tag="loyalty", body=ReverseIn, returns=EntryOut, status=201, refuses=(404, 409))
@requires(Permission.ADJUST_POINTS)
def reverse_entry(entry_id: UUID) -> Response:
    """Undo an entry, whole or in part, by a new one."""
    data = read_json(ReverseIn)
    entry = services.reverse(
        current_session(),
        current_actor(),
        entry_id=entry_id,
        points=data.points,
        reason=data.reason,
        idempotency_key=ledger_key(),
        now=request_now(),
    )
    return _entry(entry)


@blueprint.post("/entries/<uuid:entry_id>/confirm")
@operation(tag="loyalty", returns=EntryOut, status=201, refuses=(404, 409))
@requires(Permission.ADJUST_POINTS)
def confirm_entry(entry_id: UUID) -> Response:
    """Make the pending points of an entry spendable."""
    entry = services.confirm(
        current_session(), current_actor(), entry_id=entry_id, idempotency_key=ledger_key(), now=request_now()
    )
    return _entry(entry)


def _entry(entry: Any) -> Response:
    shown = {name: getattr(entry, name) for name in EntryOut.model_fields if name != "standing"}
    return answer(EntryOut.model_validate({**shown, "standing": _standing(entry.member_id)}), 201)
