"""The place of a deal in its column: by its closing day until somebody puts it elsewhere."""

import sqlalchemy as sa
from alembic import op

revision = "0041"
down_revision = "0040"
branch_labels = None
depends_on = None

RANK = (
    "coalesce(placed, lpad((coalesce(closes_on, '9999-12-31'::date) - '0001-01-01'::date)::text, 7, '0')"
    " || replace(id::text, '-', '') || 'i')"
)


def upgrade() -> None:
    op.add_column("deal", sa.Column("placed", sa.Text(collation="C"), nullable=True))
    op.add_column("deal", sa.Column("rank", sa.Text(collation="C"), sa.Computed(RANK, persisted=True), nullable=False))
    op.create_check_constraint(op.f("ck_deal_placed"), "deal", "placed ~ '^[0-9a-z]{0,199}[1-9a-z]$'")
    op.drop_index("ix_deal_column", table_name="deal")
    op.create_index(
        "ix_deal_column",
        "deal",
        ["workspace_id", "stage_id", "rank", "id"],
        unique=False,
        postgresql_where=sa.text("deleted_at is null"),
    )


def downgrade() -> None:
    op.drop_index("ix_deal_column", table_name="deal")
    op.create_index(
        "ix_deal_column",
        "deal",
        ["workspace_id", "stage_id", "order_on", "id"],
        unique=False,
        postgresql_where=sa.text("deleted_at is null"),
    )
    op.drop_column("deal", "rank")
    op.drop_column("deal", "placed")
