"""Owns the tables of the timeline and of tasks."""

from datetime import date, datetime
from uuid import UUID

from sqlalchemy import ForeignKey, Index, text
from sqlalchemy.orm import Mapped, mapped_column

from crm.db import Attached, Base, Tenant, created_at, one_of, reference, tenant_args
from crm.interactions.kinds import Direction, Sentiment, Visibility


class Interaction(Tenant, Base):
    """Something that happened with a person, dated when it happened; the text lies in `InteractionBody`."""

    __tablename__ = "interaction"

    contact_id: Mapped[UUID | None]
    company_id: Mapped[UUID | None]
    handle_id: Mapped[UUID | None]
    kind: Mapped[str]
    channel: Mapped[str | None]
    direction: Mapped[str] = mapped_column(server_default=Direction.NONE.value)
    happened_at: Mapped[datetime]
    visibility: Mapped[str] = mapped_column(server_default=Visibility.TEAM.value)
    sentiment: Mapped[str | None]
    is_automatic: Mapped[bool] = mapped_column(server_default=text("false"))
    author_id: Mapped[UUID | None] = mapped_column(ForeignKey("app_user.id"))
    external_id: Mapped[str | None]
    source_kind: Mapped[str | None]
    source_id: Mapped[UUID | None]
    post_url: Mapped[str] = mapped_column(server_default="")
    duration_minutes: Mapped[int | None]
    points: Mapped[int | None]
    amount_minor: Mapped[int | None]
    answered_at: Mapped[datetime | None]
    created_at: Mapped[created_at]
    removed_at: Mapped[datetime | None]

    __table_args__ = tenant_args(
        one_of("direction", Direction),
        one_of("visibility", Visibility),
        one_of("sentiment", Sentiment),
        reference("contact", "contact_id", ondelete="CASCADE"),
        reference("company", "company_id", ondelete="SET NULL"),
        reference("handle", "handle_id", ondelete="SET NULL"),
        Index("ix_interaction_contact", "workspace_id", "contact_id", "happened_at", "id"),
        Index(
            "ix_interaction_company",
            "workspace_id",
            "company_id",
            "happened_at",
            "id",
            postgresql_where=text("company_id is not null"),
        ),
        # Counts in a window ("two calls in 90 days") read this index alone; what they leave out stays out of it.
        Index(
            "ix_interaction_kind",
            "workspace_id",
            "kind",
            "happened_at",
            "contact_id",
            postgresql_include=["direction", "channel"],
            postgresql_where=text("removed_at is null and visibility <> 'private'"),
        ),
        Index(
            "ix_interaction_complaint",
            "workspace_id",
            "contact_id",
            postgresql_where=text(
                "sentiment = 'negative' and direction = 'inbound' and answered_at is null and removed_at is null"
            ),
        ),
        # What people were unhappy about, day by day; see crm.interactions.spikes.
        Index(
            "ix_interaction_negative",
            "workspace_id",
            "happened_at",
            postgresql_where=text(
                "sentiment = 'negative' and direction = 'inbound' and visibility <> 'private' and removed_at is null"
            ),
        ),
        Index(
            "uq_interaction_external",
            "workspace_id",
            "channel",
            "external_id",
            unique=True,
            postgresql_where=text("external_id is not null"),
        ),
        Index("ix_interaction_source", "workspace_id", "source_id", postgresql_where=text("source_id is not null")),
    )


class InteractionBody(Attached, Base):
    """The words of an interaction, apart so that lists stay narrow and erasure can empty them."""

    __tablename__ = "interaction_body"

    interaction_id: Mapped[UUID]
    subject: Mapped[str] = mapped_column(server_default="")
    body: Mapped[str] = mapped_column(server_default="")
    edited_at: Mapped[datetime | None]

    __table_args__ = tenant_args(
        reference("interaction", "interaction_id", ondelete="CASCADE"),
        Index("uq_interaction_body_interaction", "workspace_id", "interaction_id", unique=True),
        referred=False,
    )


class Task(Tenant, Base):
    __tablename__ = "task"

    title: Mapped[str]
    contact_id: Mapped[UUID | None]
    company_id: Mapped[UUID | None]
    is_promise: Mapped[bool] = mapped_column(server_default=text("false"))
    due_on: Mapped[date | None]
    due_at: Mapped[datetime | None]
    assignee_id: Mapped[UUID | None] = mapped_column(ForeignKey("app_user.id"))
    created_by_id: Mapped[UUID | None] = mapped_column(ForeignKey("app_user.id"))
    created_at: Mapped[created_at]
    done_at: Mapped[datetime | None]
    snoozed_until: Mapped[datetime | None]

    __table_args__ = tenant_args(
        reference("contact", "contact_id", ondelete="CASCADE"),
        reference("company", "company_id", ondelete="CASCADE"),
        Index("ix_task_contact", "workspace_id", "contact_id"),
        Index("ix_task_open", "workspace_id", "assignee_id", "due_on", "id", postgresql_where=text("done_at is null")),
        Index("ix_task_due", "workspace_id", "due_on", "id", postgresql_where=text("done_at is null")),
        Index("ix_task_done", "workspace_id", "done_at", "id", postgresql_where=text("done_at is not null")),
    )
