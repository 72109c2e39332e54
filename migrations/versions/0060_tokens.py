"""Remembers how long the token of a mailbox lasts."""

import sqlalchemy as sa
from alembic import op

revision = "0060"
down_revision = "0059"
branch_labels = None
depends_on = None

COLUMNS = ("token_until", "token_at", "token_claimed_until")


def upgrade() -> None:
    for name in COLUMNS:
        op.add_column("sender_account", sa.Column(name, sa.DateTime(timezone=True), nullable=True))


def downgrade() -> None:
    for name in COLUMNS:
        op.drop_column("sender_account", name)
