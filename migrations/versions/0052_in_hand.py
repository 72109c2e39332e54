"""Who has the text of a message in hand that a person sends, and the queue of such messages."""

import sqlalchemy as sa
from alembic import op

revision = "0052"
down_revision = "0051"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("message", sa.Column("opened_by_id", sa.Uuid(), nullable=True))
    op.add_column("message", sa.Column("opened_at", sa.DateTime(timezone=True), nullable=True))
    op.create_foreign_key("fk_message_opened_by_id_app_user", "message", "app_user", ["opened_by_id"], ["id"])
    op.create_index(
        "ix_message_by_hand",
        "message",
        ["workspace_id", "due_at", "id"],
        postgresql_where=sa.text("is_assisted and state in ('scheduled', 'sending')"),
    )
    op.create_index(
        "ix_message_opened",
        "message",
        ["workspace_id", "opened_by_id", "opened_at"],
        postgresql_where=sa.text("opened_by_id is not null"),
    )


def downgrade() -> None:
    op.drop_index("ix_message_opened", table_name="message")
    op.drop_index("ix_message_by_hand", table_name="message")
    op.drop_constraint("fk_message_opened_by_id_app_user", "message", type_="foreignkey")
    op.drop_column("message", "opened_at")
    op.drop_column("message", "opened_by_id")
