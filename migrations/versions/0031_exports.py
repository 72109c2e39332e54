"""Lists of people that somebody took out as a file, until the file goes."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0031"
down_revision = "0030"
branch_labels = None
depends_on = None

# Tells ids alone, for the clock, which then enters each workspace under its own policies.
EXPIRED = """
    create function public.crm_expired_exports(most integer) returns table (workspace_id uuid, export_id uuid)
    language sql stable security definer set search_path = pg_catalog, public, pg_temp as $$
        select e.workspace_id, e.id from public.export e
         where e.file_id is not null and e.expires_at < now() order by e.expires_at limit most
    $$"""


def upgrade() -> None:
    op.create_table(
        "export",
        sa.Column("format", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), server_default="queued", nullable=False),
        sa.Column(
            "query", postgresql.JSONB(astext_type=sa.Text()), server_default=sa.text("'{}'::jsonb"), nullable=False
        ),
        sa.Column(
            "headers", postgresql.JSONB(astext_type=sa.Text()), server_default=sa.text("'[]'::jsonb"), nullable=False
        ),
        sa.Column("delimiter", sa.Text(), server_default=",", nullable=False),
        sa.Column("file_name", sa.Text(), nullable=False),
        sa.Column("people", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("progress_id", sa.Uuid(), nullable=True),
        sa.Column("file_id", sa.Uuid(), nullable=True),
        sa.Column("created_by_id", sa.Uuid(), nullable=True),
        sa.Column("token_id", sa.Uuid(), nullable=True),
        sa.Column("role", sa.Text(), server_default="", nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("workspace_id", sa.Uuid(), nullable=False),
        sa.CheckConstraint("format in ('csv', 'xlsx', 'vcard3', 'vcard4')", name=op.f("ck_export_format")),
        sa.CheckConstraint(
            "state in ('queued', 'running', 'done', 'failed', 'expired')", name=op.f("ck_export_state")
        ),
        sa.ForeignKeyConstraint(["created_by_id"], ["app_user.id"], name=op.f("fk_export_created_by_id")),
        sa.ForeignKeyConstraint(
            ["workspace_id"], ["workspace.id"], name=op.f("fk_export_workspace_id"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["workspace_id", "progress_id"],
            ["progress.workspace_id", "progress.id"],
            name=op.f("fk_export_workspace_id_progress_id"),
        ),
        sa.ForeignKeyConstraint(
            ["workspace_id", "file_id"],
            ["stored_file.workspace_id", "stored_file.id"],
            name=op.f("fk_export_workspace_id_file_id"),
            ondelete="SET NULL (file_id)",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_export")),
    )
    op.create_index("ix_export_made", "export", ["workspace_id", "created_by_id", "id"])
    op.create_index(
        "ix_export_expires", "export", ["expires_at"], postgresql_where=sa.text("file_id is not null")
    )
    op.execute(EXPIRED)


def downgrade() -> None:
    op.execute("drop function public.crm_expired_exports(integer)")
    op.drop_table("export")
