"""Owns how consent is put into words."""

from typing import Final

from crm.accounts.places import Words
from crm.consent.kinds import Basis, ConsentAction, ConsentPurpose, SuppressionReason
from crm.web.i18n import _, lazy

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
#: What the application itself writes as the source of a consent; people write theirs in their own words.
SOURCE_LABELS: Final = {
    "one_click": lazy("unsubscribe button"),
    "preference_page": lazy("page of their choices"),
    "stop_word": lazy("stop word in an answer"),
    "by_hand": lazy("told a colleague who wrote by hand"),
    "complaint": lazy("reported as spam"),
    "form": lazy("form"),
}
#: Consents that a file brought: behind it the id of the import, and what its people said of the file as the wording.
IMPORTED: Final = "import:"
#: What a merge settled: behind it the id of its change set (`crm.consent.merging`).
MERGED: Final = "merge:"


def source_text(source: str, wording: str) -> str:
    """Where a consent comes from, for readers."""
    if source.startswith(IMPORTED):
        return _("import: %(file)s", file=wording) if wording else _("import")
    if source.startswith(MERGED):
        return _("merge of two records")
    return str(SOURCE_LABELS.get(source, source))
