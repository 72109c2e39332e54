"""Finds the messages whose end another witness may know, and what keeps any workspace from sending."""

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None

DOUBTFUL = "state = 'uncertain' or (state = 'scheduled' and delivery <> 'none')"

# Tells ids of workspaces and accounts only; the caller then enters each workspace under its own policies.
FUNCTION = """
    create function public.crm_doubtful_accounts(pauses integer[], most integer)
    returns table (workspace_id uuid, account_id uuid)
    language sql stable security definer set search_path = pg_catalog, public, pg_temp as $$
        select m.workspace_id, m.account_id
          from public.message m
          join public.sender_account a on a.id = m.account_id
          left join lateral (
              select t.id from public.attempt t
               where t.workspace_id = m.workspace_id and t.message_id = m.id order by t.number desc limit 1
          ) last on true
          left join lateral (
              select max(o.at) as at, (count(*) filter (where o.stage = 'read_back'))::integer as looks
                from public.attempt_outcome o where o.workspace_id = m.workspace_id and o.attempt_id = last.id
          ) known on true
         where (m.state = 'uncertain' or (m.state = 'scheduled' and m.delivery <> 'none'))
           and a.deleted_at is null
           and (m.delivery <> 'none'
                or (coalesce(a.config ->> 'imap_host', '') <> '' and not a.is_sandbox and not m.is_assisted
                    and m.updated_at > now() - interval '7 days'
                    and known.looks < cardinality(pauses)
                    and known.at + make_interval(secs => pauses[known.looks + 1]) <= now()))
         group by m.workspace_id, m.account_id
         order by min(known.at) nulls first limit most
    $$"""

# Names of accounts and numbers only, for the bells of their own workspaces; `sender` tells who could send at all, and
# `open` who has lines to take back.
TROUBLES = """
    create function public.crm_troubles() returns table (workspace_id uuid, kind text, key text, name text)
    language sql stable security definer set search_path = pg_catalog, public, pg_temp as $$
        select a.workspace_id, 'alert.account', a.id::text, a.name
          from public.sender_account a where a.deleted_at is null and a.state = 'held'
        union all
        select a.workspace_id, 'alert.stalled', a.id::text, a.name
          from public.sender_account a
         where a.deleted_at is null and a.state = 'active'
           and (a.attended_at is null or a.attended_at < now() - interval '5 minutes')
           and exists (select 1 from public.message m
                        where m.account_id = a.id and m.state = 'scheduled' and m.due_at < now() - interval '5 minutes'
                          and not m.is_assisted)
        union all
        select m.workspace_id, 'alert.uncertain', '', count(*)::text
          from public.message m
         where (m.state = 'uncertain' or (m.state = 'scheduled' and m.delivery <> 'none'))
           and m.state = 'uncertain' and m.updated_at < now() - interval '2 minutes'
         group by m.workspace_id
        union all
        select distinct a.workspace_id, 'sender', '', '' from public.sender_account a where a.deleted_at is null
        union all
        select distinct n.workspace_id, 'open', '', '' from public.notification n
         where n.kind like 'alert.%' and (n.params ->> 'open') = 'true'
    $$"""
OPEN = "kind like 'alert.%' and (params ->> 'open') = 'true'"


def upgrade() -> None:
    op.create_index("ix_notification_open", "notification", ["workspace_id"], unique=False, postgresql_where=sa.text(OPEN))
    op.execute(TROUBLES)
    op.create_index("ix_message_doubtful", "message", ["account_id"], unique=False, postgresql_where=sa.text(DOUBTFUL))
    op.execute(FUNCTION)


def downgrade() -> None:
    op.execute("drop function public.crm_troubles()")
    op.drop_index("ix_notification_open", table_name="notification", postgresql_where=sa.text(OPEN))
    op.execute("drop function public.crm_doubtful_accounts(integer[], integer)")
    op.drop_index("ix_message_doubtful", table_name="message", postgresql_where=sa.text(DOUBTFUL))
