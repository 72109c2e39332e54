"""Owns the table of people who look alike and are not the same."""

from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Index, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from crm.db import Attached, Base, created_at, reference, tenant_args


class NotSame(Attached, Base):
    """Somebody looked and said that these two are two; in either order."""

    __tablename__ = "not_same"

    contact_id: Mapped[UUID]
    other_id: Mapped[UUID]
    user_id: Mapped[UUID | None] = mapped_column(ForeignKey("app_user.id"))
    at: Mapped[created_at]

    __table_args__ = tenant_args(
        CheckConstraint("contact_id <> other_id", name="two"),
        reference("contact", "contact_id", ondelete="CASCADE"),
        reference("contact", "other_id", ondelete="CASCADE"),
        UniqueConstraint("workspace_id", "contact_id", "other_id"),
        Index("ix_not_same_other", "workspace_id", "other_id"),
        referred=False,
    )
