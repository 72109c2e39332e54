"""Owns the table of rights: which role may do what, and the actor that every query and service receives."""

from dataclasses import dataclass, field
from uuid import UUID

from crm.accounts.kinds import ActorKind, Permission, Role
from crm.errors import ForbiddenError

_P = Permission
_LOOK = frozenset({_P.VIEW_OWN, _P.VIEW_TEAM, _P.VIEW_ALL})
_WORK = _LOOK | {_P.EDIT, _P.WRITE, _P.REDEEM}

RIGHTS: dict[Role, frozenset[Permission]] = {
    Role.OWNER: frozenset(Permission),
    Role.MANAGER: frozenset(Permission) - {_P.MANAGE_WORKSPACE},
    Role.SALES: _WORK | {_P.EXPORT, _P.IMPORT, _P.BULK_EDIT, _P.MERGE, _P.APPROVE, _P.ADJUST_POINTS},
    Role.COMMUNITY: _WORK | {_P.IMPORT, _P.BULK_EDIT, _P.APPROVE, _P.ADJUST_POINTS},
    Role.VIEWER: _LOOK,
    Role.TILL: frozenset({_P.REDEEM}),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Actor:
    """Who acts, in which workspace, with which rights; `scopes` narrows a token below its role."""

    workspace_id: UUID
    kind: ActorKind
    role: Role | None = None
    user_id: UUID | None = None
    token_id: UUID | None = None
    name: str = ""
    locale: str = "en"
    time_zone: str = "Europe/Rome"
    scopes: frozenset[Permission] | None = field(default=None)

    def may(self, permission: Permission) -> bool:
        """True when the actor holds `permission`; the system may do everything within its workspace."""
        if self.kind is ActorKind.SYSTEM:
            return True
        held = RIGHTS.get(self.role, frozenset()) if self.role else frozenset()
        return permission in held and (self.scopes is None or permission in self.scopes)

    def require(self, permission: Permission) -> None:
        """Raise `ForbiddenError` unless the actor holds `permission`."""
        if not self.may(permission):
            raise ForbiddenError(f"this needs the right '{permission.value}'", code="missing_right")


def system_actor(workspace_id: UUID, *, time_zone: str = "Europe/Rome") -> Actor:
    """The actor of workers, clock and event handlers."""
    return Actor(workspace_id=workspace_id, kind=ActorKind.SYSTEM, name="Filodiretto", time_zone=time_zone)
