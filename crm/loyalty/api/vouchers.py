"""REST: codes at the till."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

from flask import Response
from pydantic import Field

from crm.accounts.guards import current_actor, requires
from crm.accounts.kinds import Permission
from crm.errors import NotFoundError, worded
from crm.loyalty import queries, services
from crm.loyalty.api.blueprint import blueprint, ledger_key, picked
from crm.loyalty.api.offers import OfferOut
from crm.loyalty.errors import REFUSALS
from crm.loyalty.models import Redemption
from crm.loyalty.rules.offers import Refusal
from crm.web.api import (
    ApiModel,
    answer,
    operation,
    read_json,
)
from crm.web.sessions import current_session, request_now


class VoucherOut(ApiModel):
    """A code as the till sees it; `refusal` is None when it can be redeemed now."""

    code: str
    voucher_id: UUID
    refusal: Refusal | None
    holder_id: UUID | None
    holder_name: str
    holder_points: int | None
    offer: OfferOut


class RedeemIn(ApiModel):
    purchase_minor: Annotated[int, Field(strict=True)] | None = None
    contact_id: Annotated[UUID, Field(description="Who stands there: the code of anybody else is refused.")] | None = (
        None
    )


class RedemptionOut(ApiModel):
    id: UUID
    voucher_id: UUID
    offer_id: UUID
    contact_id: UUID | None
    purchase_minor: int | None
    discount_minor: int
    at: datetime
    undone_at: datetime | None


@blueprint.get("/vouchers/<code>")
@operation(tag="loyalty", returns=VoucherOut, refuses=(404, 429))
@requires(Permission.REDEEM)
def read_voucher(code: str) -> Response:
    """Look at a code as the till does."""
    seen = services.check_code(current_session(), current_actor(), code=code, now=request_now())
    if seen.voucher_id is None or seen.offer is None:
        reason = seen.refusal or Refusal.UNKNOWN
        raise NotFoundError(REFUSALS[reason], code=reason.value)
    shown = {name: getattr(seen, name) for name in VoucherOut.model_fields if name != "offer"}
    return answer(VoucherOut.model_validate({**shown, "offer": picked(OfferOut, seen.offer)}))


@blueprint.post("/vouchers/<code>/redeem")
@operation(tag="loyalty", body=RedeemIn, returns=RedemptionOut, status=201, refuses=(409, 429))
@requires(Permission.REDEEM)
def redeem(code: str) -> Response:
    """Redeem a code; a refusal is a 409 whose `code` is the true reason."""
    given = read_json(RedeemIn)
    row = services.redeem(
        current_session(),
        current_actor(),
        code=code,
        idempotency_key=ledger_key(),
        purchase_minor=given.purchase_minor,
        contact_id=given.contact_id,
        now=request_now(),
    )
    return answer(picked(RedemptionOut, row), 201)


@blueprint.post("/vouchers/<code>/undo")
@operation(tag="loyalty", returns=RedemptionOut, refuses=(404, 429))
@requires(Permission.REDEEM)
def undo(code: str) -> Response:
    """Take the code's redemption back: the code, the limits and the points return."""
    session, actor, now = current_session(), current_actor(), request_now()
    seen = services.check_code(session, actor, code=code, now=now)
    found: Redemption | None = None
    if seen.voucher_id is not None:
        found = queries.redemption_of(session, actor, voucher_id=seen.voucher_id)
    if found is None:
        raise NotFoundError(worded("This code was not redeemed."), code="not_redeemed")
    return answer(picked(RedemptionOut, services.undo_redemption(session, actor, redemption_id=found.id, now=now)))
