"""Who is not the same person, and the indexes by which likely duplicates and merged records are found."""

import sqlalchemy as sa
from alembic import op

revision = "0027"
down_revision = "0026"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column(
        "contact",
        sa.Column(
            "mail_domain", sa.Text(), sa.Computed("split_part(lower(email), '@', 2)", persisted=True), nullable=False
        ),
    )
    op.create_index(
        "ix_contact_mail_domain",
        "contact",
        ["workspace_id", "mail_domain"],
        postgresql_where=sa.text("deleted_at is null and mail_domain <> ''"),
    )
    op.create_index(
        "ix_contact_merged",
        "contact",
        ["workspace_id", "merged_into_id"],
        postgresql_where=sa.text("merged_into_id is not null"),
    )
    op.create_index("ix_handle_again", "handle", ["workspace_id", "address_norm"])
    op.create_index("ix_campaign_pick_contact", "campaign_pick", ["workspace_id", "contact_id"])
    op.create_table(
        "not_same",
        sa.Column("contact_id", sa.Uuid(), nullable=False),
        sa.Column("other_id", sa.Uuid(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=True),
        sa.Column("at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("workspace_id", sa.Uuid(), nullable=False),
        sa.CheckConstraint("contact_id <> other_id", name=op.f("ck_not_same_two")),
        sa.ForeignKeyConstraint(["user_id"], ["app_user.id"], name=op.f("fk_not_same_user_id")),
        sa.ForeignKeyConstraint(
            ["workspace_id", "contact_id"],
            ["contact.workspace_id", "contact.id"],
            name=op.f("fk_not_same_workspace_id_contact_id"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["workspace_id", "other_id"],
            ["contact.workspace_id", "contact.id"],
            name=op.f("fk_not_same_workspace_id_other_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_not_same")),
        sa.UniqueConstraint(
            "workspace_id", "contact_id", "other_id", name=op.f("uq_not_same_workspace_id_contact_id_other_id")
        ),
        info={"tenant": True, "append_only": False, "frozen": False},
    )
    op.create_index("ix_not_same_other", "not_same", ["workspace_id", "other_id"])


def downgrade() -> None:
    op.drop_table("not_same")
    op.drop_index("ix_campaign_pick_contact", table_name="campaign_pick")
    op.drop_index("ix_handle_again", table_name="handle")
    op.drop_index("ix_contact_merged", table_name="contact")
    op.drop_index("ix_contact_mail_domain", table_name="contact")
    op.drop_column("contact", "mail_domain")
