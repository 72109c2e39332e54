"""Pages of people and companies."""

from crm.contacts.views import (
    access,
    companies,
    custom_fields,
    custom_values,
    finding,
    handles,
    links,
    people,
    places,
    trash,
)
from crm.contacts.views.blueprint import blueprint

__all__ = [
    "access",
    "blueprint",
    "companies",
    "custom_fields",
    "custom_values",
    "finding",
    "handles",
    "links",
    "people",
    "places",
    "trash",
]
