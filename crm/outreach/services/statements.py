"""The constant statements of a wave: each takes arrays, so that its text never changes with the number of rows."""

from typing import Final

#: The recipients of a wave in one order, so that two runs can't wait for each other in a circle.
LOCK_PEOPLE: Final = "select id from contact where id = any(%(ids)s) order by id for no key update"
LOCK_COMPANIES: Final = "select id from company where id = any(%(ids)s) order by id for no key update"

OUTCOMES: Final = """
    insert into attempt_outcome (id, workspace_id, attempt_id, kind, code, stage, at)
    select id, %(workspace_id)s, attempt_id, kind, code, stage, %(now)s
    from unnest(%(ids)s::uuid[], %(attempt_ids)s::uuid[], %(kinds)s::text[], %(codes)s::text[], %(stages)s::text[])
        as row (id, attempt_id, kind, code, stage)"""

SENT: Final = """
    update message set state = 'sent', claim_id = null, reason = '', sent_at = %(now)s, updated_at = %(now)s,
        version = version + 1, remote_id = %(remote_ids)s::jsonb ->> id::text
    where id = any(%(ids)s) and state = 'sending' and claim_id = %(claim_id)s
    returning id, contact_id, voucher_id"""

ANSWERED: Final = """
    update conversation set last_outbound_at = %(now)s, last_at = %(now)s, unanswered_since = null,
        snoozed_until = null, state = 'waiting'
    where id = any(%(ids)s)"""

#: `sending` and its attempt in one statement: the one can't be without the other.
BEGIN: Final = """
    with begun as (
        update message set state = 'sending', tries = tries + 1, first_tried_at = coalesce(first_tried_at, %(now)s),
            updated_at = %(now)s
        where id = any(%(message_ids)s) and state = 'claimed' and claim_id = %(claim_id)s
        returning id, tries)
    insert into attempt (id, workspace_id, message_id, account_id, claim_id, number, content_hash, started_at)
    select row.id, %(workspace_id)s, begun.id, %(account_id)s, %(claim_id)s, begun.tries, row.hash, %(now)s
    from begun join unnest(%(message_ids)s::uuid[], %(ids)s::uuid[], %(hashes)s::text[])
        as row (message_id, id, hash) on row.message_id = begun.id
    returning id, message_id, number"""

BUDGET_USES: Final = """
    insert into budget_use (id, workspace_id, message_id, contact_id, company_id, purpose, at)
    select id, %(workspace_id)s, message_id, contact_id, company_id, purpose, %(now)s
    from unnest(%(ids)s::uuid[], %(message_ids)s::uuid[], %(contact_ids)s::uuid[], %(company_ids)s::uuid[],
        %(purposes)s::text[]) as row (id, message_id, contact_id, company_id, purpose)
    on conflict (workspace_id, message_id) do update set at = excluded.at"""
