"""Decides what an offer is worth and whether a voucher may be redeemed."""

from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum

from crm.clock import end_of_day, local_instant
from crm.loyalty.kinds import OfferKind, OfferState, VoucherState


class Refusal(StrEnum):
    """Why a code was refused; staff see it, the public never does."""

    UNREADABLE = "unreadable"
    UNKNOWN = "unknown"
    OTHER_HOLDER = "other_holder"
    WITHDRAWN = "withdrawn"
    NOT_ACTIVE = "not_active"
    RELEASED = "released"
    USED = "used"
    NOT_STARTED = "not_started"
    EXPIRED = "expired"
    LIMIT_TOTAL = "limit_total"
    LIMIT_PERSON = "limit_person"
    PURCHASE_NEEDED = "purchase_needed"
    BUDGET = "budget"


@dataclass(frozen=True, slots=True, kw_only=True)
class OfferFacts:
    """What a decision needs to know of an offer; money in minor units."""

    kind: str
    state: str
    percent: int | None
    amount_minor: int | None
    valid_from: datetime | None
    valid_until: datetime | None
    limit_total: int | None
    limit_per_person: int
    budget_minor: int | None
    redeemed: int
    spent_minor: int


def discount(offer: OfferFacts, purchase_minor: int | None) -> int:
    """What the offer takes off a purchase, in minor units, half a unit rounded up, never more than the purchase.

    A percentage of an unknown purchase is 0; an amount off an unknown purchase counts in full; a gift counts 0.
    """
    if offer.kind == OfferKind.PERCENT and purchase_minor is not None and offer.percent is not None:
        return (purchase_minor * offer.percent + 50) // 100
    if offer.kind == OfferKind.AMOUNT and offer.amount_minor is not None:
        return offer.amount_minor if purchase_minor is None else min(offer.amount_minor, purchase_minor)
    return 0


def why_not_offer(offer: OfferFacts, *, at: datetime) -> Refusal | None:
    """Why the offer gives nothing to anybody at this instant; None when it does."""
    if offer.state != OfferState.ACTIVE:
        return Refusal.WITHDRAWN
    if offer.valid_from is not None and at < offer.valid_from:
        return Refusal.NOT_STARTED
    if offer.valid_until is not None and at >= offer.valid_until:
        return Refusal.EXPIRED
    if offer.limit_total is not None and offer.redeemed >= offer.limit_total:
        return Refusal.LIMIT_TOTAL
    return None


_BY_VOUCHER = {
    VoucherState.REDEEMED: Refusal.USED,
    VoucherState.WITHDRAWN: Refusal.WITHDRAWN,
    VoucherState.RELEASED: Refusal.RELEASED,
    VoucherState.EXPIRED: Refusal.EXPIRED,
    VoucherState.ALLOCATED: Refusal.NOT_ACTIVE,
}


def why_not(offer: OfferFacts, *, voucher_state: str, used_by_holder: int, at: datetime) -> Refusal | None:
    """Why this voucher can't be redeemed now; None when it can.

    `used_by_holder` counts the holder's redemptions of the same offer that were not undone. The most telling reason
    wins: a used code says so even when its offer has ended meanwhile.
    """
    if voucher_state == VoucherState.REDEEMED:
        return Refusal.USED
    reason = why_not_offer(offer, at=at)
    if reason is not None and reason is not Refusal.LIMIT_TOTAL:
        return reason
    by_state = _BY_VOUCHER.get(VoucherState(voucher_state))
    if by_state is not None:
        return by_state
    if used_by_holder >= offer.limit_per_person:
        return Refusal.LIMIT_PERSON
    return reason


def why_not_sum(offer: OfferFacts, *, purchase_minor: int | None) -> Refusal | None:
    """Why this purchase can't have the offer; None when it can.

    A percentage under a budget needs the purchase, because its discount must fit into what is left.
    """
    if offer.budget_minor is None:
        return None
    if offer.kind == OfferKind.PERCENT and purchase_minor is None:
        return Refusal.PURCHASE_NEEDED
    if offer.spent_minor + discount(offer, purchase_minor) > offer.budget_minor:
        return Refusal.BUDGET
    return None


def validity(starts_on: date | None, ends_on: date | None, *, tz: str) -> tuple[datetime | None, datetime | None]:
    """The instants of a validity given in local days: first moment to after the last second."""
    starts = local_instant(starts_on, datetime.min.time(), tz=tz) if starts_on else None
    return starts, (end_of_day(ends_on, tz=tz) if ends_on else None)
