"""Pages of imports and of personal data."""

from crm.lifecycle.views import imports, privacy
from crm.lifecycle.views.blueprint import blueprint

__all__ = ["blueprint", "imports", "privacy"]
