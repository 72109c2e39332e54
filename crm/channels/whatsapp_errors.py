"""What the error codes of the WhatsApp Cloud API mean: one table for answers and for late statuses alike."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final

from crm.channels.base import OutcomeKind
from crm.channels.platform import number_of

#: The API withheld it to spare the person: asking again the same day makes it worse.
A_DAY: Final = timedelta(hours=24)


@dataclass(frozen=True, slots=True)
class Meaning:
    """The outcome of one error; `wait` is the least pause before another try."""

    kind: OutcomeKind
    code: str
    wait: timedelta | None = None


def _all(codes: str, kind: OutcomeKind, code: str, wait: timedelta | None = None) -> dict[int, Meaning]:
    return dict.fromkeys([int(number) for number in codes.split()], Meaning(kind, code, wait))


#: pywa errors.py and Meta's documentation of Cloud API errors, November 2026. What is not here proves nothing.
MEANINGS: Final[Mapping[int, Meaning]] = {
    **_all("131047", OutcomeKind.POLICY, "window_closed"),
    **_all("131050", OutcomeKind.POLICY, "whatsapp_no_marketing"),
    **_all("131026", OutcomeKind.PERMANENT, "whatsapp_undeliverable"),
    **_all("131049 130472", OutcomeKind.RETRY_LATER, "whatsapp_withheld", A_DAY),
    **_all("131056 130429 131048 80007 4 17 32 613", OutcomeKind.RETRY_LATER, "whatsapp_too_fast"),
    **_all("132000 132001 132005 132007 132008 132012", OutcomeKind.CONTENT, "whatsapp_template"),
    **_all("132015 132016", OutcomeKind.CONTENT, "whatsapp_template_stopped"),
    **_all("131031 368 130497", OutcomeKind.AUTH, "whatsapp_locked"),
    **_all("131008 131009 131051", OutcomeKind.CONTENT, "whatsapp_refused"),
    **_all("131062", OutcomeKind.CONTENT, "whatsapp_needs_number"),
    **_all("131000 131016 131057 1 2", OutcomeKind.RETRY_LATER, "whatsapp_unavailable"),
    **_all("131030", OutcomeKind.AUTH, "whatsapp_test_number"),
    **_all("190", OutcomeKind.AUTH, "whatsapp_token"),
    **_all("10", OutcomeKind.AUTH, "whatsapp_permission"),
    **{number: Meaning(OutcomeKind.AUTH, "whatsapp_permission") for number in range(200, 300)},
}


def meaning_of(error: Mapping[str, Any]) -> Meaning:
    """What an `error` object (of an answer or of a status) says about the message."""
    number = number_of(error, "code")
    known = MEANINGS.get(number) if number is not None else None
    if known is not None:
        return known
    if error.get("is_transient") is True:
        return Meaning(OutcomeKind.RETRY_LATER, "whatsapp_unavailable")
    return Meaning(OutcomeKind.UNKNOWN, "api_unknown")
