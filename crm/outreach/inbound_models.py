"""Owns the tables of what channels told us (each event once, its raw bytes), how far we have asked, and start links."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import Index, UniqueConstraint
from sqlalchemy import text as sql
from sqlalchemy.orm import Mapped, mapped_column

from crm.db import Attached, Base, created_at, one_of, tenant_args
from crm.db import reference as refers_to
from crm.outreach.kinds import InboundState


class InboundEvent(Attached, Base):
    """Something a channel told us, stored raw once by the platform's id before anything else happens."""

    __tablename__ = "inbound_event"

    account_id: Mapped[UUID]
    external_id: Mapped[str]
    state: Mapped[str] = mapped_column(server_default=InboundState.STORED.value)
    kind: Mapped[str] = mapped_column(server_default="")
    error: Mapped[str] = mapped_column(server_default="")
    message_id: Mapped[UUID | None]
    received_at: Mapped[created_at]
    handled_at: Mapped[datetime | None]

    __table_args__ = tenant_args(
        one_of("state", InboundState),
        refers_to("sender_account", "account_id"),
        refers_to("message", "message_id", ondelete="SET NULL"),
        UniqueConstraint("workspace_id", "account_id", "external_id"),
        Index(
            "ix_inbound_event_waiting",
            "account_id",
            "received_at",
            "id",
            postgresql_where=sql("state in ('stored', 'parked')"),
        ),
        Index(
            "ix_inbound_event_failed",
            "workspace_id",
            "account_id",
            "received_at",
            postgresql_where=sql("state = 'failed'"),
        ),
    )


class InboundRaw(Attached, Base):
    """The raw bytes of an inbound event, emptied by erasure and retention."""

    __tablename__ = "inbound_raw"

    event_id: Mapped[UUID]
    raw: Mapped[bytes]

    __table_args__ = tenant_args(
        refers_to("inbound_event", "event_id", ondelete="CASCADE"),
        Index("uq_inbound_raw_event", "workspace_id", "event_id", unique=True),
        referred=False,
    )


class InboundCursor(Attached, Base):
    """How far an account was asked for what came in, when the next look is due, and how the last ones went."""

    __tablename__ = "inbound_cursor"

    account_id: Mapped[UUID]
    cursor: Mapped[str] = mapped_column(server_default="")
    next_at: Mapped[datetime]
    failures: Mapped[int] = mapped_column(server_default=sql("0"))
    code: Mapped[str] = mapped_column(server_default="")

    __table_args__ = tenant_args(
        refers_to("sender_account", "account_id", ondelete="CASCADE"),
        UniqueConstraint("workspace_id", "account_id"),
        referred=False,
    )


class StartLink(Attached, Base):
    """A link that binds whoever opens it in a chat program to a contact, once; only the digest of its token is kept."""

    __tablename__ = "start_link"

    digest: Mapped[str]
    contact_id: Mapped[UUID]
    account_id: Mapped[UUID]
    created_at: Mapped[created_at]
    expires_at: Mapped[datetime]
    used_at: Mapped[datetime | None]
    handle_id: Mapped[UUID | None]

    __table_args__ = tenant_args(
        refers_to("contact", "contact_id", ondelete="CASCADE"),
        refers_to("sender_account", "account_id", ondelete="CASCADE"),
        refers_to("handle", "handle_id", ondelete="SET NULL"),
        UniqueConstraint("workspace_id", "digest"),
        Index("ix_start_link_contact", "workspace_id", "contact_id"),
        referred=False,
    )
