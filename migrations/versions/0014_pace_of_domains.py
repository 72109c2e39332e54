"""The gate sees what is planned for a person; accounts keep a pace towards each recipient domain."""

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("sender_account", sa.Column("per_domain", sa.Integer(), nullable=True))
    op.create_index(
        "ix_message_planned_for",
        "message",
        ["workspace_id", "contact_id"],
        postgresql_where=sa.text("state in ('approved', 'scheduled', 'held')"),
    )
    op.create_table(
        "domain_pace",
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("domain", sa.Text(), nullable=False),
        sa.Column("minute", sa.DateTime(timezone=True), nullable=False),
        sa.Column("used", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("tail", sa.DateTime(timezone=True), nullable=False),
        sa.Column("tail_used", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("slow_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("steps", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("code", sa.Text(), server_default="", nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("workspace_id", sa.Uuid(), nullable=False),
        sa.ForeignKeyConstraint(
            ["workspace_id", "account_id"],
            ["sender_account.workspace_id", "sender_account.id"],
            name=op.f("fk_domain_pace_workspace_id_account_id"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["workspace_id"], ["workspace.id"], name=op.f("fk_domain_pace_workspace_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_domain_pace")),
        sa.UniqueConstraint(
            "workspace_id", "account_id", "domain", name=op.f("uq_domain_pace_workspace_id_account_id_domain")
        ),
        sa.UniqueConstraint("workspace_id", "id", name=op.f("uq_domain_pace_workspace_id_id")),
        info={"tenant": True, "append_only": False, "frozen": False},
    )


def downgrade() -> None:
    op.drop_table("domain_pace")
    op.drop_index("ix_message_planned_for", table_name="message")
    op.drop_column("sender_account", "per_domain")
