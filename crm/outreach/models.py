"""Owns the tables of sender accounts, templates, messages, attempts, claims and conversations."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, CheckConstraint, Computed, ForeignKey, Identity, Index, UniqueConstraint, func
from sqlalchemy import text as sql
from sqlalchemy.orm import Mapped, mapped_column

from crm.channels.base import ChannelKind, OutcomeKind
from crm.consent.kinds import Purpose
from crm.db import Attached, Base, Tenant, created_at, new_id, one_of, tenant_args
from crm.db import reference as refers_to
from crm.outreach.kinds import (
    AccountState,
    BatchState,
    ConversationState,
    DeliveryState,
    MessageDirection,
    MessageState,
)


class SenderAccount(Tenant, Base):
    """A mailbox, bot or page of the workspace; credentials are encrypted with workspace and row bound in."""

    __tablename__ = "sender_account"

    public_id: Mapped[UUID] = mapped_column(unique=True, default=new_id)
    channel: Mapped[str]
    name: Mapped[str]
    address: Mapped[str] = mapped_column(server_default="")
    display_name: Mapped[str] = mapped_column(server_default="")
    owner_id: Mapped[UUID | None] = mapped_column(ForeignKey("app_user.id"))
    is_sandbox: Mapped[bool] = mapped_column(server_default=sql("false"))
    config: Mapped[dict[str, Any]] = mapped_column(server_default=sql("'{}'::jsonb"))
    secret: Mapped[bytes | None]
    signature: Mapped[str] = mapped_column(server_default="")
    per_minute: Mapped[int | None]
    per_hour: Mapped[int | None]
    per_day: Mapped[int | None]
    per_domain: Mapped[int | None]
    time_zone: Mapped[str] = mapped_column(server_default="Europe/Rome")
    state: Mapped[str] = mapped_column(server_default=AccountState.ACTIVE.value)
    hold_reason: Mapped[str] = mapped_column(server_default="")
    hold_until: Mapped[datetime | None]
    last_ok_at: Mapped[datetime | None]
    last_error_at: Mapped[datetime | None]
    last_error_code: Mapped[str] = mapped_column(server_default="")
    # Of an account that signs in by token: how long the token lasts, when it came, and whether somebody fetches one.
    token_until: Mapped[datetime | None]
    token_at: Mapped[datetime | None]
    token_claimed_until: Mapped[datetime | None]
    # Since when, and until when last, a sender looked after the account without a long gap: see rules.lateness.
    attended_since: Mapped[datetime | None]
    attended_at: Mapped[datetime | None]
    version: Mapped[int] = mapped_column(server_default=sql("1"))
    created_at: Mapped[created_at]
    deleted_at: Mapped[datetime | None]

    __mapper_args__ = {"version_id_col": version}
    __table_args__ = tenant_args(one_of("channel", ChannelKind), one_of("state", AccountState))


class Template(Tenant, Base):
    __tablename__ = "template"

    name: Mapped[str]
    purpose: Mapped[str]
    channel: Mapped[str] = mapped_column(server_default=ChannelKind.EMAIL.value)
    language: Mapped[str] = mapped_column(server_default="it")
    subject: Mapped[str] = mapped_column(server_default="")
    body: Mapped[str]
    approved_by_id: Mapped[UUID | None] = mapped_column(ForeignKey("app_user.id"))
    version: Mapped[int] = mapped_column(server_default=sql("1"))
    created_at: Mapped[created_at]
    updated_at: Mapped[datetime] = mapped_column(server_default=func.now())
    deleted_at: Mapped[datetime | None]

    __mapper_args__ = {"version_id_col": version}
    __table_args__ = tenant_args(one_of("purpose", Purpose), one_of("channel", ChannelKind))


class Batch(Tenant, Base):
    """Messages that are paused or cancelled together; a campaign references its batch."""

    __tablename__ = "batch"

    name: Mapped[str] = mapped_column(server_default="")
    state: Mapped[str] = mapped_column(server_default=BatchState.OPEN.value)
    created_at: Mapped[created_at]

    __table_args__ = tenant_args(one_of("state", BatchState))


class Conversation(Tenant, Base):
    """An exchange with one person (or a stranger's handle) over one channel."""

    __tablename__ = "conversation"

    channel: Mapped[str]
    account_id: Mapped[UUID | None]
    contact_id: Mapped[UUID | None]
    handle_id: Mapped[UUID | None]
    subject: Mapped[str] = mapped_column(server_default="")
    search: Mapped[str] = mapped_column(Computed("public.crm_search_text(subject)", persisted=True))
    state: Mapped[str] = mapped_column(server_default=ConversationState.OPEN.value)
    assignee_id: Mapped[UUID | None] = mapped_column(ForeignKey("app_user.id"))
    visibility: Mapped[str] = mapped_column(server_default="team")
    # Of a public exchange: the address of the post below which it takes place.
    post_url: Mapped[str] = mapped_column(server_default="")
    snoozed_until: Mapped[datetime | None]
    last_inbound_at: Mapped[datetime | None]
    last_outbound_at: Mapped[datetime | None]
    last_at: Mapped[datetime]
    unanswered_since: Mapped[datetime | None]
    #: The thread of the same person in which this one went up.
    merged_into_id: Mapped[UUID | None]
    created_at: Mapped[created_at]

    __table_args__ = tenant_args(
        one_of("channel", ChannelKind),
        one_of("state", ConversationState),
        refers_to("conversation", "merged_into_id", ondelete="SET NULL"),
        refers_to("sender_account", "account_id"),
        refers_to("contact", "contact_id", ondelete="SET NULL"),
        refers_to("handle", "handle_id", ondelete="SET NULL"),
        Index("ix_conversation_state", "workspace_id", "state", "last_at", "id"),
        Index("ix_conversation_last", "workspace_id", "last_at", "id"),
        Index("ix_conversation_assignee", "workspace_id", "assignee_id", "state", "last_at", "id"),
        Index("ix_conversation_channel", "workspace_id", "channel", "state", "last_at", "id"),
        Index(
            "ix_conversation_public",
            "workspace_id",
            "state",
            "last_at",
            "id",
            postgresql_where=sql("visibility = 'public'"),
        ),
        Index("ix_conversation_snoozed", "snoozed_until", postgresql_where=sql("state = 'snoozed'")),
        Index(
            "ix_conversation_merged",
            "workspace_id",
            "merged_into_id",
            postgresql_where=sql("merged_into_id is not null"),
        ),
        Index("ix_conversation_contact", "workspace_id", "contact_id", "last_at"),
        Index("ix_conversation_handle", "workspace_id", "handle_id"),
        Index(
            "ix_conversation_search",
            "workspace_id",
            "search",
            postgresql_using="gin",
            postgresql_ops={"search": "gin_trgm_ops"},
        ),
        Index(
            "ix_conversation_unanswered",
            "workspace_id",
            "unanswered_since",
            postgresql_where=sql("unanswered_since is not null"),
        ),
    )


class Claim(Attached, Base):
    """A batch of messages taken by one sender run: its lease and fencing number."""

    __tablename__ = "claim"

    account_id: Mapped[UUID]
    fencing: Mapped[int] = mapped_column(BigInteger, Identity())
    worker: Mapped[str] = mapped_column(server_default="")
    leased_until: Mapped[datetime]
    created_at: Mapped[created_at]
    finished_at: Mapped[datetime | None]

    __table_args__ = tenant_args(
        refers_to("sender_account", "account_id"),
        Index("ix_claim_open", "leased_until", postgresql_where=sql("finished_at is null")),
    )


class Message(Tenant, Base):
    """One text to or from one handle: one row, one life. Narrow; the words lie in `MessageText` and `FrozenContent`."""

    __tablename__ = "message"

    direction: Mapped[str] = mapped_column(server_default=MessageDirection.OUTBOUND.value)
    channel: Mapped[str]
    purpose: Mapped[str]
    state: Mapped[str]
    reason: Mapped[str] = mapped_column(server_default="")
    contact_id: Mapped[UUID | None]
    handle_id: Mapped[UUID | None]
    account_id: Mapped[UUID | None]
    conversation_id: Mapped[UUID | None]
    batch_id: Mapped[UUID | None]
    template_id: Mapped[UUID | None]
    voucher_id: Mapped[UUID | None]
    in_reply_to_id: Mapped[UUID | None]
    planned_at: Mapped[datetime | None]
    due_at: Mapped[datetime | None]
    held_until: Mapped[datetime | None]
    not_before: Mapped[datetime | None]
    not_after: Mapped[datetime | None]
    stop_if_replied_since: Mapped[datetime | None]
    is_assisted: Mapped[bool] = mapped_column(server_default=sql("false"))
    # Who has (or had last) the text of an assisted message in hand, and since when.
    opened_by_id: Mapped[UUID | None] = mapped_column(ForeignKey("app_user.id"))
    opened_at: Mapped[datetime | None]
    late_accepted: Mapped[bool] = mapped_column(server_default=sql("false"))
    claim_id: Mapped[UUID | None]
    tries: Mapped[int] = mapped_column(server_default=sql("0"))
    first_tried_at: Mapped[datetime | None]
    approved_hash: Mapped[str | None]
    approved_by_id: Mapped[UUID | None] = mapped_column(ForeignKey("app_user.id"))
    approved_at: Mapped[datetime | None]
    needs_look: Mapped[str] = mapped_column(server_default="")
    reference: Mapped[str | None]
    remote_id: Mapped[str | None]
    sent_at: Mapped[datetime | None]
    delivery: Mapped[str] = mapped_column(server_default=DeliveryState.NONE.value)
    delivery_at: Mapped[datetime | None]
    created_by_id: Mapped[UUID | None] = mapped_column(ForeignKey("app_user.id"))
    version: Mapped[int] = mapped_column(server_default=sql("1"))
    created_at: Mapped[created_at]
    updated_at: Mapped[datetime] = mapped_column(server_default=func.now())

    __table_args__ = tenant_args(
        one_of("direction", MessageDirection),
        one_of("channel", ChannelKind),
        one_of("purpose", Purpose),
        one_of("state", MessageState),
        one_of("delivery", DeliveryState),
        CheckConstraint("state <> 'scheduled' or due_at is not null", name="scheduled_has_time"),
        CheckConstraint(
            "state not in ('scheduled', 'claimed', 'sending') or approved_hash is not null", name="approved_first"
        ),
        refers_to("contact", "contact_id", ondelete="SET NULL"),
        refers_to("handle", "handle_id", ondelete="SET NULL"),
        refers_to("sender_account", "account_id"),
        refers_to("conversation", "conversation_id", ondelete="SET NULL"),
        refers_to("batch", "batch_id"),
        refers_to("template", "template_id", ondelete="SET NULL"),
        refers_to("voucher", "voucher_id", ondelete="SET NULL"),
        refers_to("message", "in_reply_to_id", ondelete="SET NULL"),
        refers_to("claim", "claim_id"),
        Index("ix_message_due", "account_id", "due_at", "id", postgresql_where=sql("state = 'scheduled'")),
        Index(
            "ix_message_held",
            "held_until",
            postgresql_where=sql("state = 'held' and held_until is not null"),
        ),
        Index(
            "ix_message_doubtful",
            "account_id",
            postgresql_where=sql("state = 'uncertain' or (state = 'scheduled' and delivery <> 'none')"),
        ),
        Index("ix_message_claim", "workspace_id", "claim_id", postgresql_where=sql("claim_id is not null")),
        # What waits to be sent by hand, and what one colleague has dealt with since a moment.
        Index(
            "ix_message_by_hand",
            "workspace_id",
            "due_at",
            "id",
            postgresql_where=sql("is_assisted and state in ('scheduled', 'sending')"),
        ),
        Index(
            "ix_message_opened",
            "workspace_id",
            "opened_by_id",
            "opened_at",
            postgresql_where=sql("opened_by_id is not null"),
        ),
        # What is planned for a person, for the gate: claiming and sending leave it alone.
        Index(
            "ix_message_planned_for",
            "workspace_id",
            "contact_id",
            postgresql_where=sql("state in ('approved', 'scheduled', 'held')"),
        ),
        Index("ix_message_contact", "workspace_id", "contact_id", "created_at", "id"),
        Index("ix_message_created", "workspace_id", "created_at", "id"),
        Index("ix_message_state", "workspace_id", "state", "created_at", "id"),
        Index("ix_message_planned", "workspace_id", "planned_at", "id"),
        Index("ix_message_batch", "workspace_id", "batch_id", "state", postgresql_where=sql("batch_id is not null")),
        Index(
            "ix_message_conversation",
            "workspace_id",
            "conversation_id",
            "created_at",
            postgresql_where=sql("conversation_id is not null"),
        ),
        # What a platform calls it, by which answers and receipts name it; mail has `reference` for that.
        Index(
            "ix_message_remote",
            "workspace_id",
            "account_id",
            "remote_id",
            postgresql_where=sql("remote_id is not null and channel <> 'email'"),
        ),
        Index("ix_message_voucher", "workspace_id", "voucher_id", postgresql_where=sql("voucher_id is not null")),
        Index(
            "uq_message_reference",
            "workspace_id",
            "reference",
            unique=True,
            postgresql_where=sql("reference is not null"),
        ),
    )


class MessageText(Attached, Base):
    """The words of a draft as a person edits them, and the readable text of a received message."""

    __tablename__ = "message_text"

    message_id: Mapped[UUID]
    subject: Mapped[str] = mapped_column(server_default="")
    body: Mapped[str] = mapped_column(server_default="")
    missing: Mapped[list[Any]] = mapped_column(server_default=sql("'[]'::jsonb"))
    is_edited: Mapped[bool] = mapped_column(server_default=sql("false"))
    why: Mapped[dict[str, Any]] = mapped_column(server_default=sql("'{}'::jsonb"))

    __table_args__ = tenant_args(
        refers_to("message", "message_id", ondelete="CASCADE"),
        Index("uq_message_text_message", "workspace_id", "message_id", unique=True),
        referred=False,
    )


class FrozenContent(Attached, Base):
    """What was approved, to the letter, and its hash: the only thing a sender ever sends."""

    __tablename__ = "frozen_content"

    message_id: Mapped[UUID]
    hash: Mapped[str]
    from_address: Mapped[str] = mapped_column(server_default="")
    from_name: Mapped[str] = mapped_column(server_default="")
    to_address: Mapped[str]
    to_name: Mapped[str] = mapped_column(server_default="")
    subject: Mapped[str] = mapped_column(server_default="")
    text: Mapped[str]
    html: Mapped[str] = mapped_column(server_default="")
    headers: Mapped[dict[str, Any]] = mapped_column(server_default=sql("'{}'::jsonb"))
    created_at: Mapped[created_at]

    __table_args__ = tenant_args(
        refers_to("message", "message_id", ondelete="CASCADE"),
        Index("uq_frozen_content_hash", "workspace_id", "message_id", "hash", unique=True),
        frozen=True,
        referred=False,
    )


class Attempt(Attached, Base):
    """One try to hand one message to a channel, committed before any byte goes out."""

    __tablename__ = "attempt"

    message_id: Mapped[UUID]
    account_id: Mapped[UUID]
    claim_id: Mapped[UUID]
    number: Mapped[int]
    content_hash: Mapped[str]
    started_at: Mapped[created_at]

    __table_args__ = tenant_args(
        refers_to("message", "message_id"),
        refers_to("sender_account", "account_id"),
        refers_to("claim", "claim_id"),
        UniqueConstraint("workspace_id", "message_id", "number"),
        Index("ix_attempt_account", "workspace_id", "account_id", "started_at"),
        append_only=True,
    )


class AttemptOutcome(Attached, Base):
    """How one attempt ended, as the channel told it, or as a person decided it for an uncertain one."""

    __tablename__ = "attempt_outcome"

    attempt_id: Mapped[UUID]
    kind: Mapped[str]
    code: Mapped[str] = mapped_column(server_default="")
    stage: Mapped[str] = mapped_column(server_default="")
    decided_by_id: Mapped[UUID | None] = mapped_column(ForeignKey("app_user.id"))
    at: Mapped[created_at]

    __table_args__ = tenant_args(
        one_of("kind", OutcomeKind),
        refers_to("attempt", "attempt_id"),
        Index("ix_attempt_outcome_attempt", "workspace_id", "attempt_id"),
        append_only=True,
        referred=False,
    )


class AttemptEvidence(Attached, Base):
    """The server's own words about an attempt; may hold addresses, so erasure empties it."""

    __tablename__ = "attempt_evidence"

    attempt_id: Mapped[UUID]
    detail: Mapped[str] = mapped_column(server_default="")

    __table_args__ = tenant_args(
        refers_to("attempt", "attempt_id"),
        Index("ix_attempt_evidence_attempt", "workspace_id", "attempt_id"),
        referred=False,
    )


class BudgetUse(Attached, Base):
    """A promotional or personal message that was tried for a person, counted over campaigns and colleagues."""

    __tablename__ = "budget_use"

    message_id: Mapped[UUID]
    contact_id: Mapped[UUID]
    company_id: Mapped[UUID | None]
    purpose: Mapped[str]
    at: Mapped[datetime]

    __table_args__ = tenant_args(
        refers_to("message", "message_id", ondelete="CASCADE"),
        refers_to("contact", "contact_id", ondelete="CASCADE"),
        refers_to("company", "company_id", ondelete="SET NULL"),
        UniqueConstraint("workspace_id", "message_id"),
        Index("ix_budget_use_contact", "workspace_id", "contact_id", "purpose", "at"),
        Index(
            "ix_budget_use_company",
            "workspace_id",
            "company_id",
            "purpose",
            "at",
            postgresql_where=sql("company_id is not null"),
        ),
        referred=False,
    )
