"""Pages of people and companies."""

from crm.contacts.views import companies, finding, handles, people, trash
from crm.contacts.views.blueprint import blueprint

__all__ = ["blueprint", "companies", "finding", "handles", "people", "trash"]
