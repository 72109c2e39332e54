"""Reads of workspaces, memberships, tokens, browsers, audit, the bell and long work."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Select, and_, func, select, text, tuple_
from sqlalchemy.orm import Session, aliased

from crm.accounts.kinds import ActorKind, Permission, ProgressState, RecordAccess, Role
from crm.accounts.models import (
    ApiToken,
    AuditDetail,
    AuditEntry,
    Invitation,
    Membership,
    Notification,
    Progress,
    User,
    UserSession,
    Workspace,
)
from crm.accounts.rules import BROWSER_IDLE, Actor, sees
from crm.errors import NotFoundError
from crm.once import read_once
from crm.web.paging import Page, decode_cursor, page_of


@dataclass(frozen=True, slots=True)
class WorkspaceOfUser:
    """A workspace that a user may enter, with what the door needs to know of it."""

    id: UUID
    name: str
    role: str
    time_zone: str = "Europe/Rome"
    locale: str = "it"
    require_second_factor: bool = False
    is_demo: bool = False
    record_access: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Member:
    """A person in the workspace."""

    membership_id: UUID
    user_id: UUID
    name: str
    email: str
    role: Role
    since: datetime
    has_second_factor: bool
    last_seen_at: datetime | None
    team: str = ""


@dataclass(frozen=True, slots=True)
class AuditLine:
    """An audit entry with its personal values and the name of who acted."""

    entry: AuditEntry
    detail: AuditDetail | None
    who: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditFilter:
    """What the audit page narrows by; `before` and `since` are instants, the end exclusive."""

    user_id: UUID | None = None
    action: str = ""
    object_id: UUID | None = None
    since: datetime | None = None
    before: datetime | None = None


def workspaces_of(session: Session, *, user_id: UUID) -> list[WorkspaceOfUser]:
    """The workspaces of a user by name, over all workspaces (the definer function shows this user's rows alone)."""
    rows = session.execute(
        text(
            "select workspace_id, name, role, time_zone, locale, require_second_factor, is_demo, record_access"
            " from public.crm_memberships_of(:user_id)"
        ),
        {"user_id": user_id},
    )
    return [WorkspaceOfUser(*row) for row in rows]


def team_of(session: Session, *, user_id: UUID) -> frozenset[UUID]:
    """Those who are or were in the user's team in the session's workspace; nobody without a team.

    What people who left owned stays with their team.
    """
    me = aliased(Membership)
    mates = select(Membership.user_id).join(me, me.team == Membership.team).where(me.user_id == user_id, me.team != "")
    return frozenset(session.scalars(mates))


def member_actor(session: Session, *, workspace_id: UUID, user_id: UUID) -> Actor | None:
    """The user as an actor in this workspace, for work that goes on after the request; None who is no member.

    The rights are those of now, not those of when the work was asked for.
    """
    space = next((space for space in workspaces_of(session, user_id=user_id) if space.id == workspace_id), None)
    user = session.get(User, user_id)
    if space is None or user is None:
        return None
    reach = sees(Role(space.role), space.record_access)
    return Actor(
        workspace_id=workspace_id,
        kind=ActorKind.USER,
        role=Role(space.role),
        sees=reach,
        team=team_of(session, user_id=user_id) if reach is RecordAccess.TEAM else frozenset(),
        user_id=user_id,
        name=user.name or user.email,
        locale=user.locale or space.locale,
        time_zone=user.time_zone or space.time_zone,
    )


def workspace_called(session: Session, *, name: str) -> UUID | None:
    """The id of the workspace with this slug, name or id; for the command line."""
    return session.scalar(text("select public.crm_workspace_called(:name)"), {"name": name})


def workspace(session: Session, actor: Actor) -> Workspace:
    """The actor's workspace; asked once by a transaction that doesn't write."""
    row = session.get(Workspace, actor.workspace_id)
    if row is None:
        raise NotFoundError
    read_once(session).add(row)  # The session itself keeps no row that nobody holds.
    return row


def members(session: Session, actor: Actor) -> list[Member]:  # noqa: ARG001 - the workspace bounds it.
    """The people of the workspace by name."""
    seen = (
        select(UserSession.user_id, func.max(UserSession.seen_at).label("seen_at"))
        .group_by(UserSession.user_id)
        .subquery()
    )
    rows = session.execute(
        select(Membership, User, seen.c.seen_at)
        .join(User, User.id == Membership.user_id)
        .outerjoin(seen, seen.c.user_id == User.id)
        .where(Membership.ended_at.is_(None))
        .order_by(User.name, User.id)
    )
    return [
        Member(
            membership_id=membership.id,
            user_id=user.id,
            name=user.name or user.email,
            email=user.email,
            role=Role(membership.role),
            since=membership.created_at,
            has_second_factor=bool(user.tf_primary_method),
            last_seen_at=seen_at,
            team=membership.team,
        )
        for membership, user, seen_at in rows
    ]


def user_names(session: Session, actor: Actor) -> dict[UUID, str]:  # noqa: ARG001 - the workspace bounds it.
    """Names of everybody who is or was in the workspace, by user id."""
    rows = session.execute(select(User.id, User.name, User.email).join(Membership, Membership.user_id == User.id))
    return {user_id: name or email for user_id, name, email in rows}


def open_invitations(session: Session, actor: Actor, *, now: datetime) -> list[Invitation]:
    """Invitations that can still be accepted, the newest first."""
    actor.require(Permission.MANAGE_USERS)
    return list(
        session.scalars(
            select(Invitation)
            .where(Invitation.accepted_at.is_(None), Invitation.revoked_at.is_(None), Invitation.expires_at > now)
            .order_by(Invitation.created_at.desc())
        )
    )


def tokens(session: Session, actor: Actor) -> list[ApiToken]:
    """The API tokens of the workspace, those that work first, then the newest."""
    actor.require(Permission.MANAGE_USERS)
    return list(
        session.scalars(select(ApiToken).order_by(ApiToken.revoked_at.is_not(None), ApiToken.created_at.desc()))
    )


def browsers_of(session: Session, *, user_id: UUID, now: datetime) -> list[UserSession]:
    """The signed-in browsers of a user, the most recently seen first."""
    return list(
        session.scalars(
            select(UserSession)
            .where(
                UserSession.user_id == user_id, UserSession.ended_at.is_(None), UserSession.seen_at > now - BROWSER_IDLE
            )
            .order_by(UserSession.seen_at.desc())
        )
    )


def audit_entries(
    session: Session, actor: Actor, *, narrow: AuditFilter, after: str | None = None, limit: int = 50
) -> Page[AuditLine]:
    """A page of the audit log, the newest first."""
    actor.require(Permission.SEE_AUDIT)
    statement = (
        select(AuditEntry, AuditDetail, User.name)
        .outerjoin(
            AuditDetail,
            and_(AuditDetail.workspace_id == AuditEntry.workspace_id, AuditDetail.entry_id == AuditEntry.id),
        )
        .outerjoin(User, User.id == AuditEntry.user_id)
        .where(*_audit_conditions(narrow))
        .order_by(AuditEntry.at.desc(), AuditEntry.id.desc())
        .limit(limit + 1)
    )
    if after:
        statement = statement.where(tuple_(AuditEntry.at, AuditEntry.id) < tuple(decode_cursor(after, datetime, UUID)))
    lines = [AuditLine(entry, detail, name or "") for entry, detail, name in session.execute(statement)]
    return page_of(lines, limit=limit, key=lambda line: (line.entry.at, line.entry.id))


def audit_actions(session: Session, actor: Actor) -> list[str]:
    """The codes of actions that occur in this workspace's log."""
    actor.require(Permission.SEE_AUDIT)
    return list(session.scalars(select(AuditEntry.action).distinct().order_by(AuditEntry.action)))


def notifications(session: Session, actor: Actor, *, after: str | None = None, limit: int = 30) -> Page[Notification]:
    """A page of the actor's bell, the newest first."""
    statement = (
        select(Notification)
        .where(Notification.user_id == actor.user_id)
        .order_by(Notification.created_at.desc(), Notification.id.desc())
        .limit(limit + 1)
    )
    if after:
        statement = statement.where(
            tuple_(Notification.created_at, Notification.id) < tuple(decode_cursor(after, datetime, UUID))
        )
    return page_of(list(session.scalars(statement)), limit=limit, key=lambda row: (row.created_at, row.id))


def unread_notifications(session: Session, actor: Actor) -> int:
    """How many lines of the bell the actor has not read."""
    return session.scalar(counting_unread(actor.user_id)) or 0


def counting_unread(user_id: Any) -> Select[int]:
    """The question for `unread_notifications`, to be asked together with others; `user_id` may be a parameter."""
    unread = select(func.count()).select_from(Notification)
    return unread.where(Notification.user_id == user_id, Notification.read_at.is_(None))


def progress(session: Session, actor: Actor, *, progress_id: UUID) -> Progress:
    """One piece of the actor's own long work; raises `NotFoundError`.

    Its title tells what a colleague brought in or took out. Who may see that finds it on the page of the work itself.
    """
    row = session.scalar(select(Progress).where(Progress.id == progress_id).execution_options(populate_existing=True))
    if row is None or row.created_by_id != actor.user_id:
        raise NotFoundError
    return row


def running_work(session: Session, actor: Actor) -> list[Progress]:
    """The actor's long work that has not ended, the newest first."""
    return list(
        session.scalars(
            select(Progress)
            .where(
                Progress.created_by_id == actor.user_id,
                Progress.state.in_([ProgressState.QUEUED, ProgressState.RUNNING]),
            )
            .order_by(Progress.created_at.desc())
            .limit(20)
        )
    )


def _audit_conditions(narrow: AuditFilter) -> list[ColumnElement[bool]]:
    found: list[ColumnElement[bool]] = []
    if narrow.user_id is not None:
        found.append(AuditEntry.user_id == narrow.user_id)
    if narrow.action:
        found.append(AuditEntry.action == narrow.action)
    if narrow.object_id is not None:
        found.append(AuditEntry.object_id == narrow.object_id)
    if narrow.since is not None:
        found.append(AuditEntry.at >= narrow.since)
    if narrow.before is not None:
        found.append(AuditEntry.at < narrow.before)
    return found
