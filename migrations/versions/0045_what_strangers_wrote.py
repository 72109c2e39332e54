"""An index for what strangers wrote, which is read on their page and moved when somebody says who they are."""

import sqlalchemy as sa
from alembic import op

revision = "0045"
down_revision = "0044"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_index(
        "ix_interaction_stranger",
        "interaction",
        ["workspace_id", "handle_id", "happened_at", "id"],
        postgresql_where=sa.text("contact_id is null and handle_id is not null"),
    )


def downgrade() -> None:
    op.drop_index("ix_interaction_stranger", table_name="interaction")
