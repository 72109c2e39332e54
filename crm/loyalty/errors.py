"""Owns the refusals of loyalty."""

from crm.errors import ConflictError, InvalidInputError, TooManyError
from crm.loyalty.rules.offers import Refusal


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
        super().__init__(f"refused: {reason.value}", code=reason.value)
        self.reason = reason


class TooManyGuessesError(TooManyError):
    """Too many wrong codes from this account, address or workspace."""

    code = "too_many_guesses"
