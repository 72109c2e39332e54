"""Owns the words of accounts: roles, permissions, and what long work can be."""

from enum import StrEnum


class Role(StrEnum):
    OWNER = "owner"
    MANAGER = "manager"
    SALES = "sales"
    COMMUNITY = "community"
    VIEWER = "viewer"
    TILL = "till"


class Permission(StrEnum):
    VIEW_OWN = "view_own"
    VIEW_TEAM = "view_team"
    VIEW_ALL = "view_all"
    EDIT = "edit"
    ASSIGN = "assign"
    EXPORT = "export"
    BULK_EDIT = "bulk_edit"
    MERGE = "merge"
    ERASE = "erase"
    IMPORT = "import"
    WRITE = "write"
    APPROVE = "approve"
    SEND_BEYOND_LIMITS = "send_beyond_limits"
    MANAGE_LOYALTY = "manage_loyalty"
    ADJUST_POINTS = "adjust_points"
    REDEEM = "redeem"
    MANAGE_PIPELINES = "manage_pipelines"
    MANAGE_CHANNELS = "manage_channels"
    MANAGE_USERS = "manage_users"
    MANAGE_WORKSPACE = "manage_workspace"
    SEE_AUDIT = "see_audit"


class RecordAccess(StrEnum):
    """Whose records a role sees: those that oneself owns, those of one's team, everybody's."""

    OWN = "own"
    TEAM = "team"
    ALL = "all"


class ActorKind(StrEnum):
    USER = "user"
    TOKEN = "token"
    MEMBER = "member"
    SYSTEM = "system"


class ProgressState(StrEnum):
    QUEUED = "queued"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"


class LinkPurpose(StrEnum):
    RESET = "reset"
