"""Owns the words of lifecycle: states and modes of an import."""

from enum import StrEnum


class ImportState(StrEnum):
    UPLOADED = "uploaded"
    QUEUED = "queued"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"


class MatchKey(StrEnum):
    """By what an import recognises the people that are here already."""

    ANY = "any"
    """By the code in another program, then by any address, then (a row without either) by name and company."""
    EMAIL = "email"
    PHONE = "phone"
    HANDLE = "handle"
    """By the names on networks and messengers."""
    EXTERNAL_ID = "external_id"
    NAME = "name"


class ImportMode(StrEnum):
    CREATE = "create"
    UPDATE = "update"
    UPSERT = "upsert"


class ErasureCause(StrEnum):
    """Why somebody was erased."""

    ASKED = "asked"
    RETENTION = "retention"
    RESTORED = "restored"
    """A backup from before the erasure was restored, and brought them back."""
