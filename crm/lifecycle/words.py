"""The words of imports in the reader's language: meanings of columns, modes, bases, reasons of refusal."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from flask_babel import format_date

from crm.consent.kinds import Basis
from crm.contacts.custom_rules import PREFIX
from crm.errors import worded
from crm.lifecycle.kinds import ExportFormat, ExportState, ImportMode, ImportState, MatchKey
from crm.lifecycle.models import Import
from crm.lifecycle.planning import Action, Plan
from crm.lifecycle.rules.columns import Target
from crm.lifecycle.rules.presets import Program
from crm.lifecycle.rules.tables import FileKind
from crm.lifecycle.rules.writing import COLUMNS
from crm.lifecycle.services.exporting import Wording
from crm.web.i18n import _, lazy, lazy_p, locale_code, translated

TARGETS: dict[Target, str] = {
    Target.IGNORE: lazy("leave out"),
    Target.FIRST_NAME: lazy("First name"),
    Target.LAST_NAME: lazy("Last name"),
    Target.MIDDLE_NAME: lazy("Middle name"),
    Target.FULL_NAME: lazy("Whole name"),
    Target.EMAIL: lazy("E-mail"),
    Target.PHONE: lazy("Phone"),
    Target.WHATSAPP: lazy("WhatsApp"),
    Target.INSTAGRAM: lazy("Instagram"),
    Target.LINKEDIN: lazy("LinkedIn"),
    Target.X: lazy("X"),
    Target.TELEGRAM: lazy("Telegram"),
    Target.MESSENGER: lazy("Messenger"),
    Target.MASTODON: lazy("Mastodon"),
    Target.BLUESKY: lazy("Bluesky"),
    Target.SMS: lazy("SMS"),
    Target.WEBHOOK: lazy("Webhook"),
    Target.EXTERNAL_ID: lazy("Code in another program"),
    Target.TITLE: lazy("Role in the company"),
    Target.COMPANY: lazy("Company"),
    Target.LANGUAGE: lazy("Language"),
    Target.ADDRESS_FORM: lazy("Form of address"),
    Target.TIME_ZONE: lazy("Time zone"),
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

MATCHES: dict[MatchKey, str] = {
    MatchKey.ANY: lazy("any address, code or name"),
    MatchKey.EMAIL: lazy_p("recognised by", "the e-mail address"),
    MatchKey.PHONE: lazy_p("recognised by", "the phone number"),
    MatchKey.HANDLE: lazy_p("recognised by", "the name on a network"),
    MatchKey.EXTERNAL_ID: lazy_p("recognised by", "the code in the other program"),
    MatchKey.NAME: lazy_p("recognised by", "name and company"),
}

PROGRAMS: dict[Program, str] = {
    Program.GOOGLE: lazy("Google Contacts"),
    Program.OUTLOOK: lazy("Outlook contacts"),
    Program.LINKEDIN: lazy("LinkedIn connections"),
    Program.HUBSPOT: lazy("HubSpot contacts"),
    Program.MAILCHIMP: lazy("Mailchimp audience"),
    Program.INSTAGRAM: lazy("Instagram followers"),
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
    "bad_messenger": lazy("This is not a name on Messenger."),
    "bad_mastodon": lazy("This is not a Mastodon account like @name@server.example."),
    "bad_bluesky": lazy("This is not a Bluesky name."),
    "bad_sms": lazy("This is not a phone number."),
    "bad_webhook": lazy("This is not an address that begins with https://."),
    "bad_address_form": lazy("Write Lei or tu."),
    "bad_time_zone": lazy("Write the time zone like Europe/Rome."),
    "bad_importance": lazy("Write key, high or normal."),
    "bad_lifecycle": lazy("Write lead, prospect, customer, partner, ambassador, press, follower or past."),
    "exists": lazy("We know this person already, and you asked to add new people only."),
    "not_found": lazy("We don’t know this person, and you asked to update only."),
    "several_people": lazy("The addresses in this row belong to different people."),
    "several_named": lazy("Several people have this name and company: add an address or a code to the row."),
    "no_key": lazy("The row has no value by which people are to be recognised."),
    "address_taken": lazy("One of the addresses belongs to somebody else whom we know."),
    "address_of_company": lazy("This address belongs to a company, not to a person."),
    "erased": lazy("This person asked to be erased. Only they can come back, by writing first."),
    "belongs_to_somebody_else": lazy("This address belongs to somebody you may not see."),
}
_OTHER = lazy("A value in this row is too long or holds a forbidden character.")


def reason(code: str, told: Mapping[str, Any] | None = None) -> str:
    """The sentence of a refusal: of its code, or the one that is `told` with what fills it."""
    if told:
        sentence: str = told["sentence"]
        return translated(worded(sentence, **told.get("values", {})))
    return REASONS.get(code) or _OTHER


def why(plan: Plan) -> str:
    """Why a row of the preview can't go in."""
    return translated(plan.sentence) if plan.sentence else reason(plan.code)


FORMATS: dict[ExportFormat, str] = {
    ExportFormat.CSV: lazy("CSV, for any spreadsheet"),
    ExportFormat.XLSX: lazy("Excel (XLSX)"),
    ExportFormat.VCARD_3: lazy("Contact cards (vCard 3.0)"),
    ExportFormat.VCARD_4: lazy("Contact cards (vCard 4.0)"),
}

EXPORT_STATES: dict[ExportState, tuple[str, str]] = {
    ExportState.QUEUED: (lazy("about to start"), "plain"),
    ExportState.RUNNING: (lazy("running"), "plain"),
    ExportState.DONE: (lazy("ready"), "ok"),
    ExportState.FAILED: (lazy("stopped"), "bad"),
    ExportState.EXPIRED: (lazy("file removed"), "plain"),
}
#: Spreadsheets take the delimiter from the language of the computer.
_DELIMITERS = {"it": ";"}


def wording(now: datetime) -> Wording:
    """How an exported file speaks to the reader."""
    name = _("people-%(day)s", day=format_date(now, "yyyy-MM-dd"))
    return Wording([str(TARGETS[target]) for target in COLUMNS], _DELIMITERS.get(locale_code(), ","), name)


def program(row: Import) -> str:
    """The program that a file was recognised as, in the reader's language; '' when it is none we know."""
    return str(PROGRAMS[Program(row.program)]) if row.program else ""


def source(row: Import) -> str:
    """What is offered as the source: the recognised program and the day, else the name of the file."""
    if not row.program or row.source != row.file_name:
        return row.source
    return _("%(program)s, %(day)s", program=program(row), day=format_date(row.created_at, "d MMMM y"))


def column(row: Import, name: str) -> str:
    """A column as people read it: its own name, or what it holds where the file has none (cards, account lists)."""
    if row.kind in {FileKind.CSV, FileKind.XLSX}:
        return name
    if name.startswith(PREFIX):
        return name.removeprefix(PREFIX)
    target, _space, number = name.partition(" ")
    return f"{TARGETS[Target(target)]} {number}".strip()


def changes(plan: Plan) -> str:
    """What a row would change of somebody who is known: "Role in the company, Phone"."""
    if plan.action is not Action.UPDATE or plan.loaded is None:
        return ""
    named = [*plan.loaded.values, *(["company_name"] if plan.loaded.company_name else [])]
    named += [channel.value for channel, _address, _norm in plan.loaded.addresses]
    named += ["tags"] if plan.loaded.tags else []
    labels = [str(TARGETS[Target(name)]) for name in dict.fromkeys(named)]
    return ", ".join([*labels, *(field.label for field in plan.loaded.own)])
