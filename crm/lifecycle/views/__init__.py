"""Pages of imports and of personal data."""

from crm.lifecycle.views import exports, imports, privacy
from crm.lifecycle.views.blueprint import blueprint

__all__ = ["blueprint", "exports", "imports", "privacy"]
