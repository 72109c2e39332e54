"""Lets the lists of deleted people and companies be read by an index of their own."""

import sqlalchemy as sa
from alembic import op

revision = "0019"
down_revision = "0018"
branch_labels = None
depends_on = None

TABLES = ("contact", "company")


def upgrade() -> None:
    for table in TABLES:
        op.create_index(
            f"ix_{table}_deleted",
            table,
            ["workspace_id", "deleted_at", "id"],
            postgresql_where=sa.text("deleted_at is not null"),
        )


def downgrade() -> None:
    for table in TABLES:
        op.drop_index(f"ix_{table}_deleted", table)
