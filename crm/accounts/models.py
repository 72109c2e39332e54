"""Owns the tables of workspaces, users, memberships, tokens, audit, notifications, progress and throttles."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ForeignKey, Index, UniqueConstraint, func, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.ext.mutable import MutableList
from sqlalchemy.orm import Mapped, mapped_column
from sqlalchemy.types import JSON

from crm.accounts.kinds import ActorKind, LinkPurpose, ProgressState, Role
from crm.db import Base, Tenant, big, created_at, one_of, pk, tenant_args, user_fk


class Workspace(Base):
    """One firm, or one client of an agency; row-level security shows a session its own row only."""

    __tablename__ = "workspace"

    id: Mapped[pk]
    name: Mapped[str]
    slug: Mapped[str] = mapped_column(unique=True)
    time_zone: Mapped[str] = mapped_column(server_default="Europe/Rome")
    locale: Mapped[str] = mapped_column(server_default="it")
    country: Mapped[str] = mapped_column(server_default="IT")
    currency: Mapped[str] = mapped_column(server_default="EUR")
    postal_address: Mapped[str] = mapped_column(server_default="")
    is_demo: Mapped[bool] = mapped_column(server_default=text("false"))
    require_second_factor: Mapped[bool] = mapped_column(server_default=text("false"))
    second_approval: Mapped[bool] = mapped_column(server_default=text("false"))
    sending_paused: Mapped[bool] = mapped_column(server_default=text("false"))
    promotions_paused: Mapped[bool] = mapped_column(server_default=text("false"))
    audience_limit: Mapped[int] = mapped_column(server_default=text("200"))
    window_start: Mapped[str] = mapped_column(server_default="09:00")
    window_end: Mapped[str] = mapped_column(server_default="19:00")
    window_days: Mapped[str] = mapped_column(server_default="1,2,3,4,5")
    promotional_per_week: Mapped[int] = mapped_column(server_default=text("2"))
    company_per_week: Mapped[int] = mapped_column(server_default=text("6"))
    # After so many days without two-way contact people of that importance are due; none where nothing stands.
    cadence_key_days: Mapped[int | None] = mapped_column(server_default=text("30"))
    cadence_high_days: Mapped[int | None] = mapped_column(server_default=text("90"))
    cadence_normal_days: Mapped[int | None]
    # Whose records the roles of `crm.accounts.rules.NARROWED` see here, by role; all where nothing stands.
    record_access: Mapped[dict[str, Any]] = mapped_column(server_default=text("'{}'::jsonb"))
    basis_policy: Mapped[dict[str, Any]] = mapped_column(server_default=text("'{}'::jsonb"))
    set_up_at: Mapped[datetime | None]
    created_at: Mapped[created_at]


class User(Base):
    """A person who signs in; global, because one person can work in several workspaces."""

    __tablename__ = "app_user"

    id: Mapped[pk]
    email: Mapped[str]
    email_norm: Mapped[str] = mapped_column(unique=True)
    name: Mapped[str] = mapped_column(server_default="")
    password: Mapped[str | None]
    active: Mapped[bool] = mapped_column(server_default=text("true"))
    fs_uniquifier: Mapped[str] = mapped_column(unique=True)
    locale: Mapped[str] = mapped_column(server_default="")
    time_zone: Mapped[str] = mapped_column(server_default="")
    theme: Mapped[str] = mapped_column(server_default="auto")
    # The columns that this person chose for a list, by the list's name.
    list_columns: Mapped[dict[str, Any] | None] = mapped_column(JSONB)
    confirmed_at: Mapped[datetime | None]
    last_workspace_id: Mapped[UUID | None] = mapped_column(ForeignKey("workspace.id", ondelete="SET NULL"))
    tf_primary_method: Mapped[str | None]
    tf_totp_secret: Mapped[str | None]
    # The time step of the last accepted code: a code that was seen once is refused (RFC 6238, section 5.2).
    tf_last_counter: Mapped[big | None]
    mf_recovery_codes: Mapped[list[Any] | None] = mapped_column(MutableList.as_mutable(JSON()))
    created_at: Mapped[created_at]


class UserSession(Base):
    """One signed-in browser of a user, so that it can be listed and ended."""

    __tablename__ = "user_session"

    id: Mapped[pk]
    user_id: Mapped[UUID] = mapped_column(ForeignKey("app_user.id", ondelete="CASCADE"), index=True)
    token_hash: Mapped[str] = mapped_column(unique=True)
    ip: Mapped[str] = mapped_column(server_default="")
    agent: Mapped[str] = mapped_column(server_default="")
    created_at: Mapped[created_at]
    seen_at: Mapped[datetime] = mapped_column(server_default=func.now())
    ended_at: Mapped[datetime | None]


class OneTimeLink(Base):
    """A single-use link (password reset, magic link), stored as a hash."""

    __tablename__ = "one_time_link"

    id: Mapped[pk]
    purpose: Mapped[str]
    token_hash: Mapped[str] = mapped_column(unique=True)
    user_id: Mapped[UUID | None] = mapped_column(ForeignKey("app_user.id", ondelete="CASCADE"))
    workspace_id: Mapped[UUID | None] = mapped_column(ForeignKey("workspace.id", ondelete="CASCADE"))
    expires_at: Mapped[datetime]
    used_at: Mapped[datetime | None]
    created_at: Mapped[created_at]

    __table_args__ = (one_of("purpose", LinkPurpose),)


class Throttle(Base):
    """A counter of tries in a window; it survives restarts and refused requests."""

    __tablename__ = "throttle"

    key: Mapped[str] = mapped_column(primary_key=True)
    window_start: Mapped[datetime]
    tries: Mapped[int]
    blocked_until: Mapped[datetime | None]


class Membership(Tenant, Base):
    __tablename__ = "membership"

    user_id: Mapped[user_fk] = mapped_column(index=True)
    role: Mapped[str]
    # Who has the same word here works together; without one, a person is a team of one.
    team: Mapped[str] = mapped_column(server_default="")
    created_at: Mapped[created_at]
    ended_at: Mapped[datetime | None]

    __table_args__ = tenant_args(one_of("role", Role), UniqueConstraint("workspace_id", "user_id"))


class Invitation(Tenant, Base):
    __tablename__ = "invitation"

    email: Mapped[str]
    email_norm: Mapped[str]
    role: Mapped[str]
    token_hash: Mapped[str] = mapped_column(unique=True)
    invited_by_id: Mapped[UUID | None] = mapped_column(ForeignKey("app_user.id"))
    expires_at: Mapped[datetime]
    accepted_at: Mapped[datetime | None]
    revoked_at: Mapped[datetime | None]
    created_at: Mapped[created_at]

    __table_args__ = tenant_args(one_of("role", Role))


class ApiToken(Tenant, Base):
    __tablename__ = "api_token"

    name: Mapped[str]
    token_hash: Mapped[str] = mapped_column(unique=True)
    hint: Mapped[str]
    role: Mapped[str]
    scopes: Mapped[list[Any] | None]
    created_by_id: Mapped[UUID | None] = mapped_column(ForeignKey("app_user.id"))
    expires_at: Mapped[datetime | None]
    revoked_at: Mapped[datetime | None]
    last_used_at: Mapped[datetime | None]
    created_at: Mapped[created_at]

    __table_args__ = tenant_args(one_of("role", Role))


class AuditEntry(Tenant, Base):
    """Who did what to which thing, when and from where; ids and codes only."""

    __tablename__ = "audit_entry"

    at: Mapped[created_at]
    actor_kind: Mapped[str]
    user_id: Mapped[UUID | None]
    token_id: Mapped[UUID | None]
    action: Mapped[str]
    object_kind: Mapped[str] = mapped_column(server_default="")
    object_id: Mapped[UUID | None]
    request_id: Mapped[str] = mapped_column(server_default="")

    __table_args__ = tenant_args(
        one_of("actor_kind", ActorKind),
        Index("ix_audit_entry_at", "workspace_id", "at", "id"),
        Index("ix_audit_entry_object", "workspace_id", "object_id"),
        append_only=True,
    )


class AuditDetail(Tenant, Base):
    """The personal values of an audit entry (before, after, address), emptied by erasure."""

    __tablename__ = "audit_detail"

    entry_id: Mapped[UUID] = mapped_column(unique=True)
    ip: Mapped[str] = mapped_column(server_default="")
    before: Mapped[dict[str, Any]] = mapped_column(server_default=text("'{}'::jsonb"))
    after: Mapped[dict[str, Any]] = mapped_column(server_default=text("'{}'::jsonb"))

    __table_args__ = tenant_args()


class Notification(Tenant, Base):
    """A line of the bell: `kind` and `params` are put into words in the reader's language."""

    __tablename__ = "notification"

    user_id: Mapped[user_fk]
    kind: Mapped[str]
    params: Mapped[dict[str, Any]] = mapped_column(server_default=text("'{}'::jsonb"))
    url: Mapped[str] = mapped_column(server_default="")
    created_at: Mapped[created_at]
    read_at: Mapped[datetime | None]

    __table_args__ = tenant_args(
        Index("ix_notification_user", "workspace_id", "user_id", "created_at"),
        # Troubles that are not over: see crm.accounts.services.alerts.
        Index(
            "ix_notification_open",
            "workspace_id",
            postgresql_where=text("kind like 'alert.%' and (params ->> 'open') = 'true'"),
        ),
    )


