"""Owns the tables of the timeline and of tasks."""

from datetime import date, datetime, time
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Index, text
from sqlalchemy.orm import Mapped, mapped_column

from crm.db import Attached, Base, Tenant, created_at, one_of, reference, tenant_args
from crm.interactions.kinds import Direction, Sentiment, Visibility
from crm.interactions.rules.recurrence import CountedFrom


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
        # What strangers wrote, until somebody says who they are.
        Index(
            "ix_interaction_stranger",
            "workspace_id",
            "handle_id",
            "happened_at",
            "id",
            postgresql_where=text("contact_id is null and handle_id is not null"),
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
    """Something to do; one that repeats (`repeat`, an RFC 5545 rule) is a row for each time, made as the last is done.

    `due_at` follows from `due_on` and `due_time` on the wall clock of `time_zone`, and `remind_at` from the reminder;
    both are kept so that the clock and the lists find them by index.
    """

    __tablename__ = "task"

    title: Mapped[str]
    contact_id: Mapped[UUID | None]
    company_id: Mapped[UUID | None]
    is_promise: Mapped[bool] = mapped_column(server_default=text("false"))
    due_on: Mapped[date | None]
    due_time: Mapped[time | None]
    #: The zone in which `due_on`, `due_time` and the reminder are meant; empty for tasks without any of them.
    time_zone: Mapped[str] = mapped_column(server_default="")
    due_at: Mapped[datetime | None]
    remind_days: Mapped[int | None]
    remind_time: Mapped[time | None]
    remind_minutes: Mapped[int | None]
    remind_at: Mapped[datetime | None]
    reminded_at: Mapped[datetime | None]
    repeat: Mapped[str] = mapped_column(server_default="")
    repeat_from: Mapped[str] = mapped_column(server_default=CountedFrom.DUE.value)
    repeat_anchor: Mapped[date | None]
    repeat_left: Mapped[int | None]
    follows_id: Mapped[UUID | None]
    assignee_id: Mapped[UUID | None] = mapped_column(ForeignKey("app_user.id"))
    created_by_id: Mapped[UUID | None] = mapped_column(ForeignKey("app_user.id"))
    created_at: Mapped[created_at]
    done_at: Mapped[datetime | None]
    snoozed_until: Mapped[datetime | None]

    __table_args__ = tenant_args(
        one_of("repeat_from", CountedFrom),
        reference("contact", "contact_id", ondelete="CASCADE"),
        reference("company", "company_id", ondelete="CASCADE"),
        reference("task", "follows_id", ondelete="SET NULL"),
        # A task done twice, or by two people at once, has one next task.
        Index(
            "uq_task_follows",
            "workspace_id",
            "follows_id",
            unique=True,
            postgresql_where=text("follows_id is not null"),
        ),
        Index(
            "ix_task_remind",
            "remind_at",
            "workspace_id",
            postgresql_where=text("remind_at is not null and reminded_at is null and done_at is null"),
        ),
        Index("ix_task_contact", "workspace_id", "contact_id"),
        Index("ix_task_open", "workspace_id", "assignee_id", "due_on", "id", postgresql_where=text("done_at is null")),
        Index("ix_task_due", "workspace_id", "due_on", "id", postgresql_where=text("done_at is null")),
        Index("ix_task_done", "workspace_id", "done_at", "id", postgresql_where=text("done_at is not null")),
    )


class TaskLink(Attached, Base):
    """Another record that a task is about, besides its own person and company: exactly one of the references."""

    __tablename__ = "task_link"

    task_id: Mapped[UUID]
    contact_id: Mapped[UUID | None]
    company_id: Mapped[UUID | None]

    __table_args__ = tenant_args(
        CheckConstraint("num_nonnulls(contact_id, company_id) = 1", name="one_record"),
        reference("task", "task_id", ondelete="CASCADE"),
        reference("contact", "contact_id", ondelete="CASCADE"),
        reference("company", "company_id", ondelete="CASCADE"),
        Index(
            "uq_task_link_contact",
            "workspace_id",
            "contact_id",
            "task_id",
            unique=True,
            postgresql_where=text("contact_id is not null"),
        ),
        Index(
            "uq_task_link_company",
            "workspace_id",
            "company_id",
            "task_id",
            unique=True,
            postgresql_where=text("company_id is not null"),
        ),
        Index("ix_task_link_task", "workspace_id", "task_id"),
        referred=False,
    )
