"""Owns reading contacts, companies, handles, facts and tags: what this actor may see, and nothing else."""

from crm.contacts.queries.access import (
    SHORT_LIST,
    CompanyNotFoundError,
    ContactNotFoundError,
    HandleNotFoundError,
    Scope,
    alive,
    scope,
    visible,
)
from crm.contacts.queries.companies import company, company_tags_of, list_companies
from crm.contacts.queries.facts import FactView, facts_of, tags, tags_of
from crm.contacts.queries.finding import (
    HitKind,
    Matched,
    SearchHit,
    SearchTooBroadError,
    search,
    search_contacts,
)
from crm.contacts.queries.handles import handle, handle_by_address, handles_of
from crm.contacts.queries.people import (
    AffiliationView,
    ContactFilter,
    ContactSort,
    LinkView,
    affiliations_of,
    colleagues,
    contact,
    contacts,
    links_of,
    list_contacts,
    people_of,
)

__all__ = [
    "SHORT_LIST",
    "AffiliationView",
    "CompanyNotFoundError",
    "ContactFilter",
    "ContactNotFoundError",
    "ContactSort",
    "FactView",
    "HandleNotFoundError",
    "HitKind",
    "LinkView",
    "Matched",
    "Scope",
    "SearchHit",
    "SearchTooBroadError",
    "affiliations_of",
    "alive",
    "colleagues",
    "company",
    "company_tags_of",
    "contact",
    "contacts",
    "facts_of",
    "handle",
    "handle_by_address",
    "handles_of",
    "links_of",
    "list_companies",
    "list_contacts",
    "people_of",
    "scope",
    "search",
    "search_contacts",
    "tags",
    "tags_of",
    "visible",
]
