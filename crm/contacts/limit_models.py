"""Owns the table of limits on processing: why somebody's data may only be kept, since when, and how that ended."""

from datetime import date, datetime
from uuid import UUID

from sqlalchemy import ForeignKey, Index
from sqlalchemy.orm import Mapped, mapped_column

from crm.contacts.kinds import LimitGround
from crm.db import Attached, Base, created_at, one_of, reference, tenant_args, user_fk


class ProcessingLimit(Attached, Base):
    """One limit on the processing of a person (GDPR, article 18); it stands as long as `lifted_at` is empty.

    `asked_on` is the day on which the person asked. `contact.limited_at` repeats since when the earliest one stands.
    """

    __tablename__ = "processing_limit"

    contact_id: Mapped[UUID]
    ground: Mapped[str]
    note: Mapped[str] = mapped_column(server_default="")
    asked_on: Mapped[date]
    since: Mapped[created_at]
    user_id: Mapped[user_fk | None]
    lifted_at: Mapped[datetime | None]
    lifted_by_id: Mapped[UUID | None] = mapped_column(ForeignKey("app_user.id"))
    lift_note: Mapped[str] = mapped_column(server_default="")

    __table_args__ = tenant_args(
        one_of("ground", LimitGround),
        reference("contact", "contact_id", ondelete="CASCADE"),
        Index("ix_processing_limit_contact", "workspace_id", "contact_id", "since"),
        referred=False,
    )
