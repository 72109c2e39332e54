"""Owns the tables of imports: the file, the mapping, the counts, the refused rows."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ForeignKey, Index, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from crm.consent.kinds import Basis
from crm.db import Attached, Base, Tenant, created_at, one_of, reference, tenant_args
from crm.lifecycle.kinds import ImportMode, ImportState, MatchKey
from crm.lifecycle.rules.tables import FileKind


class Import(Attached, Base):
    __tablename__ = "import"

    file_id: Mapped[UUID]
    file_name: Mapped[str]
    state: Mapped[str] = mapped_column(server_default=ImportState.UPLOADED.value)
    mode: Mapped[str] = mapped_column(server_default=ImportMode.UPSERT.value)
    match: Mapped[str] = mapped_column(server_default=MatchKey.ANY.value)
    kind: Mapped[str] = mapped_column(server_default=FileKind.CSV.value)
    program: Mapped[str] = mapped_column(server_default="")
    month_first: Mapped[bool] = mapped_column(server_default=text("false"))
    new_lifecycle: Mapped[str] = mapped_column(server_default="")
    encoding: Mapped[str] = mapped_column(server_default="")
    delimiter: Mapped[str] = mapped_column(server_default="")
    columns: Mapped[list[Any]] = mapped_column(server_default=text("'[]'::jsonb"))
    mapping: Mapped[dict[str, Any]] = mapped_column(server_default=text("'{}'::jsonb"))
    basis: Mapped[str] = mapped_column(server_default=Basis.UNKNOWN.value)
    source: Mapped[str] = mapped_column(server_default="")
    tag: Mapped[str] = mapped_column(server_default="")
    progress_id: Mapped[UUID | None]
    change_set_id: Mapped[UUID | None]
    revert_progress_id: Mapped[UUID | None]
    next_row: Mapped[int] = mapped_column(server_default=text("0"))
    created: Mapped[int] = mapped_column(server_default=text("0"))
    updated: Mapped[int] = mapped_column(server_default=text("0"))
    unchanged: Mapped[int] = mapped_column(server_default=text("0"))
    refused: Mapped[int] = mapped_column(server_default=text("0"))
    created_by_id: Mapped[UUID | None] = mapped_column(ForeignKey("app_user.id"))
    created_at: Mapped[created_at]
    finished_at: Mapped[datetime | None]

    __table_args__ = tenant_args(
        one_of("state", ImportState),
        one_of("mode", ImportMode),
        one_of("match", MatchKey),
        one_of("kind", FileKind),
        one_of("basis", Basis),
        reference("stored_file", "file_id"),
        reference("progress", "progress_id"),
        reference("progress", "revert_progress_id"),
        reference("change_set", "change_set_id", ondelete="SET NULL"),
    )


class RefusedRow(Attached, Base):
    """A row that did not go in, with its reason, for download and correction."""

    __tablename__ = "refused_row"

    import_id: Mapped[UUID]
    row: Mapped[int]
    column: Mapped[str] = mapped_column(server_default="")
    code: Mapped[str]
    values: Mapped[list[Any]]
    told: Mapped[dict[str, Any]] = mapped_column(server_default=text("'{}'::jsonb"))
    """Where one code has many reasons: {"sentence": in English, "values": what fills it}."""

    __table_args__ = tenant_args(
        reference("import", "import_id", ondelete="CASCADE"),
        UniqueConstraint("workspace_id", "import_id", "row"),
        referred=False,
    )


class RememberedMapping(Tenant, Base):
    """The mapping a person chose for a header, offered again for the same columns."""

    __tablename__ = "remembered_mapping"

    header_hash: Mapped[str]
    mapping: Mapped[dict[str, Any]]
    at: Mapped[created_at]

    __table_args__ = tenant_args(
        UniqueConstraint("workspace_id", "header_hash"), Index("ix_remembered_mapping_at", "workspace_id", "at")
    )
