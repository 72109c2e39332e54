"""Owns the tables of pipelines, stages, deals, the people, companies and tasks in them, and the history of stages."""

from datetime import date, datetime
from typing import Final
from uuid import UUID

from sqlalchemy import CheckConstraint, Computed, ForeignKey, Index, SmallInteger, Text, UniqueConstraint, func, text
from sqlalchemy.orm import Mapped, mapped_column

from crm.db import Attached, Base, Tenant, big, created_at, one_of, reference, tenant_args
from crm.deals.kinds import StageKind
from crm.deals.rules import LONGEST_RANK, MOST_DAYS, MOST_MONEY

#: Undisturbed cards stand by closing day, undated ones last, and then by age; no rank ends with the lowest digit, so
#: that another one always fits before it.
_RANK: Final = (
    "coalesce(placed, lpad((coalesce(closes_on, '9999-12-31'::date) - '0001-01-01'::date)::text, 7, '0')"
    " || replace(id::text, '-', '') || 'i')"
)


class Pipeline(Tenant, Base):
    __tablename__ = "pipeline"

    name: Mapped[str]
    position: Mapped[int] = mapped_column(server_default=text("0"))
    created_at: Mapped[created_at]
    archived_at: Mapped[datetime | None]

    __table_args__ = tenant_args()


class DealStage(Attached, Base):
    """A column of the board; removed ones stay for the history. `probability` in per cent, no `rot_days` never rots."""

    __tablename__ = "deal_stage"

    pipeline_id: Mapped[UUID]
    name: Mapped[str]
    kind: Mapped[str] = mapped_column(server_default=StageKind.OPEN.value)
    probability: Mapped[int] = mapped_column(SmallInteger, server_default=text("0"))
    rot_days: Mapped[int | None]
    position: Mapped[int] = mapped_column(server_default=text("0"))
    archived_at: Mapped[datetime | None]

    __table_args__ = tenant_args(
        one_of("kind", StageKind),
        CheckConstraint("probability between 0 and 100", name="probability"),
        CheckConstraint(f"rot_days between 1 and {MOST_DAYS}", name="rot_days"),
        reference("pipeline", "pipeline_id"),
        Index("ix_deal_stage_pipeline", "workspace_id", "pipeline_id", "position"),
    )


class LostReason(Tenant, Base):
    """Why deals are lost, in the words of the house."""

    __tablename__ = "lost_reason"

    name: Mapped[str]
    name_norm: Mapped[str]
    archived_at: Mapped[datetime | None]

    __table_args__ = tenant_args(UniqueConstraint("workspace_id", "name_norm"))


