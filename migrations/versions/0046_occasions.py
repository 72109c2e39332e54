"""Looks up by date who came somewhere or left, what was found lately, and when those who matter last had a word."""

import sqlalchemy as sa
from alembic import op

revision = "0046"
down_revision = "0045"
branch_labels = None
depends_on = None

INDEXES = (
    ("ix_affiliation_started", "affiliation", ["workspace_id", "started_on"], "started_on is not null"),
    ("ix_affiliation_ended", "affiliation", ["workspace_id", "ended_on"], "ended_on is not null"),
    ("ix_fact_found", "fact", ["workspace_id", "at"], "origin = 'found' and state = 'current'"),
    (
        "ix_contact_important",
        "contact",
        ["workspace_id", "last_interaction_at", "id"],
        "deleted_at is null and importance <> 'normal'",
    ),
)


def upgrade() -> None:
    for name, table, columns, where in INDEXES:
        op.create_index(name, table, columns, postgresql_where=sa.text(where))


def downgrade() -> None:
    for name, table, _columns, _where in reversed(INDEXES):
        op.drop_index(name, table)
