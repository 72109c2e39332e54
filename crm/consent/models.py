"""Owns the tables of consent events, their evidence, the derived state, and suppressed addresses."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import ForeignKey, Index, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from crm.consent.kinds import Basis, ConsentAction, ConsentPurpose, SuppressionReason
from crm.db import Attached, Base, Tenant, created_at, one_of, reference, tenant_args


class ConsentEvent(Attached, Base):
    """Someone agreed or objected: codes only, append-only; `channel` null means every channel."""

    __tablename__ = "consent_event"

    contact_id: Mapped[UUID]
    purpose: Mapped[str]
    channel: Mapped[str | None]
    action: Mapped[str]
    basis: Mapped[str]
    source: Mapped[str]
    wording_version: Mapped[str] = mapped_column(server_default="")
    happened_at: Mapped[datetime]
    recorded_at: Mapped[created_at]
    user_id: Mapped[UUID | None] = mapped_column(ForeignKey("app_user.id"))

    __table_args__ = tenant_args(
        one_of("purpose", ConsentPurpose),
        one_of("action", ConsentAction),
        one_of("basis", Basis),
        reference("contact", "contact_id"),
        Index("ix_consent_event_contact", "workspace_id", "contact_id", "purpose", "happened_at"),
        append_only=True,
    )


class ConsentEvidence(Attached, Base):
    """The personal side of a consent event (words, page, address), emptied by erasure."""

    __tablename__ = "consent_evidence"

    event_id: Mapped[UUID]
    wording: Mapped[str] = mapped_column(server_default="")
    note: Mapped[str] = mapped_column(server_default="")

    __table_args__ = tenant_args(
        reference("consent_event", "event_id"),
        Index("ix_consent_evidence_event", "workspace_id", "event_id"),
        referred=False,
    )


class ConsentState(Attached, Base):
    """The state derived from the events, one row per contact, purpose and channel ('' for every channel).

    Written in the same transaction as the event and rebuildable from the events alone.
    """

    __tablename__ = "consent_state"

    contact_id: Mapped[UUID]
    purpose: Mapped[str]
    channel: Mapped[str] = mapped_column(server_default="")
    action: Mapped[str]
    basis: Mapped[str]
    since: Mapped[datetime]

    __table_args__ = tenant_args(
        one_of("purpose", ConsentPurpose),
        one_of("action", ConsentAction),
        one_of("basis", Basis),
        reference("contact", "contact_id", ondelete="CASCADE"),
        Index("uq_consent_state_key", "workspace_id", "contact_id", "purpose", "channel", unique=True),
        Index("ix_consent_state_purpose", "workspace_id", "purpose", "channel", "action", "contact_id"),
        referred=False,
    )


class Suppression(Tenant, Base):
    """An address that gets nothing any more; kept as a keyed hash, so that it outlives erasure."""

    __tablename__ = "suppression"

    channel: Mapped[str]
    address_hash: Mapped[str]
    hint: Mapped[str] = mapped_column(server_default="")
    reason: Mapped[str]
    at: Mapped[created_at]
    user_id: Mapped[UUID | None] = mapped_column(ForeignKey("app_user.id"))
    lifted_at: Mapped[datetime | None]

    __table_args__ = tenant_args(
        one_of("reason", SuppressionReason),
        Index(
            "uq_suppression_address",
            "workspace_id",
            "channel",
            "address_hash",
            unique=True,
            postgresql_where=text("lifted_at is null"),
        ),
    )


class ErasedAddress(Tenant, Base):
    """An address of somebody who was erased: an import may not bring them back, they themselves may."""

    __tablename__ = "erased_address"

    channel: Mapped[str]
    address_hash: Mapped[str]
    at: Mapped[created_at]
    came_back_at: Mapped[datetime | None]

    __table_args__ = tenant_args(
        Index(
            "uq_erased_address",
            "workspace_id",
            "channel",
            "address_hash",
            unique=True,
            postgresql_where=text("came_back_at is null"),
        ),
        referred=False,
    )


class AddressKey(Tenant, Base):
    """The key of a workspace's address hashes; kept with the data, so that a restored backup still knows them."""

    __tablename__ = "address_key"

    key: Mapped[str] = mapped_column(server_default=text("gen_random_uuid()::text || gen_random_uuid()::text"))

    __table_args__ = tenant_args(UniqueConstraint("workspace_id"), frozen=True)
