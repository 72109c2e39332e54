"""Pages of imports, of personal data, of duplicates and merges."""

from crm.lifecycle.views import exports, imports, limits, merging, privacy, records, retention
from crm.lifecycle.views.blueprint import blueprint

__all__ = ["blueprint", "exports", "imports", "limits", "merging", "privacy", "records", "retention"]
