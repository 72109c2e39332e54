"""Owns the words of lifecycle: states and modes of an import."""

from enum import StrEnum


class ImportState(StrEnum):
    UPLOADED = "uploaded"
    QUEUED = "queued"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"


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
