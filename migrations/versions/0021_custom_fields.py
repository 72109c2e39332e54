"""Fields of the workspace's own for people and companies, with typed values."""

import sqlalchemy as sa
from alembic import op

revision = "0021"
down_revision = "0020"
branch_labels = None
depends_on = None

TYPES = "'text', 'number', 'money', 'date', 'choice', 'choices', 'yes_no', 'url', 'contact'"
COLUMNS = ("text_norm", "number", "amount", "day", "flag", "ref_id", "choice_id")


def _reference(table: str, target: str, column: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint(
        ["workspace_id", column],
        [f"{target}.workspace_id", f"{target}.id"],
        name=op.f(f"fk_{table}_workspace_id_{column}"),
        ondelete="CASCADE",
    )


def upgrade() -> None:
    op.create_table(
        "custom_field",
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("label", sa.Text(), nullable=False),
        sa.Column("type", sa.Text(), nullable=False),
        sa.Column("help", sa.Text(), server_default="", nullable=False),
        sa.Column("position", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("required", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("filterable", sa.Boolean(), server_default=sa.text("true"), nullable=False),
        sa.Column("lowest", sa.Text(), server_default="", nullable=False),
        sa.Column("highest", sa.Text(), server_default="", nullable=False),
        sa.Column("pattern", sa.Text(), server_default="", nullable=False),
        sa.Column("currency", sa.Text(), server_default="EUR", nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("archived_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("workspace_id", sa.Uuid(), nullable=False),
        sa.CheckConstraint("subject in ('contact', 'company')", name=op.f("ck_custom_field_subject")),
        sa.CheckConstraint(f"type in ({TYPES})", name=op.f("ck_custom_field_type")),
        sa.ForeignKeyConstraint(
            ["workspace_id"], ["workspace.id"], name=op.f("fk_custom_field_workspace_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_custom_field")),
        sa.UniqueConstraint("workspace_id", "id", name=op.f("uq_custom_field_workspace_id_id")),
        sa.UniqueConstraint("workspace_id", "subject", "key", name=op.f("uq_custom_field_workspace_id_subject_key")),
    )
    op.create_table(
        "custom_choice",
        sa.Column("field_id", sa.Uuid(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("label", sa.Text(), nullable=False),
        sa.Column("position", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("archived_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("workspace_id", sa.Uuid(), nullable=False),
        _reference("custom_choice", "custom_field", "field_id"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_custom_choice")),
        sa.UniqueConstraint("workspace_id", "field_id", "key", name=op.f("uq_custom_choice_workspace_id_field_id_key")),
        sa.UniqueConstraint("workspace_id", "id", name=op.f("uq_custom_choice_workspace_id_id")),
    )
    op.create_table(
        "custom_value",
        sa.Column("field_id", sa.Uuid(), nullable=False),
        sa.Column("contact_id", sa.Uuid(), nullable=True),
        sa.Column("company_id", sa.Uuid(), nullable=True),
        sa.Column("text_value", sa.Text(), nullable=True),
        sa.Column("text_norm", sa.Text(), nullable=True),
        sa.Column("number", sa.Double(), nullable=True),
        sa.Column("amount", sa.BigInteger(), nullable=True),
        sa.Column("currency", sa.Text(), nullable=True),
        sa.Column("day", sa.Date(), nullable=True),
        sa.Column("flag", sa.Boolean(), nullable=True),
        sa.Column("ref_id", sa.Uuid(), nullable=True),
        sa.Column("choice_id", sa.Uuid(), nullable=True),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("workspace_id", sa.Uuid(), nullable=False),
        sa.CheckConstraint("(contact_id is null) <> (company_id is null)", name=op.f("ck_custom_value_one_subject")),
        sa.CheckConstraint(f"num_nonnulls({', '.join(COLUMNS)}) = 1", name=op.f("ck_custom_value_one_value")),
        sa.CheckConstraint("(amount is null) = (currency is null)", name=op.f("ck_custom_value_money")),
        _reference("custom_value", "custom_field", "field_id"),
        _reference("custom_value", "contact", "contact_id"),
        _reference("custom_value", "company", "company_id"),
        _reference("custom_value", "contact", "ref_id"),
        _reference("custom_value", "custom_choice", "choice_id"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_custom_value")),
    )
    for subject in ("contact", "company"):
        op.create_index(
            f"uq_custom_value_{subject}",
            "custom_value",
            ["workspace_id", f"{subject}_id", "field_id", "choice_id"],
            unique=True,
            postgresql_nulls_not_distinct=True,
            postgresql_where=f"{subject}_id is not null",
        )
    for column in COLUMNS:
        compared = ["currency", "amount"] if column == "amount" else [column]
        op.create_index(
            f"ix_custom_value_{column}",
            "custom_value",
            ["workspace_id", "field_id", *compared, "contact_id"],
            postgresql_where=f"{column} is not null",
        )
    op.create_index(
        "ix_custom_value_ref", "custom_value", ["workspace_id", "ref_id"], postgresql_where="ref_id is not null"
    )


def downgrade() -> None:
    for table in ("custom_value", "custom_choice", "custom_field"):
        op.drop_table(table)
