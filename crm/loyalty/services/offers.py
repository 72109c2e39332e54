"""Makes, changes and withdraws offers."""

from datetime import date, datetime
from typing import Any
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, ValidationInfo, field_validator
from sqlalchemy import select, update
from sqlalchemy.orm import Session

from crm.accounts.kinds import Permission
from crm.accounts.models import Workspace
from crm.accounts.rules import Actor
from crm.errors import ConflictError, InvalidInputError, NotFoundError, worded
from crm.events import OfferWithdrawn, publish
from crm.loyalty.kinds import OfferKind, OfferState, VoucherState
from crm.loyalty.models import Offer, Voucher
from crm.loyalty.rules.offers import validity

MOST_MONEY = 1_000_000_000
"""The largest sum in minor units: what an `integer` column holds safely."""

LIVE = (VoucherState.ALLOCATED, VoucherState.ACTIVE, VoucherState.ON_HOLD)
"""The states of a voucher that can still be redeemed some day."""


VALUE_OF = {OfferKind.PERCENT: "percent", OfferKind.AMOUNT: "amount_minor", OfferKind.GIFT: "gift"}
"""Which field says what an offer of a kind is worth."""


class OfferInput(BaseModel):
    """A private promotion; money in minor units of the workspace's currency, days are local and inclusive."""

    model_config = ConfigDict(extra="forbid", frozen=True, str_strip_whitespace=True, validate_default=True)

    name: str = Field(min_length=1, max_length=120)
    kind: OfferKind
    percent: int | None = Field(None, ge=1, le=100, strict=True)
    amount_minor: int | None = Field(None, ge=1, le=MOST_MONEY, strict=True)
    gift: str = Field("", max_length=200)
    public_text: str = Field("", max_length=500)
    terms: str = Field("", max_length=5_000)
    starts_on: date | None = None
    ends_on: date | None = None
    limit_total: int | None = Field(None, ge=1, le=MOST_MONEY, strict=True)
    limit_per_person: int = Field(1, ge=1, le=1_000, strict=True)
    budget_minor: int | None = Field(None, ge=1, le=1_000 * MOST_MONEY, strict=True)

    @field_validator("kind")
    @classmethod
    def _can_be_made(cls, kind: OfferKind) -> OfferKind:
        if kind not in VALUE_OF:
            raise ValueError(worded("Offers of this kind can't be made."))
        return kind

    @field_validator("percent", "amount_minor", "gift")
    @classmethod
    def _one_value(cls, value: int | str | None, info: ValidationInfo) -> int | str | None:
        """Each kind has its own value and no other's."""
        kind = info.data.get("kind")
        if kind is None:
            return value
        if VALUE_OF[kind] == info.field_name and not value:
            raise ValueError(worded("Say what the offer is worth."))
        if VALUE_OF[kind] != info.field_name and value:
            raise ValueError(worded("An offer is worth one thing only: a percentage, a sum or a gift."))
        return value

    @field_validator("ends_on")
    @classmethod
    def _in_order(cls, ends_on: date | None, info: ValidationInfo) -> date | None:
        starts_on = info.data.get("starts_on")
        if ends_on and starts_on and ends_on < starts_on:
            raise ValueError(worded("It ends before it starts."))
        return ends_on


def create_offer(session: Session, actor: Actor, *, data: OfferInput, now: datetime) -> Offer:
    """Make an offer in the workspace's zone and currency; it is active from its first day.

    Raises `InvalidInputError` when its last day is over already, `ForbiddenError`.
    """
    actor.require(Permission.MANAGE_LOYALTY)
    workspace = session.get_one(Workspace, actor.workspace_id)
    offer = Offer(
        time_zone=workspace.time_zone,
        currency=workspace.currency,
        created_by_id=actor.user_id,
        created_at=now,
        redeemed=0,
        spent_minor=0,
        state=OfferState.ACTIVE.value,
        **_columns(data, tz=workspace.time_zone),
    )
    if offer.valid_until is not None and offer.valid_until <= now:
        sentence = worded("This day is over.")
        raise InvalidInputError(sentence, fields={"ends_on": sentence})
    session.add(offer)
    session.flush()
    return offer


