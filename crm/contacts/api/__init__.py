"""REST: people, companies, tags."""

from crm.contacts.api import access, companies, people
from crm.contacts.api.blueprint import blueprint

__all__ = ["access", "blueprint", "companies", "people"]
