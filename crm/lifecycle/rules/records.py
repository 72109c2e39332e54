"""What the records of processing activities are made of (GDPR, article 30)."""

from enum import StrEnum
from typing import Final


class Activity(StrEnum):
    """Something that is done with personal data, for a purpose of its own."""

    RELATIONS = "relations"
    CORRESPONDENCE = "correspondence"
    PROMOTIONS = "promotions"
    LOYALTY = "loyalty"
    LOOKUPS = "lookups"
    PROFILING = "profiling"
    COLLEAGUES = "colleagues"
    REQUESTS = "requests"


class OwnText(StrEnum):
    """What only the workspace itself can say."""

    CONTROLLER = "controller"
    REPRESENTATIVE = "representative"
    DPO = "dpo"
    RECIPIENTS = "recipients"
    TRANSFERS = "transfers"
    MEASURES = "measures"


#: Longest own text, in letters.
LONGEST: Final = 4_000
