"""The way by which the clock finds long work that nobody is doing any more, whose worker or wake-up was lost."""

import sqlalchemy as sa
from alembic import op

revision = "0044"
down_revision = "0043"
branch_labels = None
depends_on = None

# The clock looks across all workspaces. What moved a moment ago is being done, and what did not move for a week fails
# each time it is begun: to go on with that is for people to say.
OPEN_WORK = """
    create function public.crm_open_work(most integer)
    returns table (workspace_id uuid, kind text, object_id uuid)
    language sql stable security definer set search_path = pg_catalog, public, pg_temp
    as $$
        select p.workspace_id, p.kind, p.object_id from public.progress p
        where p.state in ('queued', 'running') and p.object_id is not null
            and p.updated_at between now() - interval '7 days' and now() - interval '15 seconds'
        order by p.updated_at limit most
    $$
    """


def upgrade() -> None:
    op.create_index(
        "ix_progress_open", "progress", ["updated_at"], postgresql_where=sa.text("state in ('queued', 'running')")
    )
    op.execute(OPEN_WORK)


def downgrade() -> None:
    op.execute("drop function public.crm_open_work(integer)")
    op.drop_index("ix_progress_open", table_name="progress")
