"""Owns the refusals of loyalty."""

from crm.errors import ConflictError, InvalidInputError, TooManyError, worded
from crm.loyalty.rules.offers import Refusal

REFUSALS: dict[Refusal, str] = {
    Refusal.UNREADABLE: worded("This is no code. Look at each sign again."),
    Refusal.UNKNOWN: worded("There is no such code."),
    Refusal.WITHDRAWN: worded("This offer was withdrawn."),
    Refusal.OTHER_HOLDER: worded("This code belongs to somebody else."),
    Refusal.NOT_ACTIVE: worded("This code was made, but never sent to anybody."),
    Refusal.RELEASED: worded("This code was taken back: its message never left."),
    Refusal.USED: worded("This code was used already."),
    Refusal.NOT_STARTED: worded("This offer has not begun yet."),
    Refusal.EXPIRED: worded("This offer has ended."),
    Refusal.LIMIT_TOTAL: worded("This offer was used as often as it could be."),
    Refusal.LIMIT_PERSON: worded("This person has had the offer as often as one may."),
    Refusal.PURCHASE_NEEDED: worded("Write the sum of the purchase: this offer has a budget."),
    Refusal.BUDGET: worded("The budget of this offer does not cover this purchase."),
}
"""The true reason in words, for staff."""


class NoProgramError(ConflictError):
    """The workspace has no loyalty programme yet."""

    code = "no_program"


class NotMemberError(ConflictError):
    """The person has not joined, or has left."""

    code = "not_member"


class NotEnoughPointsError(ConflictError):
    """Fewer points can be spent than asked for."""

    code = "not_enough_points"


class KeyReusedError(ConflictError):
    """The idempotency key belongs to another request."""

    code = "idempotency_key_reused"


class NotReversibleError(ConflictError):
    """This kind of entry has no reversal, or nothing of it is left to reverse."""

    code = "not_reversible"


class BadRuleError(InvalidInputError):
    """An earning rule that can't be."""

    code = "bad_rule"


class RefusedError(ConflictError):
    """A voucher can't be redeemed; `reason` is the true one, for staff only."""

    def __init__(self, reason: Refusal) -> None:
        super().__init__(REFUSALS[reason], code=reason.value)
        self.reason = reason


class TooManyGuessesError(TooManyError):
    """Too many wrong codes from this account, address or workspace."""

    code = "too_many_guesses"
