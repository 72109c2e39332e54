"""Owns the table of templates that a network approved for an account, kept here so that they can be chosen at once."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import UniqueConstraint
from sqlalchemy import text as sql
from sqlalchemy.orm import Mapped, mapped_column

from crm.db import Attached, Base, tenant_args
from crm.db import reference as refers_to


class NetworkTemplate(Attached, Base):
    """A text that the network keeps for an account, with gaps like `{{1}}`; `status` is the network's word for it.

    `is_plain` says that nothing but the body has gaps, so that it can be sent from here.
    """

    __tablename__ = "network_template"

    account_id: Mapped[UUID]
    name: Mapped[str]
    language: Mapped[str]
    category: Mapped[str] = mapped_column(server_default="")
    status: Mapped[str]
    body: Mapped[str]
    is_plain: Mapped[bool] = mapped_column(server_default=sql("true"))
    read_at: Mapped[datetime]

    __table_args__ = tenant_args(
        refers_to("sender_account", "account_id", ondelete="CASCADE"),
        UniqueConstraint("workspace_id", "account_id", "name", "language"),
        referred=False,
    )
