"""Owns the tables of mailboxes that are read: whose, how far back, how far each folder is read, what stays out."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import BigInteger, ForeignKey, Index, UniqueConstraint
from sqlalchemy import text as sql
from sqlalchemy.orm import Mapped, mapped_column

from crm.db import Attached, Base, created_at, one_of, tenant_args
from crm.db import reference as refers_to
from crm.outreach.kinds import FolderRole, MailboxReach, MailboxState


class SyncedMailbox(Attached, Base):
    """How the mailbox of a sender account is read.

    Mail that arrived since `started_at` is new; what is older is brought in as history, as far back as `since`.
    `fencing` grows with each worker that takes it, so that an orphan which wakes up late changes nothing.
    `held_version` is the account's version when the server refused us: a change of the account lets it try again.
    """

    __tablename__ = "synced_mailbox"

    account_id: Mapped[UUID]
    user_id: Mapped[UUID | None] = mapped_column(ForeignKey("app_user.id"))
    state: Mapped[str] = mapped_column(server_default=MailboxState.STOPPED.value)
    keeps_strangers: Mapped[bool] = mapped_column(server_default=sql("false"))
    reach: Mapped[str] = mapped_column(server_default=MailboxReach.TWO_YEARS.value)
    since: Mapped[datetime | None]
    started_at: Mapped[datetime | None]
    next_at: Mapped[datetime | None]
    leased_until: Mapped[datetime | None]
    fencing: Mapped[int] = mapped_column(BigInteger, server_default=sql("0"))
    looked_at: Mapped[datetime | None]
    failures: Mapped[int] = mapped_column(server_default=sql("0"))
    error: Mapped[str] = mapped_column(server_default="")
    held_version: Mapped[int | None]
    created_at: Mapped[created_at]

    __table_args__ = tenant_args(
        one_of("state", MailboxState),
        one_of("reach", MailboxReach),
        refers_to("sender_account", "account_id", ondelete="CASCADE"),
        UniqueConstraint("workspace_id", "account_id"),
        Index("ix_synced_mailbox_due", "next_at", postgresql_where=sql("state <> 'stopped'")),
    )


class MailboxFolder(Attached, Base):
    """How far one folder is read: everything up to `last_uid` and, going back, down to `back_uid` (0: all of it).

    The numbers mean nothing once the server gives another `uidvalidity`; then the folder is read `again`.
    """

    __tablename__ = "mailbox_folder"

    mailbox_id: Mapped[UUID]
    wire_name: Mapped[str]
    name: Mapped[str]
    role: Mapped[str] = mapped_column(server_default=FolderRole.RECEIVED.value)
    is_on: Mapped[bool] = mapped_column(server_default=sql("false"))
    uidvalidity: Mapped[int | None] = mapped_column(BigInteger)
    last_uid: Mapped[int] = mapped_column(BigInteger, server_default=sql("0"))
    back_uid: Mapped[int | None] = mapped_column(BigInteger)
    again: Mapped[bool] = mapped_column(server_default=sql("false"))
    back_total: Mapped[int] = mapped_column(server_default=sql("0"))
    back_done: Mapped[int] = mapped_column(server_default=sql("0"))
    back_began_at: Mapped[datetime | None]
    kept: Mapped[int] = mapped_column(server_default=sql("0"))
    strangers: Mapped[int] = mapped_column(server_default=sql("0"))
    left_out: Mapped[int] = mapped_column(server_default=sql("0"))
    error: Mapped[str] = mapped_column(server_default="")
    looked_at: Mapped[datetime | None]

    __table_args__ = tenant_args(
        one_of("role", FolderRole),
        refers_to("synced_mailbox", "mailbox_id", ondelete="CASCADE"),
        UniqueConstraint("workspace_id", "mailbox_id", "wire_name"),
        referred=False,
    )


class MailboxExclusion(Attached, Base):
    """An address (`anna@example.com`) or a domain (`@example.com`) whose mail is never kept, not even raw."""

    __tablename__ = "mailbox_exclusion"

    mailbox_id: Mapped[UUID]
    pattern: Mapped[str]
    created_by_id: Mapped[UUID | None] = mapped_column(ForeignKey("app_user.id"))
    created_at: Mapped[created_at]

    __table_args__ = tenant_args(
        refers_to("synced_mailbox", "mailbox_id", ondelete="CASCADE"),
        UniqueConstraint("workspace_id", "mailbox_id", "pattern"),
        referred=False,
    )
