"""Finds by their index the deals that were won on one day, and companies by a fragment of their name."""

import sqlalchemy as sa
from alembic import op

revision = "0054"
down_revision = "0053"
branch_labels = None
depends_on = None

# An estimate that many companies match would read the table from its beginning.
SEARCH = "public.crm_search_companies(text, integer)"


def upgrade() -> None:
    where = sa.text("deleted_at is null and state = 'won'")
    op.create_index("ix_deal_won", "deal", ["workspace_id", "closed_at", "id"], postgresql_where=where)
    op.execute(f"alter function {SEARCH} set enable_seqscan = off")


def downgrade() -> None:
    op.execute(f"alter function {SEARCH} reset enable_seqscan")
    op.drop_index("ix_deal_won", "deal")
