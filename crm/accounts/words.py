"""Owns the names of roles and rights, and how accounts' own actions and outcomes are told."""

from flask import Flask

from crm.accounts import places
from crm.accounts.kinds import Permission, ProgressState, RecordAccess, Role
from crm.accounts.places import Words
from crm.web.i18n import lazy, lazy_p

ROLES = {
    Role.OWNER: lazy_p("role", "Owner"),
    Role.MANAGER: lazy("Manager"),
    Role.SALES: lazy("Sales"),
    Role.COMMUNITY: lazy("Community"),
    Role.VIEWER: lazy("Viewer"),
    Role.TILL: lazy("Till"),
}

ROLE_TEXTS = {
    Role.OWNER: lazy("Everything, the workspace itself included."),
    Role.MANAGER: lazy("Everything but the settings of the workspace."),
    Role.SALES: lazy("Works with people, writes, approves, exports."),
    Role.COMMUNITY: lazy("Answers and rewards followers, writes, approves."),
    Role.VIEWER: lazy("Sees everything, changes nothing."),
    Role.TILL: lazy("Redeems codes at the till, sees nothing else."),
}

RECORD_ACCESS = {
    RecordAccess.OWN: lazy("their own people"),
    RecordAccess.TEAM: lazy("their team's people"),
    RecordAccess.ALL: lazy("everybody"),
}

PERMISSIONS = {
    Permission.VIEW_OWN: lazy("See one's own people"),
    Permission.VIEW_TEAM: lazy("See the team's people"),
    Permission.VIEW_ALL: lazy("See everybody"),
    Permission.EDIT: lazy("Change people and companies"),
    Permission.ASSIGN: lazy("Hand people to others"),
    Permission.EXPORT: lazy_p("right", "Export"),
    Permission.BULK_EDIT: lazy("Change many at once"),
    Permission.MERGE: lazy("Merge duplicates"),
    Permission.ERASE: lazy("Erase people for good"),
    Permission.IMPORT: lazy_p("right", "Import"),
    Permission.WRITE: lazy("Write messages"),
    Permission.APPROVE: lazy("Approve drafts"),
    Permission.SEND_BEYOND_LIMITS: lazy("Send beyond limits"),
    Permission.MANAGE_LOYALTY: lazy("Manage the loyalty programme"),
    Permission.ADJUST_POINTS: lazy("Adjust points"),
    Permission.MANAGE_PIPELINES: lazy("Manage pipelines"),
    Permission.REDEEM: lazy("Redeem codes"),
    Permission.MANAGE_CHANNELS: lazy("Manage channels and sender accounts"),
    Permission.MANAGE_USERS: lazy("Manage people and API tokens"),
    Permission.MANAGE_WORKSPACE: lazy("Change the workspace"),
    Permission.SEE_AUDIT: lazy("See the audit log"),
}

STATES = {
    ProgressState.QUEUED: lazy("Waiting to begin"),
    ProgressState.RUNNING: lazy("Running"),
    ProgressState.DONE: lazy("Done"),
    ProgressState.FAILED: lazy("Failed"),
    ProgressState.CANCELLED: lazy("Cancelled"),
}

WORDS = {
    "progress.done": Words(lazy("%(title)s: done"), "circle-check"),
    "progress.failed": Words(lazy("%(title)s: failed"), "circle-x"),
    "progress.cancelled": Words(lazy("%(title)s: cancelled"), "ban"),
    "sign_in.password_accepted": Words(lazy("Password accepted at sign-in"), "login"),
    "sign_in.refused": Words(lazy("Sign-in refused: wrong password"), "lock"),
    "user.changed": Words(lazy("Changed their profile"), "user-cog"),
    "user.password_changed": Words(lazy("Changed their password"), "key"),
    "user.second_factor_on": Words(lazy("Switched the second factor on"), "shield-check"),
    "user.second_factor_off": Words(lazy("Switched the second factor off"), "shield-off"),
    "workspace.created": Words(lazy("Created the workspace"), "building"),
    "workspace.changed": Words(lazy("Changed the settings of the workspace"), "settings"),
    "workspace.paused": Words(lazy("Paused or resumed sending"), "player-pause"),
    "invitation.made": Words(lazy("Invited somebody"), "user-plus"),
    "invitation.withdrawn": Words(lazy("Withdrew an invitation"), "user-minus"),
    "invitation.accepted": Words(lazy("Accepted an invitation"), "user-check"),
    "membership.role_changed": Words(lazy("Changed somebody's role"), "user-cog"),
    "membership.team_changed": Words(lazy("Put somebody into another team"), "users"),
    "workspace.access_changed": Words(lazy("Changed whose people the roles see"), "lock"),
    "user.reset_link": Words(lazy("Made a link for a new password"), "key"),
    "membership.ended": Words(lazy("Ended a membership"), "user-minus"),
    "token.made": Words(lazy("Made an API token"), "key"),
    "token.revoked": Words(lazy("Revoked an API token"), "key-off"),
    "audit.exported": Words(lazy("Exported the audit log"), "download"),
}


def init_app(app: Flask) -> None:
    """Fill the tables with accounts' own words."""
    places.add_words(app, WORDS)
