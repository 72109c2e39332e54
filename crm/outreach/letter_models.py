"""Owns the tables of what a message is besides its words: a letter as its writer laid it out, and its files."""

from uuid import UUID

from sqlalchemy import CheckConstraint, Index, UniqueConstraint
from sqlalchemy import text as sql
from sqlalchemy.orm import Mapped, mapped_column

from crm.db import Attached, Base, tenant_args
from crm.db import reference as refers_to


class MessageLetter(Attached, Base):
    """The cleaned HTML of a received mail; shown in a frame that can do nothing."""

    __tablename__ = "message_letter"

    message_id: Mapped[UUID]
    html: Mapped[str]

    __table_args__ = tenant_args(
        refers_to("message", "message_id", ondelete="CASCADE"),
        Index("uq_message_letter_message", "workspace_id", "message_id", unique=True),
        referred=False,
    )


class MessageFile(Attached, Base):
    """A file that came or leaves with a message, in its order; who may read the message may save it.

    `content_id` is the name by which the letter shows a picture, without brackets; empty for what is no such picture.
    """

    __tablename__ = "message_file"

    message_id: Mapped[UUID]
    file_id: Mapped[UUID]
    position: Mapped[int] = mapped_column(server_default=sql("0"))
    content_id: Mapped[str] = mapped_column(server_default="")

    __table_args__ = tenant_args(
        CheckConstraint("position >= 0", name="position"),
        refers_to("message", "message_id", ondelete="CASCADE"),
        refers_to("stored_file", "file_id"),
        UniqueConstraint("workspace_id", "message_id", "file_id"),
        Index("ix_message_file_file", "workspace_id", "file_id"),
        referred=False,
    )
