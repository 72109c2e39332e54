"""Owns the tables of saved segments, hand picks, membership and its history."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Index, UniqueConstraint, func, text
from sqlalchemy.orm import Mapped, mapped_column

from crm.db import Attached, Base, Tenant, created_at, one_of, reference, tenant_args
from crm.segments.kinds import PickMode, SegmentKind


class Segment(Tenant, Base):
    __tablename__ = "segment"

    name: Mapped[str]
    description: Mapped[str] = mapped_column(server_default="")
    kind: Mapped[str] = mapped_column(server_default=SegmentKind.LIVE.value)
    rule: Mapped[dict[str, Any]]
    created_by_id: Mapped[UUID | None] = mapped_column(ForeignKey("app_user.id"))
    frozen_from_id: Mapped[UUID | None]
    members: Mapped[int | None]
    refreshed_at: Mapped[datetime | None]
    version: Mapped[int] = mapped_column(server_default=text("1"))
    created_at: Mapped[created_at]
    updated_at: Mapped[datetime] = mapped_column(server_default=func.now())
    deleted_at: Mapped[datetime | None]

    __mapper_args__ = {"version_id_col": version}
    __table_args__ = tenant_args(
        one_of("kind", SegmentKind), reference("segment", "frozen_from_id", ondelete="SET NULL")
    )


class SegmentPick(Attached, Base):
    __tablename__ = "segment_pick"

    segment_id: Mapped[UUID]
    contact_id: Mapped[UUID]
    mode: Mapped[str]
    at: Mapped[created_at]

    __table_args__ = tenant_args(
        one_of("mode", PickMode),
        reference("segment", "segment_id", ondelete="CASCADE"),
        reference("contact", "contact_id", ondelete="CASCADE"),
        UniqueConstraint("workspace_id", "segment_id", "contact_id"),
        Index("ix_segment_pick_contact", "workspace_id", "contact_id"),
        referred=False,
    )


class SegmentMember(Attached, Base):
    """Who was in the segment at its last refresh (or for good, when it is frozen)."""

    __tablename__ = "segment_member"

    segment_id: Mapped[UUID]
    contact_id: Mapped[UUID]
    entered_at: Mapped[datetime]

    __table_args__ = tenant_args(
        reference("segment", "segment_id", ondelete="CASCADE"),
        reference("contact", "contact_id", ondelete="CASCADE"),
        UniqueConstraint("workspace_id", "segment_id", "contact_id"),
        Index("ix_segment_member_contact", "workspace_id", "contact_id"),
        referred=False,
    )


class SegmentChange(Attached, Base):
    __tablename__ = "segment_change"

    segment_id: Mapped[UUID]
    contact_id: Mapped[UUID]
    change: Mapped[str]
    cause: Mapped[str] = mapped_column(server_default="")
    at: Mapped[datetime]

    __table_args__ = tenant_args(
        CheckConstraint("change in ('entered', 'left')", name="change"),
        reference("segment", "segment_id", ondelete="CASCADE"),
        reference("contact", "contact_id", ondelete="CASCADE"),
        Index("ix_segment_change_segment", "workspace_id", "segment_id", "at"),
        Index("ix_segment_change_contact", "workspace_id", "contact_id", "at"),
        referred=False,
    )
