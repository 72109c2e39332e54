"""Why something in brought-in history was left out, and which of its files were kept."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0038"
down_revision = "0037"
branch_labels = None
depends_on = None

COUNTED = ("files_kept", "files_left", "bytes_kept")


def upgrade() -> None:
    op.add_column(
        "history_file",
        sa.Column(
            "left_why", postgresql.JSONB(astext_type=sa.Text()), server_default=sa.text("'{}'::jsonb"), nullable=False
        ),
    )
    for name in COUNTED:
        op.add_column("history_file", sa.Column(name, sa.Integer(), server_default=sa.text("0"), nullable=False))


def downgrade() -> None:
    for name in (*COUNTED, "left_why"):
        op.drop_column("history_file", name)
