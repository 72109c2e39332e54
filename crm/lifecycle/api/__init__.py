"""REST API of imports and of personal data."""

from crm.lifecycle.api import imports, privacy
from crm.lifecycle.api.blueprint import blueprint

__all__ = ["blueprint", "imports", "privacy"]
