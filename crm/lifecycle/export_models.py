"""Owns the table of exports: what was asked for, by whom, the file while it is kept."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ForeignKey, Index, text
from sqlalchemy.orm import Mapped, mapped_column

from crm.db import Base, Tenant, created_at, one_of, reference, tenant_args
from crm.lifecycle.kinds import ExportFormat, ExportState


class Export(Tenant, Base):
    """A list of people as a file. Only who asked for it may have it: a user, or a token with its role of then.

    `query` holds the filter as the address of the list of people does, `headers` the names of the columns in the
    language of who asked.
    """

    __tablename__ = "export"

    format: Mapped[str]
    state: Mapped[str] = mapped_column(server_default=ExportState.QUEUED.value)
    query: Mapped[dict[str, Any]] = mapped_column(server_default=text("'{}'::jsonb"))
    headers: Mapped[list[Any]] = mapped_column(server_default=text("'[]'::jsonb"))
    delimiter: Mapped[str] = mapped_column(server_default=",")
    file_name: Mapped[str]
    people: Mapped[int] = mapped_column(server_default=text("0"))
    progress_id: Mapped[UUID | None]
    file_id: Mapped[UUID | None]
    created_by_id: Mapped[UUID | None] = mapped_column(ForeignKey("app_user.id"))
    token_id: Mapped[UUID | None]
    role: Mapped[str] = mapped_column(server_default="")
    created_at: Mapped[created_at]
    finished_at: Mapped[datetime | None]
    expires_at: Mapped[datetime | None]

    __table_args__ = tenant_args(
        one_of("format", ExportFormat),
        one_of("state", ExportState),
        reference("progress", "progress_id"),
        reference("stored_file", "file_id", ondelete="SET NULL"),
        Index("ix_export_made", "workspace_id", "created_by_id", "id"),
        Index("ix_export_expires", "expires_at", postgresql_where=text("file_id is not null")),
        referred=False,
    )
