"""The constant statements of a claim and of a wave: each takes arrays, so that its text fits any number of rows."""

from typing import Final

#: Somebody looks after the account; a hold whose time is over ends here. No row when it may not send.
ATTEND: Final = """
    update sender_account set state = 'active', hold_until = null, hold_reason = '', attended_at = %(now)s,
        attended_since = case when attended_at is null or attended_at < %(gone)s then %(now)s
            else coalesce(attended_since, %(now)s) end
    where id = %(account_id)s and deleted_at is null
        and (state = 'active' or (state = 'held' and hold_until <= %(now)s))
    returning attended_since, per_domain, last_ok_at, num_nonnulls(per_minute, per_hour, per_day) > 0 as is_capped"""

#: The head of an account's queue. The LIMIT must be a literal: with a parameter the plan may be a sequential scan.
DUE: Final = """
    select id from message where account_id = %(account_id)s and state = 'scheduled' and due_at <= %(now)s
    order by due_at, id limit {limit} for update skip locked"""

CLAIM: Final = """
    insert into claim (id, workspace_id, account_id, worker, leased_until)
    values (%(claim_id)s, %(workspace_id)s, %(account_id)s, %(worker)s, now() + %(lease)s::interval)
    returning fencing"""
RENEW: Final = """
    update claim set leased_until = now() + %(lease)s::interval where id = %(claim_id)s and finished_at is null
    returning fencing"""

#: Only into a claim that nobody took away; the statement before this one holds its row.
TAKE: Final = """
    update message set state = 'claimed', claim_id = %(claim_id)s, updated_at = %(now)s
    where id = any(%(ids)s::uuid[])
        and exists (select from claim where claim.id = %(claim_id)s and claim.finished_at is null)"""

#: Whether more than so many are due behind those that were taken.
BEHIND: Final = """
    select 1 from message where account_id = %(account_id)s and state = 'scheduled' and due_at <= %(now)s
    order by due_at, id offset {backlog} limit 1"""

#: The recipients of a wave in one order, so that two runs can't wait for each other in a circle.
LOCK_PEOPLE: Final = "select id from contact where id = any(%(ids)s::uuid[]) order by id for no key update"
LOCK_COMPANIES: Final = "select id from company where id = any(%(ids)s::uuid[]) order by id for no key update"

OUTCOMES: Final = """
    insert into attempt_outcome (id, workspace_id, attempt_id, kind, code, stage, at)
    select id, %(workspace_id)s, attempt_id, kind, code, stage, %(now)s
    from unnest(%(id)s::uuid[], %(attempt_id)s::uuid[], %(kind)s::text[], %(code)s::text[], %(stage)s::text[])
        as row (id, attempt_id, kind, code, stage)"""

SENT: Final = """
    update message set state = 'sent', claim_id = null, reason = '', sent_at = %(now)s, updated_at = %(now)s,
        version = version + 1, remote_id = %(remote_ids)s::jsonb ->> id::text
    where id = any(%(ids)s::uuid[]) and state = 'sending' and claim_id = %(claim_id)s
    returning id, contact_id, voucher_id"""

WORKED: Final = "update sender_account set last_ok_at = %(now)s where id = %(account_id)s"

#: What somebody wrote after the message was handed over (`since`), before its end was known, is no less unanswered. How
#: long they waited is kept with it, by whoever wrote what has just left; what a person closed with it stays closed.
ANSWERED: Final = """
    with waited as (
        insert into answer_time (id, workspace_id, conversation_id, channel, user_id, asked_at, answered_at)
        select gen_random_uuid(), c.workspace_id, c.id, c.channel, (
                select m.created_by_id from message m
                where m.workspace_id = c.workspace_id and m.conversation_id = c.id and m.state = 'sent'
                    and m.direction = 'outbound'
                order by m.created_at desc limit 1),
            c.unanswered_since, %(now)s
        from conversation c where c.id = any(%(ids)s::uuid[]) and c.unanswered_since <= %(since)s)
    update conversation set last_outbound_at = %(now)s, last_at = %(now)s,
        unanswered_since = case when unanswered_since > %(since)s then unanswered_since end,
        snoozed_until = case when unanswered_since > %(since)s then snoozed_until end,
        state = case when unanswered_since > %(since)s or state = 'closed' then state else 'waiting' end
    where id = any(%(ids)s::uuid[])"""

#: `sending` and its attempt in one statement, with the budget that it takes: the one can't be without the other.
#: A repeated try counts once for its person, at its latest moment.
BEGIN: Final = """
    with begun as (
        update message set state = 'sending', tries = tries + 1, first_tried_at = coalesce(first_tried_at, %(now)s),
            updated_at = %(now)s
        where id = any(%(ids)s::uuid[]) and state = 'claimed' and claim_id = %(claim_id)s
        returning id, tries),
    planned as (
        select begun.id as message_id, begun.tries, row.id, row.hash, row.use_id, row.contact_id, row.company_id,
            row.purpose
        from begun join unnest(%(id)s::uuid[], %(ids)s::uuid[], %(hash)s::text[], %(use_id)s::uuid[],
                %(contact_id)s::uuid[], %(company_id)s::uuid[], %(purpose)s::text[])
            as row (id, message_id, hash, use_id, contact_id, company_id, purpose)
            on row.message_id = begun.id),
    counted as (
        insert into budget_use (id, workspace_id, message_id, contact_id, company_id, purpose, at)
        select use_id, %(workspace_id)s, message_id, contact_id, company_id, purpose, %(now)s
        from planned where use_id is not null
        on conflict (workspace_id, message_id) do update set at = excluded.at)
    insert into attempt (id, workspace_id, message_id, account_id, claim_id, number, content_hash, started_at)
    select id, %(workspace_id)s, message_id, %(account_id)s, %(claim_id)s, tries, hash, %(now)s from planned
    returning id, message_id, number"""
