"""Owns what rules can ask about people, their companies, tags and addresses."""

from typing import Final

from crm.contacts.fields import companies, people
from crm.contacts.fields.choices import (
    CHANNELS,
    COMPANY_KINDS,
    COUNTRIES,
    IMPORTANCES,
    LANGUAGES,
    LIFECYCLES,
    load_owners,
    load_tags,
)
from crm.contacts.fields.custom import custom_rule_fields
from crm.contacts.fields.facts import fact, load_facts
from crm.contacts.models import Contact
from crm.filters.catalogue import Subject

#: What rules of this product select: living contacts of a workspace.
SUBJECT: Final = Subject(Contact.__table__, Contact.id, Contact.workspace_id, (Contact.deleted_at.is_(None),))

FIELDS: Final = (*people.FIELDS, *companies.FIELDS)

__all__ = [
    "CHANNELS",
    "COMPANY_KINDS",
    "COUNTRIES",
    "FIELDS",
    "IMPORTANCES",
    "LANGUAGES",
    "LIFECYCLES",
    "SUBJECT",
    "custom_rule_fields",
    "fact",
    "load_facts",
    "load_owners",
    "load_tags",
]
