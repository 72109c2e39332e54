"""REST API of imports, exports and personal data, duplicates and merges."""

from crm.lifecycle.api import exports, imports, limits, merging, privacy, records, retention
from crm.lifecycle.api.blueprint import blueprint

__all__ = ["blueprint", "exports", "imports", "limits", "merging", "privacy", "records", "retention"]
