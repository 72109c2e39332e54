"""Owns how consent is put into words."""

from typing import Final

from crm.accounts.places import Words
from crm.consent.kinds import Basis, ConsentAction, ConsentPurpose, SuppressionReason
from crm.web.i18n import lazy

#: What the audit log tells of consent.
TOLD: Final = {"suppression.lifted": Words(lazy("Allowed writing to a suppressed address again"), "lock")}
PURPOSE_LABELS: Final = {
    ConsentPurpose.PROMOTIONAL: lazy("Promotions"),
    ConsentPurpose.PERSONAL: lazy("Personal messages"),
    ConsentPurpose.PROFILING: lazy("Profiling"),
}
ACTION_LABELS: Final = {
    ConsentAction.GRANTED: lazy("given"),
    ConsentAction.WITHDRAWN: lazy("withdrawn"),
}
BASIS_LABELS: Final = {
    Basis.CONSENT: lazy("Consent"),
    Basis.SOFT_OPT_IN: lazy("Soft opt-in (own similar products)"),
    Basis.CONTRACT: lazy("Contract"),
    Basis.LEGITIMATE_INTEREST: lazy("Legitimate interest"),
    Basis.UNKNOWN: lazy("Unknown"),
}
REASON_LABELS: Final = {
    SuppressionReason.ASKED: lazy("asked for it"),
    SuppressionReason.COMPLAINT: lazy("complained"),
    SuppressionReason.BOUNCED: lazy("messages came back"),
    SuppressionReason.ERASED: lazy("erased"),
    SuppressionReason.OPERATOR: lazy("set by hand"),
}
