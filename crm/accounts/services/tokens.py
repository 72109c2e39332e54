"""Makes and revokes API tokens: shown once, kept as a hash, narrowed by role and scopes, with an end."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import select, text
from sqlalchemy.orm import Session

from crm.accounts.credentials import TOKEN_PREFIX, digest, hint, new_secret
from crm.accounts.kinds import ActorKind, Permission, Role
from crm.accounts.models import ApiToken, Workspace
from crm.accounts.rules import RIGHTS, Actor, sees
from crm.accounts.services import audit
from crm.db import enter_workspace
from crm.errors import ForbiddenError, InvalidInputError, NotFoundError, worded

LONGEST_LIFE = timedelta(days=366)
USED_EVERY = timedelta(minutes=1)


def create(
    session: Session,
    actor: Actor,
    *,
    name: str,
    role: Role,
    scopes: Iterable[Permission] | None = None,
    lives: timedelta | None = timedelta(days=90),
    now: datetime,
) -> tuple[ApiToken, str]:
    """A token and its secret, which nobody can read again; `scopes` narrows it below its role.

    Raises `ForbiddenError` for a role with rights that the actor lacks, `InvalidInputError` for a name, scope or life
    that is not possible. `lives=None` (never ends) is for the system, that is the command line.
    """
    actor.require(Permission.MANAGE_USERS)
    rights = RIGHTS[role]
    if not all(actor.may(right) for right in rights):
        raise ForbiddenError(worded("A token can't do more than you can."), code="more_than_you")
    label = name.strip()
    if not label or len(label) > 80:  # noqa: PLR2004 - a line of the list.
        message = worded("Write a name of up to 80 letters.")
        raise InvalidInputError(message, fields={"name": message})
    if (lives is None and actor.kind is not ActorKind.SYSTEM) or (lives is not None and not _is_possible(lives)):
        message = worded("A token lives between one hour and one year.")
        raise InvalidInputError(message, fields={"days": message})
    narrowed = None if scopes is None else sorted(scope.value for scope in set(scopes))
    if narrowed is not None and (not narrowed or not {Permission(scope) for scope in narrowed} <= rights):
        message = worded("Choose rights that the role has.")
        raise InvalidInputError(message, fields={"scopes": message})
    secret = new_secret(TOKEN_PREFIX)
    token = ApiToken(
        name=label,
        token_hash=digest(secret),
        hint=hint(secret),
        role=role,
        scopes=narrowed,
        created_by_id=actor.user_id,
        expires_at=now + lives if lives else None,
        created_at=now,
    )
    session.add(token)
    session.flush()
    audit.record(
        session,
        actor,
        action="token.made",
        object_kind="api_token",
        object_id=token.id,
        after={"name": label, "role": role.value, "scopes": narrowed},
    )
    return token, secret


def revoke(session: Session, actor: Actor, *, token_id: UUID, now: datetime) -> ApiToken:
    """End a token at once; raises `NotFoundError`."""
    actor.require(Permission.MANAGE_USERS)
    token = session.scalar(select(ApiToken).where(ApiToken.id == token_id).with_for_update())
    if token is None:
        raise NotFoundError
    if token.revoked_at is None:
        token.revoked_at = now
        audit.record(
            session,
            actor,
            action="token.revoked",
            object_kind="api_token",
            object_id=token.id,
            before={"name": token.name},
        )
        session.flush()
    return token


def bearer(session: Session, *, secret: str, now: datetime) -> Actor | None:
    """The actor behind a bearer token, None when it is unknown, revoked or over.

    Leaves the session in the token's workspace.
    """
    hashed = digest(secret)
    workspace_id = session.scalar(text("select public.crm_token_workspace(:hash)"), {"hash": hashed})
    if workspace_id is None:
        return None
    enter_workspace(session, workspace_id)
    row = session.execute(
        select(ApiToken, Workspace)
        .join(Workspace, Workspace.id == ApiToken.workspace_id)
        .where(ApiToken.token_hash == hashed, ApiToken.revoked_at.is_(None))
    ).one_or_none()
    if row is None or (row[0].expires_at is not None and row[0].expires_at <= now):
        enter_workspace(session, None)
        return None
    token, workspace = row
    if token.last_used_at is None or token.last_used_at < now - USED_EVERY:
        token.last_used_at = now
    return Actor(
        workspace_id=workspace.id,
        kind=ActorKind.TOKEN,
        role=Role(token.role),
        sees=sees(Role(token.role), workspace.record_access),
        token_id=token.id,
        name=token.name,
        locale=workspace.locale,
        time_zone=workspace.time_zone,
        scopes=None if token.scopes is None else frozenset(Permission(scope) for scope in token.scopes),
    )


def _is_possible(lives: timedelta) -> bool:
    return timedelta(hours=1) <= lives <= LONGEST_LIFE
