"""Saved views of companies beside those of people, a default view of either list, and what lists of companies read."""

import sqlalchemy as sa
from alembic import op

revision = "0048"
down_revision = "0047"
branch_labels = None
depends_on = None

SUBJECTS = "subject in ('people', 'companies')"
ALIVE = sa.text("deleted_at is null")


def upgrade() -> None:
    for table in ("saved_view", "default_view"):
        op.add_column(table, sa.Column("subject", sa.Text(), server_default="people", nullable=False))
        op.create_check_constraint(op.f(f"ck_{table}_subject"), table, SUBJECTS)
    op.drop_index("ix_saved_view_name", table_name="saved_view")
    op.create_index("ix_saved_view_subject", "saved_view", ["workspace_id", "subject", "name", "id"])
    op.drop_constraint(op.f("uq_default_view_workspace_id_user_id"), "default_view")
    op.create_unique_constraint(
        op.f("uq_default_view_workspace_id_user_id_subject"), "default_view", ["workspace_id", "user_id", "subject"]
    )
    indexes = {"created": ["created_at"], "owner": ["owner_id", "name_norm"], "city": ["city_norm", "name_norm"]}
    for name, columns in indexes.items():
        op.create_index(f"ix_company_{name}", "company", ["workspace_id", *columns, "id"], postgresql_where=ALIVE)
    op.create_index(
        "ix_contact_heard",
        "contact",
        ["workspace_id", "company_id", "last_interaction_at"],
        postgresql_where=sa.text("deleted_at is null and company_id is not null"),
    )


def downgrade() -> None:
    op.drop_index("ix_contact_heard", table_name="contact")
    for name in ("city", "owner", "created"):
        op.drop_index(f"ix_company_{name}", table_name="company")
    # What is left could not be told from views of people.
    op.execute("delete from default_view where subject <> 'people'")
    op.execute("delete from saved_view where subject <> 'people'")
    op.drop_constraint(op.f("uq_default_view_workspace_id_user_id_subject"), "default_view")
    op.create_unique_constraint(
        op.f("uq_default_view_workspace_id_user_id"), "default_view", ["workspace_id", "user_id"]
    )
    op.drop_index("ix_saved_view_subject", table_name="saved_view")
    op.create_index("ix_saved_view_name", "saved_view", ["workspace_id", "name", "id"])
    for table in ("default_view", "saved_view"):
        op.drop_constraint(op.f(f"ck_{table}_subject"), table)
        op.drop_column(table, "subject")