class Progress(Tenant, Base):
    """The state of one piece of long work, for its progress bar and result."""

    __tablename__ = "progress"

    kind: Mapped[str]
    object_id: Mapped[UUID | None]
    title: Mapped[str] = mapped_column(server_default="")
    state: Mapped[str] = mapped_column(server_default=ProgressState.QUEUED.value)
    done: Mapped[int] = mapped_column(server_default=text("0"))
    total: Mapped[int | None]
    failed: Mapped[int] = mapped_column(server_default=text("0"))
    result: Mapped[dict[str, Any]] = mapped_column(server_default=text("'{}'::jsonb"))
    url: Mapped[str] = mapped_column(server_default="")
    created_by_id: Mapped[UUID | None] = mapped_column(ForeignKey("app_user.id"))
    created_at: Mapped[created_at]
    updated_at: Mapped[datetime] = mapped_column(server_default=func.now())

    __table_args__ = tenant_args(
        one_of("state", ProgressState),
        Index("ix_progress_open", "updated_at", postgresql_where=text("state in ('queued', 'running')")),
    )


class IdempotencyKey(Tenant, Base):
    """The answer that was given to a POST with this key, kept for 24 hours."""

    __tablename__ = "idempotency_key"

    route: Mapped[str]
    key: Mapped[str]
    body_hash: Mapped[str]
    status: Mapped[int]
    answer: Mapped[dict[str, Any]]
    created_at: Mapped[created_at]

    __table_args__ = tenant_args(
        UniqueConstraint("workspace_id", "route", "key"), Index("ix_idempotency_key_created_at", "created_at")
    )
