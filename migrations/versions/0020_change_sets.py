"""Change sets: what an import, a bulk edit or a merge did to each row, so that it can be taken back."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0020"
down_revision = "0019"
branch_labels = None
depends_on = None

TENANT = {"tenant": True, "append_only": False, "frozen": False}
EMPTY = sa.text("'{}'::jsonb")


def upgrade() -> None:
    op.create_table(
        "change_set",
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("title", sa.Text(), server_default="", nullable=False),
        sa.Column("state", sa.Text(), server_default="open", nullable=False),
        sa.Column("source_id", sa.Uuid(), nullable=True),
        sa.Column("created_by_id", sa.Uuid(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("undo_until", sa.DateTime(timezone=True), nullable=False),
        sa.Column("undone_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("undone_by_id", sa.Uuid(), nullable=True),
        sa.Column("result", postgresql.JSONB(), server_default=EMPTY, nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("workspace_id", sa.Uuid(), nullable=False),
        sa.CheckConstraint("kind in ('import', 'bulk_edit', 'merge')", name=op.f("ck_change_set_kind")),
        sa.CheckConstraint("state in ('open', 'done', 'undone')", name=op.f("ck_change_set_state")),
        sa.ForeignKeyConstraint(["created_by_id"], ["app_user.id"], name=op.f("fk_change_set_created_by_id")),
        sa.ForeignKeyConstraint(["undone_by_id"], ["app_user.id"], name=op.f("fk_change_set_undone_by_id")),
        sa.ForeignKeyConstraint(
            ["workspace_id"], ["workspace.id"], name=op.f("fk_change_set_workspace_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_change_set")),
        sa.UniqueConstraint("workspace_id", "id", name=op.f("uq_change_set_workspace_id_id")),
        info=TENANT,
    )
    op.create_index("ix_change_set_created", "change_set", ["workspace_id", "created_at", "id"])
    op.create_index("ix_change_set_source", "change_set", ["workspace_id", "source_id"])
    op.create_index("ix_change_set_until", "change_set", ["undo_until"])
    op.create_table(
        "change",
        sa.Column("change_set_id", sa.Uuid(), nullable=False),
        sa.Column("contact_id", sa.Uuid(), nullable=True),
        sa.Column("table_name", sa.Text(), nullable=False),
        sa.Column("row_id", sa.Uuid(), nullable=False),
        sa.Column("action", sa.Text(), nullable=False),
        sa.Column("before", postgresql.JSONB(), server_default=EMPTY, nullable=False),
        sa.Column("after", postgresql.JSONB(), server_default=EMPTY, nullable=False),
        sa.Column("seq", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("workspace_id", sa.Uuid(), nullable=False),
        sa.CheckConstraint("action in ('insert', 'update', 'delete')", name=op.f("ck_change_action")),
        sa.ForeignKeyConstraint(
            ["workspace_id", "change_set_id"],
            ["change_set.workspace_id", "change_set.id"],
            name=op.f("fk_change_workspace_id_change_set_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_change")),
        info=TENANT,
    )
    op.create_index("ix_change_row", "change", ["workspace_id", "change_set_id", "table_name", "row_id", "seq"])
    op.create_index(
        "ix_change_contact",
        "change",
        ["workspace_id", "contact_id"],
        postgresql_where=sa.text("contact_id is not null"),
    )


def downgrade() -> None:
    op.drop_table("change")
    op.drop_table("change_set")
