"""Owns the tables of saved views: a filter, columns and an order of a list under a name, and whose default each is."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ForeignKey, Index, UniqueConstraint, func, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from crm.contacts.kinds import ListSubject
from crm.db import Attached, Base, Tenant, created_at, one_of, reference, tenant_args, user_fk


class SavedView(Tenant, Base):
    """A view of a list, of people or of companies: of its maker alone, or shared with everybody here.

    It holds a question, never people or companies: who reads it sees the rule and what they may see.
    """

    __tablename__ = "saved_view"

    subject: Mapped[str] = mapped_column(server_default=ListSubject.PEOPLE.value)
    name: Mapped[str]
    user_id: Mapped[UUID | None] = mapped_column(ForeignKey("app_user.id"))
    is_shared: Mapped[bool] = mapped_column(server_default=text("false"))
    # What the address of the list would hold (`rule`, `owner`, `quiet`, `sort` and so on).
    args: Mapped[dict[str, Any]] = mapped_column(server_default=text("'{}'::jsonb"))
    # The columns behind the name, None for those that each reader chose.
    columns: Mapped[list[Any] | None] = mapped_column(JSONB(none_as_null=True))
    created_at: Mapped[created_at]
    updated_at: Mapped[datetime] = mapped_column(server_default=func.now())

    __table_args__ = tenant_args(
        one_of("subject", ListSubject),
        Index("ix_saved_view_subject", "workspace_id", "subject", "name", "id"),
    )


class DefaultView(Attached, Base):
    """The view with which the list of a subject, the one of the view, opens for somebody."""

    __tablename__ = "default_view"

    user_id: Mapped[user_fk]
    subject: Mapped[str] = mapped_column(server_default=ListSubject.PEOPLE.value)
    view_id: Mapped[UUID]

    __table_args__ = tenant_args(
        reference("saved_view", "view_id", ondelete="CASCADE"),
        one_of("subject", ListSubject),
        UniqueConstraint("workspace_id", "user_id", "subject"),
        Index("ix_default_view_view", "workspace_id", "view_id"),
        referred=False,
    )
