"""Owns the tables of change sets: what one import, bulk edit or merge did to which row, value by value."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, ForeignKey, Identity, Index, text
from sqlalchemy.orm import Mapped, mapped_column

from crm.contacts.kinds import ChangeAction, ChangeSetKind, ChangeSetState
from crm.db import Attached, Base, Tenant, created_at, one_of, reference, tenant_args


class ChangeSet(Tenant, Base):
    """One piece of work that can be taken back as a whole until `undo_until`.

    `source_id` is what it belongs to: the import, or the person that a merge left (no foreign key). `title` holds no
    name of a person: those are read from who they are today.
    """

    __tablename__ = "change_set"

    kind: Mapped[str]
    title: Mapped[str] = mapped_column(server_default="")
    state: Mapped[str] = mapped_column(server_default=ChangeSetState.OPEN.value)
    source_id: Mapped[UUID | None]
    created_by_id: Mapped[UUID | None] = mapped_column(ForeignKey("app_user.id"))
    created_at: Mapped[created_at]
    undo_until: Mapped[datetime]
    undone_at: Mapped[datetime | None]
    undone_by_id: Mapped[UUID | None] = mapped_column(ForeignKey("app_user.id"))
    result: Mapped[dict[str, Any]] = mapped_column(server_default=text("'{}'::jsonb"))

    __table_args__ = tenant_args(
        one_of("kind", ChangeSetKind),
        one_of("state", ChangeSetState),
        Index("ix_change_set_created", "workspace_id", "created_at", "id"),
        Index("ix_change_set_source", "workspace_id", "source_id"),
        Index("ix_change_set_until", "undo_until"),
    )


class Change(Attached, Base):
    """What happened to one row: the columns that changed, before and after.

    `contact_id` is whose values these are, so that erasing the person finds them; `seq` is the order.
    """

    __tablename__ = "change"

    change_set_id: Mapped[UUID]
    contact_id: Mapped[UUID | None]
    table_name: Mapped[str]
    row_id: Mapped[UUID]
    action: Mapped[str]
    before: Mapped[dict[str, Any]] = mapped_column(server_default=text("'{}'::jsonb"))
    after: Mapped[dict[str, Any]] = mapped_column(server_default=text("'{}'::jsonb"))
    seq: Mapped[int] = mapped_column(BigInteger, Identity())

    __table_args__ = tenant_args(
        one_of("action", ChangeAction),
        reference("change_set", "change_set_id", ondelete="CASCADE"),
        Index("ix_change_row", "workspace_id", "change_set_id", "table_name", "row_id", "seq"),
        Index("ix_change_contact", "workspace_id", "contact_id", postgresql_where=text("contact_id is not null")),
        referred=False,
    )
