"""REST: people, companies, tags."""

from crm.contacts.api import access, companies, custom, handles, people, strangers
from crm.contacts.api.blueprint import blueprint

__all__ = ["access", "blueprint", "companies", "custom", "handles", "people", "strangers"]
