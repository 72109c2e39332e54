"""Owns the fields that a text may use, what each is called, and the check of a text against them."""

from collections.abc import Mapping
from typing import Final

from crm.channels.sentences import N_
from crm.outreach.content import TemplateError, check, variables
from crm.outreach.diagnosis import line_of, unknown_field

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


def check_fields(*, subject: str, body: str) -> None:
    """Raise `TemplateError` beside the field that is no template or uses a field that doesn't exist.

    A misspelt field would have no value for anybody, so it is refused before anything is written from the text.
    """
    for name, source in (("subject", subject), ("body", body)):
        try:
            check(source)
            unknown = sorted(variables(source) - VARIABLES.keys())
        except TemplateError as error:
            raise TemplateError(error.message, code=error.code, fields={name: error.message}) from error
        if unknown:
            sentence = unknown_field(unknown[0], VARIABLES.keys(), line=line_of(unknown[0], source))
            raise TemplateError(sentence, code="template_variable", fields={name: sentence})
