"""Imports know what file they read, by what they recognise people, and the codes that other programs gave them."""

import sqlalchemy as sa
from alembic import op

revision = "0025"
down_revision = "0024"
branch_labels = None
depends_on = None

TEXTS = {"match": "any", "kind": "csv", "program": "", "new_lifecycle": ""}
REFERENCES = {"change_set_id": "change_set", "revert_progress_id": "progress"}


def upgrade() -> None:
    op.add_column("contact", sa.Column("external_id", sa.Text(), server_default="", nullable=False))
    op.create_index(
        "ix_contact_external",
        "contact",
        ["workspace_id", "external_id"],
        postgresql_where=sa.text("external_id <> ''"),
    )
    for name, default in TEXTS.items():
        op.add_column("import", sa.Column(name, sa.Text(), server_default=default, nullable=False))
    op.add_column("import", sa.Column("month_first", sa.Boolean(), server_default=sa.text("false"), nullable=False))
    for name, target in REFERENCES.items():
        op.add_column("import", sa.Column(name, sa.Uuid(), nullable=True))
        op.create_foreign_key(
            op.f(f"fk_import_workspace_id_{name}"),
            "import",
            target,
            ["workspace_id", name],
            ["workspace_id", "id"],
            ondelete=f"SET NULL ({name})" if target == "change_set" else None,
        )
    op.create_check_constraint(
        op.f("ck_import_match"), "import", "match in ('any', 'email', 'phone', 'handle', 'external_id', 'name')"
    )
    op.create_check_constraint(
        op.f("ck_import_kind"), "import", "kind in ('csv', 'xlsx', 'vcard', 'followers', 'following')"
    )


def downgrade() -> None:
    op.drop_constraint(op.f("ck_import_kind"), "import")
    op.drop_constraint(op.f("ck_import_match"), "import")
    for name in REFERENCES:
        op.drop_constraint(op.f(f"fk_import_workspace_id_{name}"), "import")
    for name in ("month_first", *TEXTS, *REFERENCES):
        op.drop_column("import", name)
    op.drop_index("ix_contact_external", "contact")
    op.drop_column("contact", "external_id")
