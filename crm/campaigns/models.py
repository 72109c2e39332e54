"""Owns the tables of campaigns, their texts per language and channel, and recipients."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Index, SmallInteger, UniqueConstraint, func, text
from sqlalchemy.orm import Mapped, mapped_column

from crm.campaigns.kinds import CampaignStage, LeaverPolicy, RecipientState, ScheduleKind
from crm.channels.base import ChannelKind
from crm.consent.kinds import Purpose
from crm.db import Attached, Base, Tenant, created_at, one_of, reference, tenant_args


class Campaign(Tenant, Base):
    """A private promotion or note for a segment or hand-picked people."""

    __tablename__ = "campaign"

    name: Mapped[str]
    purpose: Mapped[str] = mapped_column(server_default=Purpose.PROMOTIONAL.value)
    stage: Mapped[str] = mapped_column(server_default=CampaignStage.DRAFT.value)
    channel: Mapped[str] = mapped_column(server_default=ChannelKind.EMAIL.value)
    segment_id: Mapped[UUID | None]
    offer_id: Mapped[UUID | None]
    account_id: Mapped[UUID | None]
    from_owner: Mapped[bool] = mapped_column(server_default=text("false"))
    batch_id: Mapped[UUID | None]
    leavers: Mapped[str] = mapped_column(server_default=LeaverPolicy.STAY.value)
    schedule: Mapped[str | None]
    starts_at: Mapped[datetime | None]
    ends_at: Mapped[datetime | None]
    in_recipient_zone: Mapped[bool] = mapped_column(server_default=text("false"))
    holdout_percent: Mapped[int] = mapped_column(SmallInteger, server_default=text("0"))
    seed: Mapped[int] = mapped_column(server_default=text("0"))
    prepared_at: Mapped[datetime | None]
    finished_at: Mapped[datetime | None]
    created_by_id: Mapped[UUID | None] = mapped_column(ForeignKey("app_user.id"))
    version: Mapped[int] = mapped_column(server_default=text("1"))
    created_at: Mapped[created_at]
    updated_at: Mapped[datetime] = mapped_column(server_default=func.now())
    deleted_at: Mapped[datetime | None]

    __mapper_args__ = {"version_id_col": version}
    __table_args__ = tenant_args(
        one_of("purpose", Purpose),
        one_of("stage", CampaignStage),
        one_of("channel", ChannelKind),
        one_of("leavers", LeaverPolicy),
        one_of("schedule", ScheduleKind),
        CheckConstraint("holdout_percent between 0 and 90", name="holdout_percent"),
        reference("segment", "segment_id", ondelete="SET NULL"),
        reference("offer", "offer_id", ondelete="SET NULL"),
        reference("sender_account", "account_id"),
        reference("batch", "batch_id"),
        Index("ix_campaign_created", "workspace_id", "created_at", "id"),
        Index(
            "ix_campaign_running",
            "workspace_id",
            postgresql_where=text("stage = 'scheduled' and finished_at is null"),
        ),
        Index("ix_campaign_batch", "workspace_id", "batch_id"),
    )


class CampaignText(Attached, Base):
    """What is written, per channel and language; language '' is the one used when no other fits."""

    __tablename__ = "campaign_text"

    campaign_id: Mapped[UUID]
    channel: Mapped[str] = mapped_column(server_default=ChannelKind.EMAIL.value)
    language: Mapped[str] = mapped_column(server_default="")
    subject: Mapped[str] = mapped_column(server_default="")
    body: Mapped[str] = mapped_column(server_default="")

    __table_args__ = tenant_args(
        one_of("channel", ChannelKind),
        reference("campaign", "campaign_id", ondelete="CASCADE"),
        UniqueConstraint("workspace_id", "campaign_id", "channel", "language"),
        referred=False,
    )


class CampaignPick(Attached, Base):
    """A person chosen by hand, or taken out of the segment by hand, before preparation."""

    __tablename__ = "campaign_pick"

    campaign_id: Mapped[UUID]
    contact_id: Mapped[UUID]
    is_added: Mapped[bool]

    __table_args__ = tenant_args(
        reference("campaign", "campaign_id", ondelete="CASCADE"),
        reference("contact", "contact_id", ondelete="CASCADE"),
        UniqueConstraint("workspace_id", "campaign_id", "contact_id"),
        Index("ix_campaign_pick_contact", "workspace_id", "contact_id"),
        referred=False,
    )


class Recipient(Attached, Base):
    """One contact in one campaign: enrolment and step only."""

    __tablename__ = "recipient"

    campaign_id: Mapped[UUID]
    contact_id: Mapped[UUID]
    message_id: Mapped[UUID | None]
    state: Mapped[str] = mapped_column(server_default=RecipientState.DRAFTED.value)
    reason: Mapped[str] = mapped_column(server_default="")
    step: Mapped[int] = mapped_column(SmallInteger, server_default=text("1"))
    position: Mapped[int] = mapped_column(server_default=text("0"))
    replied_at: Mapped[datetime | None]

    __table_args__ = tenant_args(
        one_of("state", RecipientState),
        reference("campaign", "campaign_id", ondelete="CASCADE"),
        reference("contact", "contact_id", ondelete="CASCADE"),
        reference("message", "message_id", ondelete="SET NULL"),
        UniqueConstraint("workspace_id", "campaign_id", "contact_id"),
        Index("ix_recipient_message", "workspace_id", "message_id"),
        Index("ix_recipient_contact", "workspace_id", "contact_id"),
        Index("ix_recipient_position", "workspace_id", "campaign_id", "position"),
        referred=False,
    )


class CampaignDeal(Attached, Base):
    """The campaign that a deal came from; unconfirmed as long as it is only the last one that wrote to its person."""

    __tablename__ = "campaign_deal"

    campaign_id: Mapped[UUID]
    deal_id: Mapped[UUID]
    is_confirmed: Mapped[bool] = mapped_column(server_default=text("true"))
    at: Mapped[created_at]
    user_id: Mapped[UUID | None] = mapped_column(ForeignKey("app_user.id"))

    __table_args__ = tenant_args(
        reference("campaign", "campaign_id", ondelete="CASCADE"),
        reference("deal", "deal_id", ondelete="CASCADE"),
        UniqueConstraint("workspace_id", "deal_id"),
        Index("ix_campaign_deal_campaign", "workspace_id", "campaign_id"),
        referred=False,
    )
