"""Lets tasks be about deals."""

import sqlalchemy as sa
from alembic import op

revision = "0050"
down_revision = "0049"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "deal_task",
        sa.Column("deal_id", sa.Uuid(), nullable=False),
        sa.Column("task_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("workspace_id", sa.Uuid(), nullable=False),
        *(
            sa.ForeignKeyConstraint(
                ["workspace_id", f"{name}_id"],
                [f"{name}.workspace_id", f"{name}.id"],
                name=op.f(f"fk_deal_task_workspace_id_{name}_id"),
                ondelete="CASCADE",
            )
            for name in ("deal", "task")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_deal_task")),
        sa.UniqueConstraint(
            "workspace_id", "deal_id", "task_id", name=op.f("uq_deal_task_workspace_id_deal_id_task_id")
        ),
    )
    op.create_index("ix_deal_task_task", "deal_task", ["workspace_id", "task_id"])


def downgrade() -> None:
    op.drop_table("deal_task")
