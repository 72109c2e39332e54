"""The way by which the clock finds looks at sources whose worker or wake-up was lost."""

import sqlalchemy as sa
from alembic import op

revision = "0049"
down_revision = "0048"
branch_labels = None
depends_on = None

# The clock looks across all workspaces. A run is lost when it is running for longer than any job may
# (`crm.enrichment.rules.LOST_AFTER`); what did not end in a week is for people to ask anew.
OPEN_RUNS = """
    create function public.crm_open_enrichment(most integer)
    returns table (workspace_id uuid, run_id uuid)
    language sql stable security definer set search_path = pg_catalog, public, pg_temp
    as $$
        select e.workspace_id, e.id from public.enrichment_run e
        join public.enrichment_source s on s.workspace_id = e.workspace_id and s.source = e.source and s.is_on
        where e.state in ('queued', 'running')
            and e.created_at between now() - interval '7 days' and now() - interval '15 seconds'
            and (e.state = 'queued' or e.started_at < now() - interval '10 minutes')
        order by e.created_at limit most
    $$
    """


def upgrade() -> None:
    op.create_index(
        "ix_enrichment_run_open",
        "enrichment_run",
        ["created_at"],
        postgresql_where=sa.text("state in ('queued', 'running')"),
    )
    op.execute(OPEN_RUNS)


def downgrade() -> None:
    op.execute("drop function public.crm_open_enrichment(integer)")
    op.drop_index("ix_enrichment_run_open", table_name="enrichment_run")
