"""HTML pages of accounts, one module per noun; importing this package puts all routes on the blueprint."""

from crm.accounts.views import (
    audit,
    door,
    first_run,
    operations,
    people,
    profile,
    settings,
    tokens,
    work,
    workspace,
)
from crm.accounts.views.blueprint import blueprint

__all__ = [
    "audit",
    "blueprint",
    "door",
    "first_run",
    "operations",
    "people",
    "profile",
    "settings",
    "tokens",
    "work",
    "workspace",
]
