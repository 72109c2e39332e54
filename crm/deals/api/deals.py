"""REST: deals, where they stood, and who takes part."""

from uuid import UUID

from flask import Response

from crm.accounts.guards import current_actor
from crm.deals import queries, services
from crm.deals.api.blueprint import blueprint
from crm.deals.api.shapes import (
    DealCreate,
    DealMove,
    DealOut,
    DealPatch,
    DealPeopleOut,
    DealPersonOut,
    DealPersonPut,
    DealQuery,
    StayOut,
    StaysOut,
)
from crm.deals.queries import DealCard, DealFilter
from crm.web.api import (
    answer,
    etag,
    expected_version,
    operation,
    page_answer,
    page_model,
    read_json,
    read_query,
)
from crm.web.sessions import current_session, request_now


def _shown(card: DealCard) -> DealOut:
    return DealOut.model_validate({name: getattr(card, name) for name in DealOut.model_fields})


def _one(deal_id: UUID, status: int = 200, **headers: str) -> Response:
    card = queries.card(current_session(), current_actor(), deal_id=deal_id, now=request_now())
    return answer(_shown(card), status, {"ETag": etag(card.version), **headers})


@blueprint.get("/deals")
@operation(tag="deals", query=DealQuery, returns=page_model(DealOut))
def list_deals() -> Response:
    """List the deals that you may see, filtered and in one order."""
    query = read_query(DealQuery)
    names = ("state", "pipeline_id", "stage_id", "contact_id", "company_id", "whose", "closing", "rotting")
    page = queries.list_deals(
        current_session(),
        current_actor(),
        where=DealFilter(**{name: getattr(query, name) for name in names}),
        sort=query.sort,
        descending=query.descending,
        after=query.after,
        limit=query.limit,
        now=request_now(),
    )
    return page_answer(page, _shown)


@blueprint.post("/deals")
@operation(tag="deals", body=DealCreate, returns=DealOut, status=201, refuses=(404,))
def create_deal() -> Response:
    """Add a deal; it begins in an open stage and is told on the timeline of its person."""
    data = read_json(DealCreate)
    row = services.create(current_session(), current_actor(), data=data, now=request_now())
    return _one(row.id, 201, Location=f"/api/v1/deals/{row.id}")


@blueprint.get("/deals/<uuid:deal_id>")
@operation(tag="deals", returns=DealOut, refuses=(404,))
def read_deal(deal_id: UUID) -> Response:
    """Read a deal; the ETag names the version."""
    return _one(deal_id)


@blueprint.patch("/deals/<uuid:deal_id>")
@operation(tag="deals", body=DealPatch, returns=DealOut, refuses=(404, 412))
def change_deal(deal_id: UUID) -> Response:
    """Change some fields; with If-Match only on that version (412 otherwise)."""
    services.update(
        current_session(),
        current_actor(),
        deal_id=deal_id,
        changes=read_json(DealPatch).model_dump(exclude_unset=True),
        expected_version=expected_version(),
        now=request_now(),
    )
    return _one(deal_id)


@blueprint.post("/deals/<uuid:deal_id>/move")
@operation(tag="deals", body=DealMove, returns=DealOut, refuses=(404, 409))
def move_deal(deal_id: UUID) -> Response:
    """Move a deal to another stage or place; with If-Match only that version (409 otherwise).

    `pipeline_id` says that the stage belongs to another pipeline; `after_id` or `before_id` where it stands in it.
    """
    services.move(
        current_session(),
        current_actor(),
        deal_id=deal_id,
        data=read_json(DealMove),
        expected_version=expected_version(),
        now=request_now(),
    )
    return _one(deal_id)


@blueprint.delete("/deals/<uuid:deal_id>")
@operation(tag="deals", status=204, refuses=(404,))
def delete_deal(deal_id: UUID) -> Response:
    """Take a deal off lists and totals."""
    services.delete(current_session(), current_actor(), deal_id=deal_id, now=request_now())
    return Response(status=204)


@blueprint.post("/deals/<uuid:deal_id>/restore")
@operation(tag="deals", returns=DealOut, refuses=(404, 409))
def restore_deal(deal_id: UUID) -> Response:
    """Bring a deleted deal back."""
    services.restore(current_session(), current_actor(), deal_id=deal_id, now=request_now())
    return _one(deal_id)


@blueprint.get("/deals/<uuid:deal_id>/stages")
@operation(tag="deals", returns=StaysOut, refuses=(404,))
def read_stays(deal_id: UUID) -> Response:
    """Read where a deal stood and for how many days, oldest first."""
    found = queries.stays(current_session(), current_actor(), deal_id=deal_id, now=request_now())
    return answer(StaysOut(items=[StayOut.model_validate(stay) for stay in found]))


@blueprint.get("/deals/<uuid:deal_id>/people")
@operation(tag="deals", returns=DealPeopleOut, refuses=(404,))
def read_people(deal_id: UUID) -> Response:
    """Read who takes part in a deal, the main person first."""
    found = queries.people_of(current_session(), current_actor(), deal_id=deal_id)
    people = [DealPersonOut(contact_id=p.contact_id, name=p.name, role=p.role, is_main=p.is_main) for p in found]
    return answer(DealPeopleOut(items=people))


@blueprint.put("/deals/<uuid:deal_id>/people/<uuid:contact_id>")
@operation(tag="deals", body=DealPersonPut, status=204, refuses=(404,))
def put_person(deal_id: UUID, contact_id: UUID) -> Response:
    """Link a person to a deal, or change their part in it."""
    data = read_json(DealPersonPut)
    services.add_person(
        current_session(),
        current_actor(),
        deal_id=deal_id,
        contact_id=contact_id,
        role=data.role,
        is_main=data.is_main,
    )
    return Response(status=204)


@blueprint.delete("/deals/<uuid:deal_id>/people/<uuid:contact_id>")
@operation(tag="deals", status=204, refuses=(404,))
def remove_person(deal_id: UUID, contact_id: UUID) -> Response:
    """Unlink a person from a deal."""
    services.remove_person(current_session(), current_actor(), deal_id=deal_id, contact_id=contact_id)
    return Response(status=204)


@blueprint.put("/deals/<uuid:deal_id>/companies/<uuid:company_id>")
@operation(tag="deals", status=204, refuses=(404,))
def put_company(deal_id: UUID, company_id: UUID) -> Response:
    """Link a company to a deal; twice is once."""
    services.add_company(current_session(), current_actor(), deal_id=deal_id, company_id=company_id)
    return Response(status=204)


@blueprint.delete("/deals/<uuid:deal_id>/companies/<uuid:company_id>")
@operation(tag="deals", status=204, refuses=(404,))
def remove_company(deal_id: UUID, company_id: UUID) -> Response:
    """Unlink a company from a deal."""
    services.remove_company(current_session(), current_actor(), deal_id=deal_id, company_id=company_id)
    return Response(status=204)
