"""Owns the words of loyalty: ledger accounts and transaction kinds, offers and the life of a voucher."""

from enum import StrEnum


class LedgerAccount(StrEnum):
    """The first two belong to a member, the others to the programme; each transaction sums to zero over all."""

    AVAILABLE = "available"
    PENDING = "pending"
    ISSUED = "issued"
    REDEEMED = "redeemed"
    EXPIRED = "expired"
    CLAWED_BACK = "clawed_back"


class EntryKind(StrEnum):
    EARN = "earn"
    SPEND = "spend"
    EXPIRE = "expire"
    ADJUST = "adjust"
    REVERSE = "reverse"
    MERGE = "merge"
    CLAW_BACK = "claw_back"
    CONFIRM = "confirm"
    VOID = "void"


class OfferKind(StrEnum):
    PERCENT = "percent"
    AMOUNT = "amount"
    GIFT = "gift"
    MULTIPLIER = "multiplier"


class OfferState(StrEnum):
    DRAFT = "draft"
    ACTIVE = "active"
    WITHDRAWN = "withdrawn"


class VoucherState(StrEnum):
    ALLOCATED = "allocated"
    ACTIVE = "active"
    ON_HOLD = "on_hold"
    REDEEMED = "redeemed"
    EXPIRED = "expired"
    WITHDRAWN = "withdrawn"
    RELEASED = "released"
