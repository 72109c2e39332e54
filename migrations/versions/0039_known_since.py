"""Since when people are known, for those with whom somebody keeps in touch."""

import sqlalchemy as sa
from alembic import op

revision = "0039"
down_revision = "0038"
branch_labels = None
depends_on = None

# The first genuine contact in which both took part, as crm/interactions/services/recounting.py counts it.
FILL = """
    update cadence set met_at = (
        select min(i.happened_at) from interaction i
        where i.workspace_id = cadence.workspace_id and i.contact_id = cadence.contact_id and i.removed_at is null
            and not i.is_automatic and i.visibility <> 'private'
            and (i.kind in ('call', 'meeting', 'visit')
                or (i.kind in ('message.received', 'comment', 'mention') and i.direction <> 'outbound')))
    where two_way_at is not null"""


def upgrade() -> None:
    op.add_column("cadence", sa.Column("met_at", sa.DateTime(timezone=True), nullable=True))
    op.execute(FILL)
    known = sa.text("met_at is not null")
    op.create_index("ix_cadence_met", "cadence", ["workspace_id", "met_at", "contact_id"], postgresql_where=known)


def downgrade() -> None:
    op.drop_index("ix_cadence_met", "cadence")
    op.drop_column("cadence", "met_at")
