"""Owns what campaign texts may speak of beyond a person: their check, and the values of offer and code."""

from typing import Any, Final

from babel.dates import format_date
from babel.numbers import format_currency, get_currency_precision

from crm.channels.base import ChannelKind
from crm.channels.sentences import N_
from crm.errors import InvalidInputError
from crm.loyalty.kinds import OfferKind
from crm.loyalty.queries import OfferView
from crm.outreach.content import Trusted, variables
from crm.outreach.services.compose import check_words
from crm.outreach.variables import VARIABLES, check_fields

_OF_OFFER: Final = frozenset(name for name in VARIABLES if name.startswith(("voucher.", "offer.")))


def check_text(channel: ChannelKind, *, subject: str, body: str, has_offer: bool) -> None:
    """Raise `InvalidInputError` beside the field: empty or too long, a syntax error, a name that we don't know."""
    check_words(channel, subject=subject, body=body)
    check_fields(subject=subject, body=body)
    for name, source in (("subject", subject), ("body", body)):
        if not has_offer and variables(source) & _OF_OFFER:
            sentence = N_("The text speaks of an offer or a code, but the campaign has no offer.")
            raise InvalidInputError(sentence, code="template_variable", fields={name: sentence})


def offer_values(offer: OfferView | None, *, code: str, company: str, language: str) -> dict[str, dict[str, Any]]:
    """The groups that a campaign adds to a person's own values; texts in the person's language."""
    groups: dict[str, dict[str, Any]] = {"contact": {"company": company}}
    if offer is not None:
        groups["offer"] = {
            "name": offer.name,
            "value": _worth(offer, language),
            "until": format_date(offer.ends_on, "d MMMM y", locale=language) if offer.ends_on else "",
            "text": offer.public_text,
        }
        groups["voucher"] = {"code": Trusted(grouped(code))}
    return groups


def grouped(code: str) -> str:
    """A code as people read it: groups of four, joined by hyphens that the till ignores."""
    return "-".join(code[start : start + 4] for start in range(0, len(code), 4))


def _worth(offer: OfferView, language: str) -> str:
    if offer.kind is OfferKind.PERCENT:
        return f"{offer.percent}%"
    if offer.kind is OfferKind.AMOUNT and offer.amount_minor is not None:
        precision = get_currency_precision(offer.currency)
        return format_currency(offer.amount_minor / 10**precision, offer.currency, locale=language)
    return offer.gift
