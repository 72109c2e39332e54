"""REST: people, companies, tags."""

from crm.contacts.api import companies, people
from crm.contacts.api.blueprint import blueprint

__all__ = ["blueprint", "companies", "people"]
