"""REST API of imports, exports and personal data."""

from crm.lifecycle.api import exports, imports, privacy
from crm.lifecycle.api.blueprint import blueprint

__all__ = ["blueprint", "exports", "imports", "privacy"]
