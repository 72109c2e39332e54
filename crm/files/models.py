"""Owns the table of stored files."""

from uuid import UUID

from sqlalchemy.orm import Mapped, mapped_column

from crm.db import Base, Tenant, created_at, tenant_args


class StoredFile(Tenant, Base):
    """A file kept under its own id below the home; the given name is data, never a path."""

    __tablename__ = "stored_file"

    name: Mapped[str]
    media_type: Mapped[str] = mapped_column(server_default="application/octet-stream")
    size: Mapped[int]
    sha256: Mapped[str]
    created_by_id: Mapped[UUID | None]
    created_at: Mapped[created_at]

    __table_args__ = tenant_args()
