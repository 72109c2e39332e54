"""Accounts of channels that can be asked are asked, unless their platform was told to call us."""

from alembic import op

revision = "0056"
down_revision = "0055"
branch_labels = None
depends_on = None

# The clock looks across all workspaces and learns ids alone. A paused account hears as well: somebody may write STOP.
POLLS = """
    create function public.crm_polls_due(channels text[], most integer)
    returns table (workspace_id uuid, account_id uuid)
    language sql stable security definer set search_path = pg_catalog, public, pg_temp as $$
        select a.workspace_id, a.id from public.sender_account a
        left join public.inbound_cursor c on c.workspace_id = a.workspace_id and c.account_id = a.id
        where a.channel = any(channels) and a.deleted_at is null and not a.is_sandbox and a.secret is not null
            and (a.state <> 'held' or a.hold_until <= now())
            and coalesce(a.config ->> 'receive', 'poll') <> 'webhook'
            and coalesce(c.next_at, '-infinity') <= now()
        order by c.next_at nulls first limit most
    $$"""
BEFORE = """
    create function public.crm_polls_due(most integer) returns table (workspace_id uuid, account_id uuid)
    language sql stable security definer set search_path = pg_catalog, public, pg_temp as $$
        select a.workspace_id, a.id from public.sender_account a
        left join public.inbound_cursor c on c.workspace_id = a.workspace_id and c.account_id = a.id
        where a.state = 'active' and a.deleted_at is null and a.config ->> 'receive' = 'poll'
            and coalesce(c.next_at, '-infinity') <= now()
        order by c.next_at nulls first limit most
    $$"""


def upgrade() -> None:
    op.execute("drop function public.crm_polls_due(integer)")
    op.execute(POLLS)


def downgrade() -> None:
    op.execute("drop function public.crm_polls_due(text[], integer)")
    op.execute(BEFORE)
