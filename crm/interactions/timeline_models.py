"""Owns the tables around the entries of the timeline: own kinds, labels, files, rules, brought history."""

from datetime import date, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ForeignKey, Index, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from crm.db import Attached, Base, Tenant, created_at, one_of, reference, tenant_args
from crm.interactions.kinds import HistoryFormat, HistoryState, Sentiment, Tone


class OwnKind(Tenant, Base):
    """A kind of entry that a workspace added; `key` (`own.fair`) stands in `interaction.kind` and never changes."""

    __tablename__ = "own_kind"

    key: Mapped[str]
    name: Mapped[str]
    icon: Mapped[str]
    tone: Mapped[str] = mapped_column(server_default=Tone.PLAIN.value)
    created_at: Mapped[created_at]
    archived_at: Mapped[datetime | None]

    __table_args__ = tenant_args(one_of("tone", Tone), UniqueConstraint("workspace_id", "key"), referred=False)


class EntryLabel(Tenant, Base):
    """A word that entries carry; the two that every workspace has keep their `key` whatever they are called."""

    __tablename__ = "entry_label"

    key: Mapped[str]
    name: Mapped[str]
    tone: Mapped[str] = mapped_column(server_default=Tone.PLAIN.value)
    created_at: Mapped[created_at]
    archived_at: Mapped[datetime | None]

    __table_args__ = tenant_args(one_of("tone", Tone), UniqueConstraint("workspace_id", "key"))


class LabelledEntry(Attached, Base):
    __tablename__ = "labelled_entry"

    interaction_id: Mapped[UUID]
    label_id: Mapped[UUID]

    __table_args__ = tenant_args(
        reference("interaction", "interaction_id", ondelete="CASCADE"),
        reference("entry_label", "label_id", ondelete="CASCADE"),
        UniqueConstraint("workspace_id", "interaction_id", "label_id"),
        Index("ix_labelled_entry_label", "workspace_id", "label_id", "interaction_id"),
        referred=False,
    )


class EntryFile(Attached, Base):
    """A file that lies with an entry; who may read the entry may download it."""

    __tablename__ = "entry_file"

    interaction_id: Mapped[UUID]
    file_id: Mapped[UUID]

    __table_args__ = tenant_args(
        reference("interaction", "interaction_id", ondelete="CASCADE"),
        reference("stored_file", "file_id"),
        UniqueConstraint("workspace_id", "interaction_id", "file_id"),
        Index("ix_entry_file_file", "workspace_id", "file_id"),
        referred=False,
    )


class EarlierText(Attached, Base):
    """What an entry said before it was edited: the text, who replaced it and when."""

    __tablename__ = "earlier_text"

    interaction_id: Mapped[UUID]
    body: Mapped[str]
    replaced_by_id: Mapped[UUID | None] = mapped_column(ForeignKey("app_user.id"))
    replaced_at: Mapped[created_at]

    __table_args__ = tenant_args(
        reference("interaction", "interaction_id", ondelete="CASCADE"),
        Index("ix_earlier_text_interaction", "workspace_id", "interaction_id", "replaced_at"),
        referred=False,
    )


class KeywordRule(Tenant, Base):
    """What a word or phrase in somebody's words says about them: a sentiment, a label, or both."""

    __tablename__ = "keyword_rule"

    phrase: Mapped[str]
    phrase_norm: Mapped[str]
    sentiment: Mapped[str | None]
    label_id: Mapped[UUID | None]
    created_at: Mapped[created_at]

    __table_args__ = tenant_args(
        one_of("sentiment", Sentiment),
        reference("entry_label", "label_id", ondelete="CASCADE"),
        UniqueConstraint("workspace_id", "phrase_norm"),
        Index("ix_keyword_rule_label", "workspace_id", "label_id"),
        referred=False,
    )


class NegativeSpike(Tenant, Base):
    """A day with far more negative words than usual, as `crm.interactions.spikes` found it."""

    __tablename__ = "negative_spike"

    day: Mapped[date]
    count: Mapped[int]
    usual: Mapped[float]
    threshold: Mapped[float]
    found_at: Mapped[created_at]

    __table_args__ = tenant_args(UniqueConstraint("workspace_id", "day"), referred=False)


class HistoryFile(Tenant, Base):
    """A chat or calendar that somebody brings in; `people` maps the names in it to contacts, `me` or nobody.

    `left_why` counts what was left out by its reason (`LeftOut`).
    """

    __tablename__ = "history_file"

    file_id: Mapped[UUID | None]
    file_name: Mapped[str]
    format: Mapped[str]
    state: Mapped[str] = mapped_column(server_default=HistoryState.UPLOADED.value)
    time_zone: Mapped[str]
    day_first: Mapped[bool] = mapped_column(server_default=text("true"))
    found: Mapped[list[Any]] = mapped_column(server_default=text("'[]'::jsonb"))
    people: Mapped[dict[str, Any]] = mapped_column(server_default=text("'{}'::jsonb"))
    total: Mapped[int] = mapped_column(server_default=text("0"))
    next_item: Mapped[int] = mapped_column(server_default=text("0"))
    added: Mapped[int] = mapped_column(server_default=text("0"))
    known: Mapped[int] = mapped_column(server_default=text("0"))
    left_out: Mapped[int] = mapped_column(server_default=text("0"))
    left_why: Mapped[dict[str, Any]] = mapped_column(server_default=text("'{}'::jsonb"))
    files_kept: Mapped[int] = mapped_column(server_default=text("0"))
    files_left: Mapped[int] = mapped_column(server_default=text("0"))
    bytes_kept: Mapped[int] = mapped_column(server_default=text("0"))
    progress_id: Mapped[UUID | None]
    created_by_id: Mapped[UUID | None] = mapped_column(ForeignKey("app_user.id"))
    created_at: Mapped[created_at]
    finished_at: Mapped[datetime | None]

    __table_args__ = tenant_args(
        one_of("format", HistoryFormat),
        one_of("state", HistoryState),
        reference("stored_file", "file_id"),
        reference("progress", "progress_id"),
        Index("ix_history_file_progress", "workspace_id", "progress_id"),
        referred=False,
    )


class HistoryAddress(Tenant, Base):
    """The secret part of the address to which a person sends copies of their mail (`history+<token>@`)."""

    __tablename__ = "history_address"

    user_id: Mapped[UUID] = mapped_column(ForeignKey("app_user.id"))
    token: Mapped[str]
    created_at: Mapped[created_at]

    __table_args__ = tenant_args(
        UniqueConstraint("workspace_id", "user_id"), UniqueConstraint("workspace_id", "token"), referred=False
    )


class UnknownCorrespondent(Tenant, Base):
    """An address of a copied mail that belongs to nobody here: listed once, so that somebody may add the person."""

    __tablename__ = "unknown_correspondent"

    user_id: Mapped[UUID] = mapped_column(ForeignKey("app_user.id"))
    address_norm: Mapped[str]
    name: Mapped[str] = mapped_column(server_default="")
    mails: Mapped[int] = mapped_column(server_default=text("1"))
    last_at: Mapped[datetime]

    __table_args__ = tenant_args(UniqueConstraint("workspace_id", "user_id", "address_norm"), referred=False)
