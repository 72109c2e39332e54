"""The words of imports in the reader's language: meanings of columns, modes, bases, reasons of refusal."""

from crm.consent.kinds import Basis
from crm.lifecycle.kinds import ImportMode, ImportState
from crm.lifecycle.planning import Action
from crm.lifecycle.rules.columns import Target
from crm.web.i18n import lazy, lazy_p

TARGETS: dict[Target, str] = {
    Target.IGNORE: lazy("leave out"),
    Target.FIRST_NAME: lazy("First name"),
    Target.LAST_NAME: lazy("Last name"),
    Target.FULL_NAME: lazy("Whole name"),
    Target.EMAIL: lazy("E-mail"),
    Target.PHONE: lazy("Phone"),
    Target.WHATSAPP: lazy("WhatsApp"),
    Target.INSTAGRAM: lazy("Instagram"),
    Target.LINKEDIN: lazy("LinkedIn"),
    Target.X: lazy("X"),
    Target.TELEGRAM: lazy("Telegram"),
    Target.TITLE: lazy("Role in the company"),
    Target.COMPANY: lazy("Company"),
    Target.LANGUAGE: lazy("Language"),
    Target.BIRTHDAY: lazy("Birthday"),
    Target.STREET: lazy("Street"),
    Target.CITY: lazy("City"),
    Target.COUNTRY: lazy("Country"),
    Target.INTERESTS: lazy("Interests and notes"),
    Target.CAME_FROM: lazy("Came from"),
    Target.IMPORTANCE: lazy("Importance"),
    Target.LIFECYCLE: lazy("Relationship"),
    Target.TAGS: lazy("Tags"),
}

MODES: dict[ImportMode, str] = {
    ImportMode.UPSERT: lazy("Add new people, update those we know"),
    ImportMode.CREATE: lazy("Only add new people"),
    ImportMode.UPDATE: lazy("Only update people we know"),
}

BASES: dict[Basis, str] = {
    Basis.UNKNOWN: lazy("I don’t know: no promotions until they agree"),
    Basis.CONSENT: lazy("They agreed to receive promotions"),
    Basis.SOFT_OPT_IN: lazy("They are customers who bought something similar"),
    Basis.CONTRACT: lazy("We have a contract: personal messages only"),
    Basis.LEGITIMATE_INTEREST: lazy("We have a legitimate interest: personal messages only"),
}

ACTIONS: dict[Action, tuple[str, str]] = {
    Action.CREATE: (lazy_p("row", "new"), "ok"),
    Action.UPDATE: (lazy_p("row", "updated"), "accent"),
    Action.UNCHANGED: (lazy("already so"), "plain"),
    Action.REFUSE: (lazy_p("row", "left out"), "bad"),
}

STATES: dict[ImportState, tuple[str, str]] = {
    ImportState.UPLOADED: (lazy("waits for you"), "accent"),
    ImportState.QUEUED: (lazy("about to start"), "plain"),
    ImportState.RUNNING: (lazy("running"), "plain"),
    ImportState.DONE: (lazy_p("import", "done"), "ok"),
    ImportState.FAILED: (lazy("stopped"), "bad"),
}

REASONS: dict[str, str] = {
    "nobody": lazy("There is neither a name nor an address in this row."),
    "too_many_cells": lazy("The row has more cells than the header has columns."),
    "bad_email": lazy("This is not an e-mail address."),
    "bad_phone": lazy("This is not a phone number."),
    "bad_whatsapp": lazy("This is not a WhatsApp number."),
    "bad_instagram": lazy("This is not an Instagram name."),
    "bad_linkedin": lazy("This is not the address of a LinkedIn profile."),
    "bad_x": lazy("This is not a name on X."),
    "bad_telegram": lazy("This is not a Telegram name."),
    "bad_birthday": lazy("This day doesn’t exist. Write 21/04/1980 or 1980-04-21."),
    "bad_country": lazy("Write the country by name or with two letters, like IT."),
    "bad_language": lazy("Write the language by name or as a code like it or en."),
    "bad_importance": lazy("Write key, high or normal."),
    "bad_lifecycle": lazy("Write lead, prospect, customer, partner, ambassador, press, follower or past."),
    "exists": lazy("We know this person already, and you asked to add new people only."),
    "not_found": lazy("We don’t know this person, and you asked to update only."),
    "several_people": lazy("The addresses in this row belong to different people."),
    "address_of_company": lazy("This address belongs to a company, not to a person."),
    "erased": lazy("This person asked to be erased. Only they can come back, by writing first."),
    "belongs_to_somebody_else": lazy("This address belongs to somebody you may not see."),
}
_OTHER = lazy("A value in this row is too long or holds a forbidden character.")


def reason(code: str) -> str:
    """The sentence of a refusal's code."""
    return REASONS.get(code) or _OTHER
