"""How long each class of data is kept, and what each night's look took away."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0035"
down_revision = "0034"
branch_labels = None
depends_on = None

# Which workspaces had no look since their night began: the clock looks across all of them.
DUE = """
    create function public.crm_retention_due(most integer) returns table (workspace_id uuid)
    language sql stable security definer set search_path = pg_catalog, public, pg_temp
    as $$
        select w.id from public.workspace w
        where extract(hour from now() at time zone w.time_zone) between 2 and 5
            and not exists (
                select 1 from public.retention_run r
                where r.workspace_id = w.id and r.day = (now() at time zone w.time_zone)::date and r.done_at is not null
            )
        order by w.id limit most
    $$
    """


def upgrade() -> None:
    op.create_table(
        "retention_rule",
        sa.Column("data_class", sa.Text(), nullable=False),
        sa.Column("days", sa.Integer(), nullable=True),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("workspace_id", sa.Uuid(), nullable=False),
        sa.CheckConstraint(
            "data_class in ('raw_mails', 'refused_rows', 'read_files', 'removed_texts', 'audit_values',"
            " 'inactive_leads', 'deleted_people')",
            name=op.f("ck_retention_rule_data_class"),
        ),
        sa.CheckConstraint("days > 0", name=op.f("ck_retention_rule_days")),
        sa.ForeignKeyConstraint(
            ["workspace_id"], ["workspace.id"], name=op.f("fk_retention_rule_workspace_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_retention_rule")),
        sa.UniqueConstraint("workspace_id", "data_class", name=op.f("uq_retention_rule_workspace_id_data_class")),
    )
    op.create_table(
        "retention_run",
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column(
            "counts", postgresql.JSONB(astext_type=sa.Text()), server_default=sa.text("'{}'::jsonb"), nullable=False
        ),
        sa.Column("done_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("workspace_id", sa.Uuid(), nullable=False),
        sa.ForeignKeyConstraint(
            ["workspace_id"], ["workspace.id"], name=op.f("fk_retention_run_workspace_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_retention_run")),
        sa.UniqueConstraint("workspace_id", "day", name=op.f("uq_retention_run_workspace_id_day")),
    )
    op.execute(DUE)


def downgrade() -> None:
    op.execute("drop function public.crm_retention_due(integer)")
    op.drop_table("retention_run")
    op.drop_table("retention_rule")
