"""Accounts are woken in turns over workspaces, each with one look into the index of what is due."""

from alembic import op

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None

# Ids of any workspace and nothing else, for the clock: see 0009. One account of each workspace comes before the second
# of any, so that a house with many busy accounts delays nobody else's.
FAIR = """
    create or replace function public.crm_due_accounts(most integer) returns table (workspace_id uuid, account_id uuid)
    language sql stable security definer set search_path = pg_catalog, public, pg_temp as $$
        select due.workspace_id, due.id
        from (
            select a.workspace_id, a.id, a.attended_at,
                   row_number() over (partition by a.workspace_id order by a.attended_at nulls first, a.id) as turn
            from public.sender_account a
            cross join lateral (select from public.message m
                                where m.account_id = a.id and m.state = 'scheduled' and m.due_at <= now()
                                limit 1) first_due
            where a.deleted_at is null
              and (a.state = 'active' or (a.state = 'held' and a.hold_until <= now()))
        ) due
        order by due.turn, due.attended_at nulls first, due.id limit most
    $$"""
PLAIN = """
    create or replace function public.crm_due_accounts(most integer) returns table (workspace_id uuid, account_id uuid)
    language sql stable security definer set search_path = pg_catalog, public, pg_temp as $$
        select a.workspace_id, a.id from public.sender_account a
        where a.deleted_at is null
          and (a.state = 'active' or (a.state = 'held' and a.hold_until <= now()))
          and exists (select 1 from public.message m
                      where m.account_id = a.id and m.state = 'scheduled' and m.due_at <= now())
        order by a.attended_at nulls first limit most
    $$"""


def upgrade() -> None:
    op.execute(FAIR)


def downgrade() -> None:
    op.execute(PLAIN)
