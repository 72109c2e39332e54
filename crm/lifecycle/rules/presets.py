"""The exports of known programs: how each is recognised by its header, what its columns mean, where that is written.

Names are compared in the form of `normalise`. Of programs that repeat a group of columns with a number, the pattern is
given once, with `#` for the number.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from crm.filters.text import normalise
from crm.lifecycle.rules.columns import REPEATABLE, Target


class Program(StrEnum):
    """Where a known file comes from."""

    GOOGLE = "google"
    OUTLOOK = "outlook"
    LINKEDIN = "linkedin"
    HUBSPOT = "hubspot"
    MAILCHIMP = "mailchimp"
    INSTAGRAM = "instagram"


@dataclass(frozen=True, slots=True)
class Preset:
    """One known header: a file is of this kind when it has all the columns of `by`."""

    program: Program
    by: frozenset[str]
    meanings: dict[str, Target]
    month_first: bool = False


def _preset(program: Program, by: Sequence[str], meanings: dict[str, Target], *, month_first: bool = False) -> Preset:
    return Preset(
        program,
        frozenset(map(normalise, by)),
        {normalise(name): target for name, target in meanings.items()},
        month_first,
    )


PRESETS: Final = (
    # Google Contacts, "Google CSV" as it is exported since 2024: First Name, Middle Name, Last Name, Phonetic First
    # Name, ..., File As, Organization Name, Organization Title, Organization Department, Birthday, Notes, Photo,
    # Labels, E-mail 1 - Label, E-mail 1 - Value, Phone 1 - Label, Phone 1 - Value, Address 1 - Label, ...
    # (support.google.com/contacts/answer/7199294, "Export, back up, or restore contacts").
    _preset(
        Program.GOOGLE,
        ["File As", "Organization Name", "Labels"],
        {
            "First Name": Target.FIRST_NAME,
            "Middle Name": Target.MIDDLE_NAME,
            "Last Name": Target.LAST_NAME,
            "Organization Name": Target.COMPANY,
            "Organization Title": Target.TITLE,
            "Birthday": Target.BIRTHDAY,
            "Notes": Target.INTERESTS,
            "Labels": Target.TAGS,
            "E-mail # - Value": Target.EMAIL,
            "Phone # - Value": Target.PHONE,
            "Address 1 - Street": Target.STREET,
            "Address 1 - City": Target.CITY,
            "Address 1 - Country": Target.COUNTRY,
        },
    ),
    # The same until 2024: Name, Given Name, Additional Name, Family Name, ..., Group Membership, E-mail 1 - Type,
    # E-mail 1 - Value, Organization 1 - Name, Organization 1 - Title, ... (the same page of Google's, as archived).
    _preset(
        Program.GOOGLE,
        ["Given Name", "Family Name", "Group Membership"],
        {
            "Given Name": Target.FIRST_NAME,
            "Additional Name": Target.MIDDLE_NAME,
            "Family Name": Target.LAST_NAME,
            "Organization 1 - Name": Target.COMPANY,
            "Organization 1 - Title": Target.TITLE,
            "Birthday": Target.BIRTHDAY,
            "Notes": Target.INTERESTS,
            "Language": Target.LANGUAGE,
            "Group Membership": Target.TAGS,
            "E-mail # - Value": Target.EMAIL,
            "Phone # - Value": Target.PHONE,
            "Address 1 - Street": Target.STREET,
            "Address 1 - City": Target.CITY,
            "Address 1 - Country": Target.COUNTRY,
        },
    ),
    # Outlook in English: Title, First Name, Middle Name, Last Name, Suffix, Company, Department, Job Title, Business
    # Street, ..., E-mail Address, E-mail Type, E-mail Display Name, E-mail 2 Address, ..., Web Page. "Title" is Mr or
    # Dr; days are written month first in the American edition (support.microsoft.com, "Create or edit .csv files to
    # import into Outlook", and the sample file linked there).
    _preset(
        Program.OUTLOOK,
        ["First Name", "Last Name", "E-mail Address", "Business Phone", "Mobile Phone"],
        {
            "First Name": Target.FIRST_NAME,
            "Middle Name": Target.MIDDLE_NAME,
            "Last Name": Target.LAST_NAME,
            "Company": Target.COMPANY,
            "Job Title": Target.TITLE,
            "E-mail Address": Target.EMAIL,
            "E-mail # Address": Target.EMAIL,
            "Mobile Phone": Target.PHONE,
            "Business Phone": Target.PHONE,
            "Business Phone 2": Target.PHONE,
            "Home Phone": Target.PHONE,
            "Home Phone 2": Target.PHONE,
            "Other Phone": Target.PHONE,
            "Primary Phone": Target.PHONE,
            "Business Street": Target.STREET,
            "Business City": Target.CITY,
            "Business Country/Region": Target.COUNTRY,
            "Business Country": Target.COUNTRY,
            "Birthday": Target.BIRTHDAY,
            "Categories": Target.TAGS,
            "Language": Target.LANGUAGE,
            "Notes": Target.INTERESTS,
        },
        month_first=True,
    ),
    # Outlook in Italian: Titolo, Nome, Secondo nome, Cognome, Titolo straniero, Società, Reparto, Posizione, Via
    # (uff.), ..., Ufficio (the telephone there), Abitazione, Cellulare, ..., Compleanno, Indirizzo posta elettronica,
    # Tipo posta elettronica, Nome visualizzato posta elettronica, ... (the Italian edition of the same page and file).
    _preset(
        Program.OUTLOOK,
        ["Nome", "Cognome", "Indirizzo posta elettronica"],
        {
            "Nome": Target.FIRST_NAME,
            "Secondo nome": Target.MIDDLE_NAME,
            "Cognome": Target.LAST_NAME,
            "Società": Target.COMPANY,
            "Posizione": Target.TITLE,
            "Indirizzo posta elettronica": Target.EMAIL,
            "Indirizzo posta elettronica #": Target.EMAIL,
            "Cellulare": Target.PHONE,
            "Ufficio": Target.PHONE,
            "Ufficio 2": Target.PHONE,
            "Abitazione": Target.PHONE,
            "Abitazione 2": Target.PHONE,
            "Altro telefono": Target.PHONE,
            "Telefono principale": Target.PHONE,
            "Via (uff.)": Target.STREET,
            "Città (uff.)": Target.CITY,
            "Paese (uff.)": Target.COUNTRY,
            "Paese/area geografica (uff.)": Target.COUNTRY,
            "Compleanno": Target.BIRTHDAY,
            "Categorie": Target.TAGS,
            "Lingua": Target.LANGUAGE,
            "Note": Target.INTERESTS,
            "Notes": Target.INTERESTS,
        },
    ),
    # LinkedIn, Connections.csv of "Get a copy of your data": three lines of notes, then First Name, Last Name, URL,
    # Email Address, Company, Position, Connected On (linkedin.com/help/linkedin/answer/a566336, "Export connections").
    _preset(
        Program.LINKEDIN,
        ["First Name", "Last Name", "Position", "Connected On"],
        {
            "First Name": Target.FIRST_NAME,
            "Last Name": Target.LAST_NAME,
            "URL": Target.LINKEDIN,
            "Email Address": Target.EMAIL,
            "Company": Target.COMPANY,
            "Position": Target.TITLE,
        },
    ),
    # HubSpot, export of contacts with property names as headers: Record ID, First Name, Last Name, Email, Phone Number,
    # Contact owner, Lifecycle Stage, ... (knowledge.hubspot.com, "Export your records", "HubSpot's default contact
    # properties").
    _preset(
        Program.HUBSPOT,
        ["Record ID", "Email", "Contact owner"],
        {
            "Record ID": Target.EXTERNAL_ID,
            "First Name": Target.FIRST_NAME,
            "Last Name": Target.LAST_NAME,
            "Email": Target.EMAIL,
            "Additional email addresses": Target.IGNORE,
            "Phone Number": Target.PHONE,
            "Mobile Phone Number": Target.PHONE,
            "WhatsApp Phone Number": Target.WHATSAPP,
            "Company Name": Target.COMPANY,
            "Associated Company": Target.COMPANY,
            "Job Title": Target.TITLE,
            "Lifecycle Stage": Target.LIFECYCLE,
            "Street Address": Target.STREET,
            "City": Target.CITY,
            "Country/Region": Target.COUNTRY,
            "Date of birth": Target.BIRTHDAY,
            "LinkedIn URL": Target.LINKEDIN,
            "Original Source": Target.CAME_FROM,
        },
    ),
    # Mailchimp, export of an audience: the fields of the form (Email Address, First Name, Last Name, Address, Phone
    # Number, Birthday), then MEMBER_RATING, OPTIN_TIME, OPTIN_IP, CONFIRM_TIME, ..., LAST_CHANGED, LEID, EUID, NOTES,
    # TAGS (mailchimp.com/help/view-export-contacts, "About the exported file").
    _preset(
        Program.MAILCHIMP,
        ["Email Address", "MEMBER_RATING", "LEID"],
        {
            "Email Address": Target.EMAIL,
            "First Name": Target.FIRST_NAME,
            "Last Name": Target.LAST_NAME,
            "Phone Number": Target.PHONE,
            "Phone": Target.PHONE,
            "Company": Target.COMPANY,
            "CC": Target.COUNTRY,
            "NOTES": Target.INTERESTS,
            "TAGS": Target.TAGS,
        },
    ),
)
_NUMBER: Final = re.compile(r"(?<=\s)\d{1,2}(?=\s|$)")


def recognise(columns: Sequence[str]) -> Preset | None:
    """The program whose export has these columns, if it is a known one."""
    names = frozenset(map(normalise, columns))
    return next((preset for preset in PRESETS if preset.by <= names), None)


def meanings(preset: Preset, columns: Sequence[str]) -> dict[str, Target]:
    """{column: what it means}; what the preset does not name is left out, of single targets the first one counts."""
    taken: set[Target] = set()
    found: dict[str, Target] = {}
    for column in columns:
        name = normalise(column)
        target = preset.meanings.get(name) or preset.meanings.get(_NUMBER.sub("#", name), Target.IGNORE)
        if target in taken and target not in REPEATABLE:
            target = Target.IGNORE
        taken.add(target)
        found[column] = target
    return found
