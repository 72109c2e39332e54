"""Owns what campaign texts may speak of: the catalogue of variables, its check, and the values of offer and code."""

from collections.abc import Mapping
from difflib import get_close_matches
from typing import Any, Final

from babel.dates import format_date
from babel.numbers import format_currency, get_currency_precision

from crm.channels.base import ChannelKind
from crm.channels.sentences import N_
from crm.errors import InvalidInputError
from crm.loyalty.kinds import OfferKind
from crm.loyalty.queries import OfferView
from crm.outreach.content import Trusted, check, variables
from crm.outreach.services.compose import check_words

VARIABLES: Final[Mapping[str, str]] = {
    "contact.first_name": N_("First name"),
    "contact.last_name": N_("Last name"),
    "contact.name": N_("Whole name"),
    "contact.title": N_("Role in the company"),
    "contact.company": N_("Company"),
    "contact.city": N_("City"),
    "contact.email": N_("E-mail"),
    "contact.language": N_("Language"),
    "company.name": N_("Company"),
    "company.city": N_("City of the company"),
    "company.website": N_("Website of the company"),
    "voucher.code": N_("Personal code"),
    "offer.name": N_("Name of the offer"),
    "offer.value": N_("What the offer is worth"),
    "offer.until": N_("Last day of the offer"),
    "offer.text": N_("Text of the offer"),
    "sender.name": N_("Sender"),
    "sender.address": N_("Address of the sender"),
    "house.name": N_("Name of the firm"),
    "house.address": N_("Address of the firm"),
    "links.preferences": N_("Page of their choices"),
}
"""What a text may speak of, and what each is called."""

_OF_OFFER: Final = frozenset(name for name in VARIABLES if name.startswith(("voucher.", "offer.")))


def check_text(channel: ChannelKind, *, subject: str, body: str, has_offer: bool) -> None:
    """Raise `InvalidInputError` beside the field: empty or too long, a syntax error, a name that we don't know.

    A misspelt variable would have no value for anybody and hold the whole campaign, so it is refused at once.
    """
    check_words(channel, subject=subject, body=body)
    for name, source in (("subject", subject), ("body", body)):
        try:
            check(source)
            problem = _unknown(variables(source), has_offer=has_offer)
        except InvalidInputError as error:
            raise InvalidInputError(error.message, code=error.code, fields={name: error.message}) from error
        if problem:
            raise InvalidInputError(problem, code="template_variable", fields={name: problem})


def _unknown(names: frozenset[str], *, has_offer: bool) -> str:
    for name in sorted(names):
        if name not in VARIABLES:
            near = get_close_matches(name, VARIABLES, n=1)
            if near:
                return f"{{{{ {name} }}}} → {{{{ {near[0]} }}}}?"
            return f"{{{{ {name} }}}}?"
        if name in _OF_OFFER and not has_offer:
            return N_("The text speaks of an offer or a code, but the campaign has no offer.")
    return ""


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
