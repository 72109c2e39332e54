"""Owns reading imports."""

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
    "ImportNotFoundError",
    "ImportView",
    "get",
    "imports",
    "numbered",
    "preview",
    "read",
    "refused",
    "samples",
    "targets",
    "view",
]
