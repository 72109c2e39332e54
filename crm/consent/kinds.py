"""Owns the words of consent: purposes, actions, legal bases, reasons of suppression."""

from enum import StrEnum


class Purpose(StrEnum):
    """What a message is for; one table in outreach rules says what each needs."""

    REPLY = "reply"
    PERSONAL = "personal"
    PROMOTIONAL = "promotional"
    SERVICE = "service"
    SYSTEM = "system"


class ConsentPurpose(StrEnum):
    """What a person can agree or object to."""

    PROMOTIONAL = "promotional"
    PERSONAL = "personal"
    PROFILING = "profiling"


class ConsentAction(StrEnum):
    GRANTED = "granted"
    WITHDRAWN = "withdrawn"


class Basis(StrEnum):
    CONSENT = "consent"
    SOFT_OPT_IN = "soft_opt_in"
    CONTRACT = "contract"
    LEGITIMATE_INTEREST = "legitimate_interest"
    UNKNOWN = "unknown"


class SuppressionReason(StrEnum):
    ASKED = "asked"
    COMPLAINT = "complaint"
    BOUNCED = "bounced"
    ERASED = "erased"
    OPERATOR = "operator"
