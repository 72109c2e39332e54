"""REST: offers and the codes made of them."""

from datetime import date, datetime
from typing import Annotated
from uuid import UUID

from flask import Response
from pydantic import Field

from crm.accounts.guards import current_actor, requires
from crm.accounts.kinds import Permission
from crm.contacts import queries as contacts
from crm.errors import NotFoundError, worded
from crm.loyalty import queries, services
from crm.loyalty.api.blueprint import blueprint, picked
from crm.loyalty.kinds import OfferKind, OfferState, VoucherState
from crm.loyalty.services import OfferInput
from crm.web.api import (
    ApiModel,
    PageQuery,
    answer,
    operation,
    page_answer,
    page_model,
    parsed,
    read_json,
    read_query,
)
from crm.web.sessions import current_session, request_now


class OfferOut(ApiModel):
    id: UUID
    name: str
    kind: OfferKind
    percent: int | None
    amount_minor: int | None
    gift: str
    public_text: str
    terms: str
    currency: str
    state: OfferState
    starts_on: date | None
    ends_on: date | None
    limit_total: int | None
    limit_per_person: int
    budget_minor: int | None
    redeemed: int
    spent_minor: int
    created_at: datetime
    withdrawn_at: datetime | None


class OfferReportOut(ApiModel):
    given: int
    allocated: int
    active: int
    redeemed: int
    expired: int
    withdrawn: int
    released: int
    undone: int
    purchases_minor: int
    discount_minor: int


class OfferPatch(ApiModel):
    """The fields to change."""

    name: str | None = None
    kind: OfferKind | None = None
    percent: int | None = None
    amount_minor: int | None = None
    gift: str | None = None
    public_text: str | None = None
    terms: str | None = None
    starts_on: date | None = None
    ends_on: date | None = None
    limit_total: int | None = None
    limit_per_person: int | None = None
    budget_minor: int | None = None


class IssueIn(ApiModel):
    contact_ids: Annotated[list[UUID], Field(min_length=1, max_length=10_000)]


class IssuedOut(ApiModel):
    contact_id: UUID
    voucher_id: UUID
    code: str
    state: VoucherState


class IssueOut(ApiModel):
    """`left_out` had the offer as often as one person may."""

    vouchers: list[IssuedOut]
    left_out: list[UUID]


def _offer(offer_id: UUID) -> OfferOut:
    view = queries.offer(current_session(), current_actor(), offer_id=offer_id, now=request_now())
    return picked(OfferOut, view)


@blueprint.get("/offers")
@operation(tag="loyalty", query=PageQuery, returns=page_model(OfferOut))
def list_offers() -> Response:
    """List offers, newest first."""
    query = read_query(PageQuery)
    page = queries.list_offers(
        current_session(), current_actor(), after=query.after, limit=query.limit, now=request_now()
    )
    return page_answer(page, lambda row: picked(OfferOut, row))


@blueprint.post("/offers")
@operation(tag="loyalty", body=OfferInput, returns=OfferOut, status=201)
@requires(Permission.MANAGE_LOYALTY)
def create_offer() -> Response:
    """Make an offer: a percentage, a sum or a gift."""
    row = services.create_offer(current_session(), current_actor(), data=read_json(OfferInput), now=request_now())
    return answer(_offer(row.id), 201, {"Location": f"/api/v1/loyalty/offers/{row.id}"})


@blueprint.get("/offers/<uuid:offer_id>")
@operation(tag="loyalty", returns=OfferOut, refuses=(404,))
def read_offer(offer_id: UUID) -> Response:
    """Read an offer."""
    return answer(_offer(offer_id))


@blueprint.patch("/offers/<uuid:offer_id>")
@operation(tag="loyalty", body=OfferPatch, returns=OfferOut, refuses=(404, 409))
@requires(Permission.MANAGE_LOYALTY)
def change_offer(offer_id: UUID) -> Response:
    """Change an offer; what people hold codes for stays."""
    given = read_json(OfferPatch).model_dump(exclude_unset=True)
    known = {name: getattr(_offer(offer_id), name) for name in OfferInput.model_fields}
    data = parsed(OfferInput, {**known, **given})
    services.update_offer(current_session(), current_actor(), offer_id=offer_id, data=data, now=request_now())
    return answer(_offer(offer_id))


@blueprint.post("/offers/<uuid:offer_id>/withdraw")
@operation(tag="loyalty", returns=OfferOut, refuses=(404,))
@requires(Permission.MANAGE_LOYALTY)
def withdraw_offer(offer_id: UUID) -> Response:
    """End an offer and its codes; messages that carry one are cancelled."""
    services.withdraw_offer(current_session(), current_actor(), offer_id=offer_id, now=request_now())
    return answer(_offer(offer_id))


@blueprint.get("/offers/<uuid:offer_id>/report")
@operation(tag="loyalty", returns=OfferReportOut, refuses=(404,))
def offer_report(offer_id: UUID) -> Response:
    """What came of an offer."""
    _offer(offer_id)
    return answer(picked(OfferReportOut, queries.offer_report(current_session(), current_actor(), offer_id=offer_id)))


@blueprint.post("/offers/<uuid:offer_id>/issue")
@operation(tag="loyalty", body=IssueIn, returns=IssueOut, status=201, refuses=(404, 409))
@requires(Permission.WRITE)
def issue(offer_id: UUID) -> Response:
    """Make an active code for each contact, to be handed over by the caller."""
    session, actor, wanted = current_session(), current_actor(), set(read_json(IssueIn).contact_ids)
    if wanted - contacts.contacts(session, actor, contact_ids=wanted).keys():
        raise NotFoundError(worded("There is no such person, or you may not see them."), code="contact_not_found")
    now = request_now()
    made = services.allocate_vouchers(
        session, actor, offer_id=offer_id, contact_ids=wanted, source_kind="api", source_id=None, now=now
    )
    services.activate_vouchers(session, voucher_ids=[row.id for row in made.values()], now=now)
    vouchers = [
        IssuedOut(contact_id=contact_id, voucher_id=row.id, code=row.code, state=VoucherState(row.state))
        for contact_id, row in made.items()
    ]
    return answer(IssueOut(vouchers=vouchers, left_out=sorted(wanted - made.keys())), 201)
