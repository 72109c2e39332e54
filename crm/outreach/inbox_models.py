"""Owns the tables of the inbox: what colleagues have read and begun to write, canned replies, merges, answer times."""

from datetime import date, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Index, UniqueConstraint, func
from sqlalchemy import text as sql
from sqlalchemy.orm import Mapped, mapped_column

from crm.channels.base import ChannelKind
from crm.db import Attached, Base, Tenant, created_at, one_of, tenant_args
from crm.db import reference as refers_to
from crm.outreach.kinds import ReplyMode


class ConversationSeen(Attached, Base):
    """Until when a colleague has read a conversation; without a row they have read none of it."""

    __tablename__ = "conversation_seen"

    conversation_id: Mapped[UUID]
    user_id: Mapped[UUID] = mapped_column(ForeignKey("app_user.id"))
    seen_at: Mapped[datetime]

    __table_args__ = tenant_args(
        refers_to("conversation", "conversation_id", ondelete="CASCADE"),
        UniqueConstraint("workspace_id", "conversation_id", "user_id"),
        referred=False,
    )


class ConversationDraft(Attached, Base):
    """What a colleague has begun to answer, so that leaving the page loses nothing."""

    __tablename__ = "conversation_draft"

    conversation_id: Mapped[UUID]
    user_id: Mapped[UUID] = mapped_column(ForeignKey("app_user.id"))
    mode: Mapped[str] = mapped_column(server_default=ReplyMode.REPLY.value)
    body: Mapped[str]
    updated_at: Mapped[datetime] = mapped_column(server_default=func.now())

    __table_args__ = tenant_args(
        one_of("mode", ReplyMode),
        refers_to("conversation", "conversation_id", ondelete="CASCADE"),
        UniqueConstraint("workspace_id", "conversation_id", "user_id"),
        referred=False,
    )


class CannedReply(Tenant, Base):
    """An answer that is given often; its text may use the variables of templates."""

    __tablename__ = "canned_reply"

    title: Mapped[str]
    language: Mapped[str] = mapped_column(server_default="it")
    body: Mapped[str]
    version: Mapped[int] = mapped_column(server_default=sql("1"))
    created_at: Mapped[created_at]
    updated_at: Mapped[datetime] = mapped_column(server_default=func.now())

    __mapper_args__ = {"version_id_col": version}
    __table_args__ = tenant_args(Index("ix_canned_reply_title", "workspace_id", "title", "id"), referred=False)


class AnswerTime(Attached, Base):
    """One answer of ours: since when they waited, when it left, by whom. Written as the answer leaves."""

    __tablename__ = "answer_time"

    conversation_id: Mapped[UUID]
    channel: Mapped[str]
    user_id: Mapped[UUID | None] = mapped_column(ForeignKey("app_user.id"))
    asked_at: Mapped[datetime]
    answered_at: Mapped[datetime]

    __table_args__ = tenant_args(
        one_of("channel", ChannelKind),
        refers_to("conversation", "conversation_id", ondelete="CASCADE"),
        Index("ix_answer_time_answered", "workspace_id", "answered_at", "id"),
        Index("ix_answer_time_conversation", "workspace_id", "conversation_id"),
        referred=False,
    )


class ConversationMerge(Attached, Base):
    """A thread that went up in another of the same person: `moved` names what came over, and what was before."""

    __tablename__ = "conversation_merge"

    kept_id: Mapped[UUID]
    gone_id: Mapped[UUID]
    moved: Mapped[dict[str, Any]]
    merged_by_id: Mapped[UUID | None] = mapped_column(ForeignKey("app_user.id"))
    created_at: Mapped[created_at]
    undone_at: Mapped[datetime | None]

    __table_args__ = tenant_args(
        refers_to("conversation", "kept_id", ondelete="CASCADE"),
        refers_to("conversation", "gone_id", ondelete="CASCADE"),
        Index("ix_conversation_merge_kept", "workspace_id", "kept_id"),
        Index("ix_conversation_merge_gone", "workspace_id", "gone_id"),
        referred=False,
    )


class InboxNotice(Tenant, Base):
    """What mail a colleague wants about the inbox: a digest each morning, and when a key person answers."""

    __tablename__ = "inbox_notice"

    user_id: Mapped[UUID] = mapped_column(ForeignKey("app_user.id"))
    digest_hour: Mapped[int | None]
    key_answers: Mapped[bool] = mapped_column(server_default=sql("false"))
    #: When the next digest is due, and the local day of the last one: a day has one, whatever the clocks do.
    due_at: Mapped[datetime | None]
    sent_on: Mapped[date | None]

    __table_args__ = tenant_args(
        CheckConstraint("digest_hour between 0 and 23", name="hour"),
        UniqueConstraint("workspace_id", "user_id"),
        Index("ix_inbox_notice_due", "due_at", postgresql_where=sql("due_at is not null")),
        referred=False,
    )
