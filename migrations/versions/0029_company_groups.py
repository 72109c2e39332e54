"""Further domains of a company, and a look at what belongs to it."""

import sqlalchemy as sa
from alembic import op

revision = "0029"
down_revision = "0028"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "company_domain",
        sa.Column("company_id", sa.Uuid(), nullable=False),
        sa.Column("domain", sa.Text(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("workspace_id", sa.Uuid(), nullable=False),
        sa.ForeignKeyConstraint(
            ["workspace_id", "company_id"],
            ["company.workspace_id", "company.id"],
            name=op.f("fk_company_domain_workspace_id_company_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_company_domain")),
        sa.UniqueConstraint(
            "workspace_id", "company_id", "domain", name=op.f("uq_company_domain_workspace_id_company_id_domain")
        ),
    )
    op.create_index("ix_company_domain_domain", "company_domain", ["workspace_id", "domain"])
    op.create_index(
        "ix_company_parent", "company", ["workspace_id", "parent_id"], postgresql_where="parent_id is not null"
    )


def downgrade() -> None:
    op.drop_index("ix_company_parent", table_name="company")
    op.drop_table("company_domain")
