"""Owns the tables of enrichment: what each source was asked and answered, and which sources are on."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Index, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from crm.db import Base, Tenant, created_at, reference, tenant_args


class EnrichmentRun(Tenant, Base):
    """One look at one source for one contact or company."""

    __tablename__ = "enrichment_run"

    source: Mapped[str]
    contact_id: Mapped[UUID | None]
    company_id: Mapped[UUID | None]
    address: Mapped[str] = mapped_column(server_default="")
    state: Mapped[str] = mapped_column(server_default="queued")
    error_code: Mapped[str] = mapped_column(server_default="")
    etag: Mapped[str] = mapped_column(server_default="")
    last_modified: Mapped[str] = mapped_column(server_default="")
    found: Mapped[int] = mapped_column(server_default=text("0"))
    suggested: Mapped[int] = mapped_column(server_default=text("0"))
    extras: Mapped[dict[str, Any]] = mapped_column(server_default=text("'{}'::jsonb"))
    requested_by_id: Mapped[UUID | None] = mapped_column(ForeignKey("app_user.id"))
    created_at: Mapped[created_at]
    started_at: Mapped[datetime | None]
    finished_at: Mapped[datetime | None]
    retry_at: Mapped[datetime | None]

    __table_args__ = tenant_args(
        CheckConstraint("state in ('queued', 'running', 'done', 'failed')", name="state"),
        reference("contact", "contact_id", ondelete="CASCADE"),
        reference("company", "company_id", ondelete="CASCADE"),
        Index("ix_enrichment_run_company", "workspace_id", "company_id", "created_at"),
        Index("ix_enrichment_run_contact", "workspace_id", "contact_id", "created_at"),
        Index("ix_enrichment_run_open", "created_at", postgresql_where=text("state in ('queued', 'running')")),
    )


class EnrichmentSource(Tenant, Base):
    """A workspace's switch and preferences for one source."""

    __tablename__ = "enrichment_source"

    source: Mapped[str]
    is_on: Mapped[bool] = mapped_column(server_default=text("false"))
    always_prefer: Mapped[list[Any]] = mapped_column(server_default=text("'[]'::jsonb"))

    __table_args__ = tenant_args(UniqueConstraint("workspace_id", "source"))
