"""Pages of people and companies."""

from crm.contacts.views import access, companies, finding, handles, people, trash
from crm.contacts.views.blueprint import blueprint

__all__ = ["access", "blueprint", "companies", "finding", "handles", "people", "trash"]