def update_offer(session: Session, actor: Actor, *, offer_id: UUID, data: OfferInput, now: datetime) -> Offer:  # noqa: ARG001
    """Change an offer. Its kind and value stay once a code was made, because people were promised them.

    Raises `NotFoundError`, `ConflictError` (`withdrawn`, `promised`, `below_used`), `ForbiddenError`.
    """
    actor.require(Permission.MANAGE_LOYALTY)
    offer = lock_offer(session, offer_id=offer_id)
    if offer.state == OfferState.WITHDRAWN:
        raise ConflictError(worded("A withdrawn offer stays as it was."), code="withdrawn")
    values = _columns(data, tz=offer.time_zone)
    promised = [name for name in ("kind", "percent", "amount_minor", "gift") if values[name] != getattr(offer, name)]
    if promised and session.scalar(select(Voucher.id).where(Voucher.offer_id == offer.id).limit(1)):
        sentence = worded("People hold codes that promise this, so it can't change.")
        raise ConflictError(sentence, code="promised", fields=dict.fromkeys(promised, sentence))
    if data.limit_total is not None and data.limit_total < offer.redeemed:
        sentence = worded("More than that were used already.")
        raise ConflictError(sentence, code="below_used", fields={"limit_total": sentence})
    if data.budget_minor is not None and data.budget_minor < offer.spent_minor:
        sentence = worded("More than that was spent already.")
        raise ConflictError(sentence, code="below_used", fields={"budget_minor": sentence})
    for name, value in values.items():
        setattr(offer, name, value)
    session.flush()
    return offer


def withdraw_offer(session: Session, actor: Actor, *, offer_id: UUID, now: datetime) -> Offer:
    """End an offer: no code of it can be redeemed from now on, and messages that carry one are told.

    Withdrawing again changes nothing. Raises `NotFoundError`, `ForbiddenError`.
    """
    actor.require(Permission.MANAGE_LOYALTY)
    offer = lock_offer(session, offer_id=offer_id)
    if offer.state == OfferState.WITHDRAWN:
        return offer
    offer.state, offer.withdrawn_at = OfferState.WITHDRAWN.value, now
    session.flush()
    live = Voucher.state.in_([state.value for state in LIVE])
    voucher_ids = session.scalars(select(Voucher.id).where(Voucher.offer_id == offer.id, live).order_by(Voucher.id))
    # Messages before vouchers: a sender locks them in this order too, so the two can't wait for each other.
    publish(
        session,
        OfferWithdrawn(workspace_id=actor.workspace_id, now=now, offer_id=offer.id, voucher_ids=tuple(voucher_ids)),
    )
    session.execute(
        update(Voucher)
        .where(Voucher.offer_id == offer.id, live)
        .values(state=VoucherState.WITHDRAWN.value, ended_at=now)
        .execution_options(synchronize_session=False)
    )
    return offer


def lock_offer(session: Session, *, offer_id: UUID) -> Offer:
    """The offer under its row lock, which always comes before its vouchers' locks; raises `NotFoundError`."""
    offer = session.scalar(
        select(Offer).where(Offer.id == offer_id).with_for_update().execution_options(populate_existing=True)
    )
    if offer is None:
        raise NotFoundError(worded("There is no such offer."))
    return offer


def _columns(data: OfferInput, *, tz: str) -> dict[str, Any]:
    valid_from, valid_until = validity(data.starts_on, data.ends_on, tz=tz)
    values = data.model_dump(exclude={"starts_on", "ends_on"}) | {"valid_from": valid_from, "valid_until": valid_until}
    values["kind"] = data.kind.value
    return values
