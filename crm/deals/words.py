"""The words of deals in the reader's language: meanings of stages, orders, the usual pipeline, what the audit tells."""

from typing import Final

from babel import Locale
from flask_babel import get_locale

from crm.accounts.places import Words
from crm.deals.kinds import DealSort, StageKind
from crm.deals.rules import Total
from crm.web.formats import money
from crm.web.i18n import lazy

#: What the audit log tells of deals.
TOLD: Final = {
    "deal.deleted": Words(lazy("Deleted a deal"), "briefcase"),
    "deal.restored": Words(lazy("Brought a deal back"), "briefcase"),
    "pipeline.created": Words(lazy("Made a pipeline"), "briefcase"),
    "pipeline.archived": Words(lazy("Put a pipeline away"), "briefcase"),
    "stage.removed": Words(lazy("Removed a stage of a pipeline"), "briefcase"),
}

KINDS: Final = {
    StageKind.OPEN: lazy("Open"),
    StageKind.WON: lazy("Won"),
    StageKind.LOST: lazy("Lost"),
}
TONES: Final = {StageKind.OPEN: "plain", StageKind.WON: "ok", StageKind.LOST: "bad"}

FIELDS: Final = {
    "title": lazy("Deal"),
    "amount": lazy("Amount"),
    "closes_on": lazy("Expected to close"),
    "probability": lazy("Chance"),
    "owner_id": lazy("Owner"),
}

SORTS: Final = {
    DealSort.CLOSES: lazy("Expected to close"),
    DealSort.TITLE: lazy("Deal"),
    DealSort.AMOUNT: lazy("Amount"),
    DealSort.CREATED: lazy("Made on"),
}

#: The pipeline that most firms begin with: name, meaning, chance in per cent, days until its deals are marked.
USUAL_NAME: Final = lazy("Sales")
USUAL_STAGES: Final = (
    (lazy("First talk"), StageKind.OPEN, 10, 14),
    (lazy("Needs clear"), StageKind.OPEN, 30, 14),
    (lazy("Offer sent"), StageKind.OPEN, 60, 10),
    (lazy("Closing"), StageKind.OPEN, 80, 7),
    (lazy("Won"), StageKind.WON, 100, None),
    (lazy("Lost"), StageKind.LOST, 0, None),
)
USUAL_REASONS: Final = (
    lazy("Too expensive"),
    lazy("Chose somebody else"),
    lazy("No money for it now"),
    lazy("No answer any more"),
)


def sums(totals: list[Total], *, weighted: bool = False) -> str:
    """The totals of several currencies as one line: "€12,000.00 + $300.00"."""
    return " + ".join(money(one.weighted_minor if weighted else one.amount_minor, one.currency) for one in totals)


def currency_choices(codes: list[str]) -> list[tuple[str, str]]:
    """Currencies to choose from, with their names in the reader's language."""
    names = Locale.parse(str(get_locale() or "en")).currencies
    return [(code, f"{code} – {names[code]}" if code in names else code) for code in codes]
