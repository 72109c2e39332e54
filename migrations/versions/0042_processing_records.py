"""What a workspace writes itself into its records of processing activities (GDPR, article 30)."""

import sqlalchemy as sa
from alembic import op

revision = "0042"
down_revision = "0041"
branch_labels = None
depends_on = None


def upgrade() -> None:
    texts = ("controller", "representative", "dpo", "recipients", "transfers", "measures")
    op.create_table(
        "processing_record",
        *(sa.Column(name, sa.Text(), server_default="", nullable=False) for name in texts),
        sa.Column("updated_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("workspace_id", sa.Uuid(), nullable=False),
        sa.ForeignKeyConstraint(
            ["workspace_id"], ["workspace.id"], name=op.f("fk_processing_record_workspace_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_processing_record")),
        sa.UniqueConstraint("workspace_id", name=op.f("uq_processing_record_workspace_id")),
    )


def downgrade() -> None:
    op.drop_table("processing_record")
