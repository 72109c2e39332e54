"""Owns every change that touches all domains: imports."""

from crm.lifecycle.services.exporting import Wording, ask, fetch, forget, give_up_export, keep
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
from crm.lifecycle.services.reverting import NotRevertibleError, ask_to_revert, give_up, revert

__all__ = [
    "KIND",
    "Choices",
    "ImportStateError",
    "MappingError",
    "NotRevertibleError",
    "Wording",
    "ask",
    "ask_to_revert",
    "configure",
    "fetch",
    "finish",
    "forget",
    "give_up",
    "give_up_export",
    "keep",
    "load_part",
    "revert",
    "start",
    "upload",
]
