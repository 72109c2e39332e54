"""Owns every change that touches all domains: imports."""

from crm.lifecycle.services.imports import (
    KIND,
    Choices,
    ImportStateError,
    MappingError,
    configure,
    finish,
    load_part,
    start,
    upload,
)

__all__ = [
    "KIND",
    "Choices",
    "ImportStateError",
    "MappingError",
    "configure",
    "finish",
    "load_part",
    "start",
    "upload",
]
