"""Owns the table that says which clock process is the active one."""

from datetime import datetime

from sqlalchemy.orm import Mapped, mapped_column

from crm.db import Base


class ClockLease(Base):
    """Which clock process is the active one, by database time."""

    __tablename__ = "clock_lease"

    name: Mapped[str] = mapped_column(primary_key=True)
    holder: Mapped[str]
    until: Mapped[datetime]
    ticked_at: Mapped[datetime]
