"""Owns the tables of pace: what accounts used in a span, and how fast a mail domain takes their mail."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import CheckConstraint, UniqueConstraint
from sqlalchemy import text as sql
from sqlalchemy.orm import Mapped, mapped_column

from crm.db import Attached, Base, tenant_args
from crm.db import reference as refers_to


class SenderPace(Attached, Base):
    """How many attempts an account took in one minute, hour or day (in the account's zone)."""

    __tablename__ = "sender_pace"

    account_id: Mapped[UUID]
    span: Mapped[str]
    starts_at: Mapped[datetime]
    used: Mapped[int] = mapped_column(server_default=sql("0"))

    __table_args__ = tenant_args(
        CheckConstraint("span in ('minute', 'hour', 'day')", name="span"),
        refers_to("sender_account", "account_id", ondelete="CASCADE"),
        UniqueConstraint("workspace_id", "account_id", "span", "starts_at"),
        referred=False,
    )


class DomainPace(Attached, Base):
    """How fast an account writes to one mail domain just now: see `crm.outreach.domain_pace`."""

    __tablename__ = "domain_pace"

    account_id: Mapped[UUID]
    domain: Mapped[str]
    minute: Mapped[datetime]
    used: Mapped[int] = mapped_column(server_default=sql("0"))
    tail: Mapped[datetime]
    tail_used: Mapped[int] = mapped_column(server_default=sql("0"))
    slow_until: Mapped[datetime | None]
    steps: Mapped[int] = mapped_column(server_default=sql("0"))
    code: Mapped[str] = mapped_column(server_default="")

    __table_args__ = tenant_args(
        refers_to("sender_account", "account_id", ondelete="CASCADE"),
        UniqueConstraint("workspace_id", "account_id", "domain"),
        referred=False,
    )
