"""Owns the tables of what channels told us: each event once, and its raw bytes."""

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
        Index("ix_inbound_event_state", "state", "received_at", postgresql_where=sql("state = 'stored'")),
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
