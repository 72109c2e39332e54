"""Owns changing segments: rules, names, hand picks, freezing, and keeping who is in them up to date."""

from crm.segments.services.refreshing import Cause, refresh
from crm.segments.services.saved import (
    CircularSegmentError,
    FrozenSegmentError,
    create,
    edit_rule,
    freeze,
    pick,
    remove,
    rename,
    restore,
)

__all__ = [
    "Cause",
    "CircularSegmentError",
    "FrozenSegmentError",
    "create",
    "edit_rule",
    "freeze",
    "pick",
    "refresh",
    "remove",
    "rename",
    "restore",
]
