"""Owns the table of rights: which role may do what, and the actor that every query and service receives."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Final
from uuid import UUID

from crm.accounts.kinds import ActorKind, Permission, RecordAccess, Role
from crm.errors import ForbiddenError, worded

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

#: They decide on who sees whom, so they see everybody, restricted people too.
SEES_RESTRICTED: Final = frozenset({Role.OWNER, Role.MANAGER})
#: The roles for which a workspace chooses whose records they see; the till sees nobody.
NARROWED: Final = (Role.SALES, Role.COMMUNITY, Role.VIEWER)


def sees(role: Role, chosen: Mapping[str, Any]) -> RecordAccess:
    """Whose records `role` sees in a workspace that has `chosen` {role: own, team or all}."""
    word = chosen.get(role.value) if role in NARROWED else None
    return RecordAccess(word) if word in set(RecordAccess) else RecordAccess.ALL


@dataclass(frozen=True, slots=True, kw_only=True)
class Actor:
    """Who acts, in which workspace, with which rights; `scopes` narrows a token below its role.

    `sees` is what the workspace chose for the role: the widest that the actor's rights to view can reach. `team` are
    the users of the actor's team, itself included, where the actor sees its team.
    """

    workspace_id: UUID
    kind: ActorKind
    role: Role | None = None
    user_id: UUID | None = None
    token_id: UUID | None = None
    name: str = ""
    locale: str = "en"
    time_zone: str = "Europe/Rome"
    scopes: frozenset[Permission] | None = field(default=None)
    sees: RecordAccess = RecordAccess.ALL
    team: frozenset[UUID] = frozenset()

    def may(self, permission: Permission) -> bool:
        """True when the actor holds `permission`; the system may do everything within its workspace."""
        if self.kind is ActorKind.SYSTEM:
            return True
        held = RIGHTS.get(self.role, frozenset()) if self.role else frozenset()
        return permission in held and (self.scopes is None or permission in self.scopes)

    def require(self, permission: Permission) -> None:
        """Raise `ForbiddenError` unless the actor holds `permission`."""
        if not self.may(permission):
            raise ForbiddenError(
                worded("You may not do this: it needs the right “%(right)s”.", right=permission.value),
                code="missing_right",
            )


def system_actor(workspace_id: UUID, *, time_zone: str = "Europe/Rome") -> Actor:
    """The actor of workers, clock and event handlers."""
    return Actor(workspace_id=workspace_id, kind=ActorKind.SYSTEM, name="Filodiretto", time_zone=time_zone)


# A signed-in browser that nobody used for so long is signed out.
BROWSER_IDLE = timedelta(days=14)


@dataclass(frozen=True, slots=True, kw_only=True)
class Limit:
    """How many tries are free within `window` seconds, and how the block behind them grows (seconds)."""

    free: int
    first_block: int
    longest_block: int
    window: int


SIGN_IN_PER_ACCOUNT = Limit(free=5, first_block=30, longest_block=900, window=86_400)
SIGN_IN_PER_ADDRESS = Limit(free=50, first_block=60, longest_block=900, window=3_600)
SECOND_FACTOR = Limit(free=5, first_block=60, longest_block=900, window=86_400)
RESET_PER_ACCOUNT = Limit(free=3, first_block=600, longest_block=3_600, window=86_400)
LINKS_PER_ADDRESS = Limit(free=20, first_block=300, longest_block=3_600, window=3_600)


def block_seconds(tries: int, limit: Limit) -> int:
    """How long the next try must wait after `tries` of them: nothing while they are free, then doubling.

    A block ends by itself, so that knocking at somebody's account can't lock its owner out for good.
    """
    over = tries - limit.free
    if over < 0:
        return 0
    return min(limit.longest_block, limit.first_block * 2 ** min(over, 20))


SHORTEST_PASSWORD = 10
LONGEST_PASSWORD = 200
FEWEST_DIFFERENT_SIGNS = 5
COMMON_PASSWORDS = frozenset(
    {
        "1234567890", "12345678910", "0123456789", "0987654321", "1q2w3e4r5t", "1qaz2wsx3edc", "password123",
        "password1234", "passwordpassword", "qwertyuiop", "qwerty12345", "qwertyuiop123", "asdfghjkl123",
        "abcdefghij", "administrator", "changeme123", "letmein123", "welcome123", "welcome1234", "iloveyou123",
        "filodiretto", "filodiretto1", "filodiretto123", "passw0rd123", "password12", "ciaociao123", "benvenuto1",
        "benvenuto123", "juventus1897", "forzaitalia", "zxcvbnm123", "football123", "princess123", "superman123",
    }
)  # fmt: skip


def password_refusal(password: str, *, about: tuple[str, ...] = ()) -> str | None:
    """Why `password` is too easy to guess, or None (after NIST SP 800-63B: length and known ones, no mixtures)."""
    plain = password.casefold()
    if len(password) < SHORTEST_PASSWORD:
        return worded("A password needs at least 10 signs; a short sentence is best.")
    if len(password) > LONGEST_PASSWORD:
        return worded("A password may have up to 200 signs.")
    known = {part.casefold() for text in about for part in (text, text.partition("@")[0]) if part}
    if plain in COMMON_PASSWORDS or plain in known or len(set(plain)) < FEWEST_DIFFERENT_SIGNS:
        return worded("This password is one of the first that somebody would try.")
    return None
