"""Owns reading imports."""

from crm.lifecycle.queries.exports import (
    WORDS,
    ExportNotFoundError,
    ExportView,
    export,
    export_view,
    exports,
    rows,
    whom,
)
from crm.lifecycle.queries.imports import (
    PREVIEW_ROWS,
    ImportNotFoundError,
    ImportView,
    get,
    imports,
    numbered,
    preview,
    read,
    refused,
    samples,
    targets,
    view,
)

__all__ = [
    "PREVIEW_ROWS",
    "WORDS",
    "ExportNotFoundError",
    "ExportView",
    "ImportNotFoundError",
    "ImportView",
    "export",
    "export_view",
    "exports",
    "get",
    "imports",
    "numbered",
    "preview",
    "read",
    "refused",
    "rows",
    "samples",
    "targets",
    "view",
    "whom",
]
