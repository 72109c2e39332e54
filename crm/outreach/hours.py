"""Owns which answers of the gate are about the hour: another one helps, and it can say which."""

from typing import Final

from crm.outreach.rules import Objection, Reason, Verdict

#: There is no later hour to offer, and this one is wrong all the same.
_WITHOUT_END: Final = frozenset({Reason.TOO_LATE, Reason.NEVER_OPEN})


def hour_objection(verdict: Verdict) -> Objection | None:
    """What speaks against this hour: a refusal that ends at a known time, else a warning about the hour itself.

    A refusal that no other hour changes (no consent, a pause) is none; neither are warnings about the person.
    """
    first = verdict.first
    if first is not None:
        return first if first.until is not None or first.reason in _WITHOUT_END else None
    return next((each for each in verdict.warnings if each.reason is Reason.OUTSIDE_WINDOW), None)
