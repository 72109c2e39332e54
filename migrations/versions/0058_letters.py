"""Keeps letters as they were laid out, and the files of messages."""

import sqlalchemy as sa
from alembic import op

revision = "0058"
down_revision = "0057"
branch_labels = None
depends_on = None


def _refers(table: str, column: str, target: str, ondelete: str | None = None) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint(
        ["workspace_id", column],
        [f"{target}.workspace_id", f"{target}.id"],
        name=op.f(f"fk_{table}_workspace_id_{column}"),
        ondelete=ondelete,
    )


def upgrade() -> None:
    op.create_table(
        "message_letter",
        sa.Column("message_id", sa.Uuid(), nullable=False),
        sa.Column("html", sa.Text(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("workspace_id", sa.Uuid(), nullable=False),
        _refers("message_letter", "message_id", "message", "CASCADE"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_message_letter")),
    )
    op.create_index("uq_message_letter_message", "message_letter", ["workspace_id", "message_id"], unique=True)
    op.create_table(
        "message_file",
        sa.Column("message_id", sa.Uuid(), nullable=False),
        sa.Column("file_id", sa.Uuid(), nullable=False),
        sa.Column("position", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("content_id", sa.Text(), server_default="", nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("workspace_id", sa.Uuid(), nullable=False),
        sa.CheckConstraint("position >= 0", name=op.f("ck_message_file_position")),
        _refers("message_file", "message_id", "message", "CASCADE"),
        _refers("message_file", "file_id", "stored_file"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_message_file")),
        sa.UniqueConstraint(
            "workspace_id", "message_id", "file_id", name=op.f("uq_message_file_workspace_id_message_id_file_id")
        ),
    )
    op.create_index("ix_message_file_file", "message_file", ["workspace_id", "file_id"])


def downgrade() -> None:
    op.drop_table("message_file")
    op.drop_table("message_letter")