class Deal(Attached, Base):
    """What may be sold to whom. `state` repeats the kind of its stage, `order_on` puts undated ones last.

    The amount is in minor units of its currency, `probability` (per cent) only where it differs from the stage's.
    `rank` orders the open ones of a stage: `placed` where somebody put it, else by its closing day.
    """

    __tablename__ = "deal"

    pipeline_id: Mapped[UUID]
    stage_id: Mapped[UUID]
    state: Mapped[str] = mapped_column(server_default=StageKind.OPEN.value)
    title: Mapped[str]
    title_norm: Mapped[str]
    amount_minor: Mapped[big] = mapped_column(server_default=text("0"))
    currency: Mapped[str] = mapped_column(server_default="EUR")
    closes_on: Mapped[date | None]
    order_on: Mapped[date] = mapped_column(Computed("coalesce(closes_on, '9999-12-31'::date)", persisted=True))
    placed: Mapped[str | None] = mapped_column(Text(collation="C"))
    rank: Mapped[str] = mapped_column(Text(collation="C"), Computed(_RANK, persisted=True))
    probability: Mapped[int | None] = mapped_column(SmallInteger)
    owner_id: Mapped[UUID | None] = mapped_column(ForeignKey("app_user.id"))
    lost_reason_id: Mapped[UUID | None]
    lost_note: Mapped[str] = mapped_column(server_default="")
    stage_since: Mapped[datetime]
    closed_at: Mapped[datetime | None]
    search: Mapped[str] = mapped_column(Computed("public.crm_search_text(title)", persisted=True))
    version: Mapped[int] = mapped_column(server_default=text("1"))
    created_by_id: Mapped[UUID | None] = mapped_column(ForeignKey("app_user.id"))
    created_at: Mapped[created_at]
    updated_at: Mapped[datetime] = mapped_column(server_default=func.now())
    deleted_at: Mapped[datetime | None]

    __mapper_args__ = {"version_id_col": version}
    __table_args__ = tenant_args(
        one_of("state", StageKind),
        CheckConstraint(f"amount_minor between 0 and {MOST_MONEY}", name="amount"),
        CheckConstraint("probability between 0 and 100", name="probability"),
        CheckConstraint("(state = 'open') = (closed_at is null)", name="closed"),
        CheckConstraint(f"placed ~ '^[0-9a-z]{{0,{LONGEST_RANK - 1}}}[1-9a-z]$'", name="placed"),
        reference("pipeline", "pipeline_id"),
        reference("deal_stage", "stage_id"),
        reference("lost_reason", "lost_reason_id"),
        Index("ix_deal_column", "workspace_id", "stage_id", "rank", "id", postgresql_where=text("deleted_at is null")),
        Index(
            "ix_deal_closed",
            "workspace_id",
            "stage_id",
            "closed_at",
            "id",
            postgresql_where=text("deleted_at is null and closed_at is not null"),
        ),
        # Whose first deal was won on this day of an earlier year: every page counts them.
        Index(
            "ix_deal_won",
            "workspace_id",
            "closed_at",
            "id",
            postgresql_where=text("deleted_at is null and state = 'won'"),
        ),
        Index("ix_deal_title", "workspace_id", "title_norm", "id", postgresql_where=text("deleted_at is null")),
        Index("ix_deal_amount", "workspace_id", "amount_minor", "id", postgresql_where=text("deleted_at is null")),
        Index("ix_deal_closes", "workspace_id", "order_on", "id", postgresql_where=text("deleted_at is null")),
        Index("ix_deal_created", "workspace_id", "created_at", "id", postgresql_where=text("deleted_at is null")),
        Index(
            "ix_deal_search",
            "workspace_id",
            "search",
            postgresql_using="gin",
            postgresql_ops={"search": "gin_trgm_ops"},
        ),
    )


class DealContact(Attached, Base):
    """A person in a deal; the deal is seen by those who see its main one."""

    __tablename__ = "deal_contact"

    deal_id: Mapped[UUID]
    contact_id: Mapped[UUID]
    role: Mapped[str] = mapped_column(server_default="")
    is_main: Mapped[bool] = mapped_column(server_default=text("false"))

    __table_args__ = tenant_args(
        reference("deal", "deal_id", ondelete="CASCADE"),
        reference("contact", "contact_id", ondelete="CASCADE"),
        UniqueConstraint("workspace_id", "deal_id", "contact_id"),
        Index("ix_deal_contact_contact", "workspace_id", "contact_id", "deal_id"),
        Index("uq_deal_contact_main", "workspace_id", "deal_id", unique=True, postgresql_where=text("is_main")),
        referred=False,
    )


class DealCompany(Attached, Base):
    __tablename__ = "deal_company"

    deal_id: Mapped[UUID]
    company_id: Mapped[UUID]

    __table_args__ = tenant_args(
        reference("deal", "deal_id", ondelete="CASCADE"),
        reference("company", "company_id", ondelete="CASCADE"),
        UniqueConstraint("workspace_id", "deal_id", "company_id"),
        Index("ix_deal_company_company", "workspace_id", "company_id", "deal_id"),
        referred=False,
    )


class DealTask(Attached, Base):
    """A task that is about a deal; seen by those who see both."""

    __tablename__ = "deal_task"

    deal_id: Mapped[UUID]
    task_id: Mapped[UUID]

    __table_args__ = tenant_args(
        reference("deal", "deal_id", ondelete="CASCADE"),
        reference("task", "task_id", ondelete="CASCADE"),
        UniqueConstraint("workspace_id", "deal_id", "task_id"),
        Index("ix_deal_task_task", "workspace_id", "task_id"),
        referred=False,
    )


class StageChange(Attached, Base):
    """A deal entered a stage; the first one is its beginning. Ids and instants only."""

    __tablename__ = "deal_stage_change"

    deal_id: Mapped[UUID]
    stage_id: Mapped[UUID]
    at: Mapped[datetime]
    user_id: Mapped[UUID | None] = mapped_column(ForeignKey("app_user.id"))

    __table_args__ = tenant_args(
        reference("deal", "deal_id", ondelete="CASCADE"),
        reference("deal_stage", "stage_id"),
        Index("ix_deal_stage_change_deal", "workspace_id", "deal_id", "at", "id"),
        append_only=True,
        referred=False,
    )
