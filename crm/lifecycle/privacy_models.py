"""Owns the tables of erasures (that somebody was erased and when, never who) and of how long data is kept."""

from datetime import date, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Index, UniqueConstraint, func, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from crm.db import Base, Tenant, created_at, one_of, tenant_args
from crm.lifecycle.kinds import ErasureCause
from crm.lifecycle.rules.retention import DataClass


class Erasure(Tenant, Base):
    """A person who was erased; `subject_id` is the empty row that is left of them.

    `traces` holds what is still to be looked for in texts of others and in files, and is emptied when that is done.
    """

    __tablename__ = "erasure"

    subject_id: Mapped[UUID]
    at: Mapped[created_at]
    user_id: Mapped[UUID | None] = mapped_column(ForeignKey("app_user.id"))
    cause: Mapped[str] = mapped_column(server_default=ErasureCause.ASKED.value)
    counts: Mapped[dict[str, Any]] = mapped_column(server_default=text("'{}'::jsonb"))
    traces: Mapped[dict[str, Any] | None] = mapped_column(JSONB(none_as_null=True))
    done_at: Mapped[datetime | None]

    __table_args__ = tenant_args(
        one_of("cause", ErasureCause),
        Index("uq_erasure_subject", "workspace_id", "subject_id", unique=True),
        Index("ix_erasure_at", "workspace_id", "at", "id"),
        Index("ix_erasure_open", "at", postgresql_where=text("done_at is null")),
        referred=False,
    )


class ProcessingRecord(Tenant, Base):
    """What a workspace writes itself into its records of processing (GDPR, article 30); one row for each workspace."""

    __tablename__ = "processing_record"

    controller: Mapped[str] = mapped_column(server_default="")
    representative: Mapped[str] = mapped_column(server_default="")
    dpo: Mapped[str] = mapped_column(server_default="")
    recipients: Mapped[str] = mapped_column(server_default="")
    transfers: Mapped[str] = mapped_column(server_default="")
    measures: Mapped[str] = mapped_column(server_default="")
    updated_at: Mapped[datetime] = mapped_column(server_default=func.now())

    __table_args__ = tenant_args(UniqueConstraint("workspace_id"), referred=False)


class RetentionRule(Tenant, Base):
    """For how many days a workspace keeps one class of data; no `days` keep it."""

    __tablename__ = "retention_rule"

    data_class: Mapped[str]
    days: Mapped[int | None]

    __table_args__ = tenant_args(
        one_of("data_class", DataClass),
        CheckConstraint("days > 0", name="days"),
        UniqueConstraint("workspace_id", "data_class"),
        referred=False,
    )


class RetentionRun(Tenant, Base):
    """What one night's look took away, by class of data."""

    __tablename__ = "retention_run"

    day: Mapped[date]
    at: Mapped[created_at]
    counts: Mapped[dict[str, Any]] = mapped_column(server_default=text("'{}'::jsonb"))
    done_at: Mapped[datetime | None]

    __table_args__ = tenant_args(UniqueConstraint("workspace_id", "day"), referred=False)
