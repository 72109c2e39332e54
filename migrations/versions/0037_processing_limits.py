"""Limits on processing (GDPR, article 18): why somebody's data may only be kept, and since when."""

import sqlalchemy as sa
from alembic import op

revision = "0037"
down_revision = "0036"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("contact", sa.Column("limited_at", sa.DateTime(timezone=True), nullable=True))
    op.create_index(
        "ix_contact_limited", "contact", ["workspace_id", "id"], postgresql_where=sa.text("limited_at is not null")
    )
    op.create_table(
        "processing_limit",
        sa.Column("contact_id", sa.Uuid(), nullable=False),
        sa.Column("ground", sa.Text(), nullable=False),
        sa.Column("note", sa.Text(), server_default="", nullable=False),
        sa.Column("asked_on", sa.Date(), nullable=False),
        sa.Column("since", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=True),
        sa.Column("lifted_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("lifted_by_id", sa.Uuid(), nullable=True),
        sa.Column("lift_note", sa.Text(), server_default="", nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("workspace_id", sa.Uuid(), nullable=False),
        sa.CheckConstraint(
            "ground in ('accuracy', 'unlawful', 'claims', 'objection')", name=op.f("ck_processing_limit_ground")
        ),
        sa.ForeignKeyConstraint(["lifted_by_id"], ["app_user.id"], name=op.f("fk_processing_limit_lifted_by_id")),
        sa.ForeignKeyConstraint(["user_id"], ["app_user.id"], name=op.f("fk_processing_limit_user_id")),
        sa.ForeignKeyConstraint(
            ["workspace_id", "contact_id"],
            ["contact.workspace_id", "contact.id"],
            name=op.f("fk_processing_limit_workspace_id_contact_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_processing_limit")),
    )
    op.create_index("ix_processing_limit_contact", "processing_limit", ["workspace_id", "contact_id", "since"])


def downgrade() -> None:
    op.drop_table("processing_limit")
    op.drop_index("ix_contact_limited", table_name="contact")
    op.drop_column("contact", "limited_at")
