"""Addresses that nobody owns yet, the newest first."""

from alembic import op

revision = "0032"
down_revision = "0031"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_index(
        "ix_handle_nobody",
        "handle",
        ["workspace_id", "created_at", "id"],
        postgresql_where="contact_id is null and company_id is null and deleted_at is null",
    )


def downgrade() -> None:
    op.drop_index("ix_handle_nobody", table_name="handle")
