"""Owns the words of segments."""

from enum import StrEnum


class SegmentKind(StrEnum):
    LIVE = "live"
    FROZEN = "frozen"
    PICKED = "picked"


class PickMode(StrEnum):
    ADDED = "added"
    REMOVED = "removed"
