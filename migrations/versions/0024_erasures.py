"""Tables of erasures and of the addresses that no list may bring back, and the way to words in append-only tables."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0024"
down_revision = "0023"
branch_labels = None
depends_on = None

# Append-only tables can't be changed by the application. Two hold words that somebody chose: where a consent came from,
# and the key of a call to the API. Of people who are erased, and of nobody else, the owner takes them away; the rows
# with their codes, dates and points stay.
ERASE_WORDS = """
    create function public.crm_erase_words(people uuid[]) returns void
    language plpgsql volatile security definer set search_path = pg_catalog, public, pg_temp
    as $$
    declare
        house uuid := nullif(current_setting('crm.workspace', true), '')::uuid;
        gone uuid[] := array(
            select id from public.contact where workspace_id = house and id = any(people) and erased_at is not null
        );
    begin
        update public.consent_event set source = '' where workspace_id = house and contact_id = any(gone);
        update public.ledger_transaction t set idempotency_key = t.id::text, request_hash = ''
        from public.member m
        where m.workspace_id = house and m.contact_id = any(gone)
            and t.workspace_id = house and t.member_id = m.id;
    end
    $$
    """

# Which workspaces have erasures whose traces are still to be found: the clock looks across all of them.
OPEN_ERASURES = """
    create function public.crm_open_erasures(most integer) returns table (workspace_id uuid, erasure_id uuid)
    language sql stable security definer set search_path = pg_catalog, public, pg_temp
    as $$ select e.workspace_id, e.id from public.erasure e where e.done_at is null order by e.at limit most $$
    """


def upgrade() -> None:
    op.create_table(
        "erased_address",
        sa.Column("channel", sa.Text(), nullable=False),
        sa.Column("address_hash", sa.Text(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("came_back_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("workspace_id", sa.Uuid(), nullable=False),
        sa.ForeignKeyConstraint(
            ["workspace_id"], ["workspace.id"], name="fk_erased_address_workspace_id", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_erased_address"),
    )
    op.create_index(
        "uq_erased_address",
        "erased_address",
        ["workspace_id", "channel", "address_hash"],
        unique=True,
        postgresql_where=sa.text("came_back_at is null"),
    )
    op.create_table(
        "erasure",
        sa.Column("subject_id", sa.Uuid(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=True),
        sa.Column("cause", sa.Text(), server_default="asked", nullable=False),
        sa.Column(
            "counts", postgresql.JSONB(astext_type=sa.Text()), server_default=sa.text("'{}'::jsonb"), nullable=False
        ),
        sa.Column("traces", postgresql.JSONB(none_as_null=True, astext_type=sa.Text()), nullable=True),
        sa.Column("done_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("workspace_id", sa.Uuid(), nullable=False),
        sa.CheckConstraint("cause in ('asked', 'retention', 'restored')", name=op.f("ck_erasure_cause")),
        sa.ForeignKeyConstraint(["user_id"], ["app_user.id"], name="fk_erasure_user_id"),
        sa.ForeignKeyConstraint(["workspace_id"], ["workspace.id"], name="fk_erasure_workspace_id", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name="pk_erasure"),
    )
    op.create_index("uq_erasure_subject", "erasure", ["workspace_id", "subject_id"], unique=True)
    op.create_index("ix_erasure_at", "erasure", ["workspace_id", "at", "id"])
    op.create_index("ix_erasure_open", "erasure", ["at"], postgresql_where=sa.text("done_at is null"))
    op.execute(ERASE_WORDS)
    op.execute(OPEN_ERASURES)


def downgrade() -> None:
    op.execute("drop function public.crm_open_erasures(integer)")
    op.execute("drop function public.crm_erase_words(uuid[])")
    op.drop_table("erasure")
    op.drop_table("erased_address")
