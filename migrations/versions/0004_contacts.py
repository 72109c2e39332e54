"""contacts."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = '0004'
down_revision = '0003'
branch_labels = None
depends_on = None

# Search runs as the owner of the tables, because under row-level security PostgreSQL uses no trigram index (LIKE is not
# leakproof). It is safe: each function reads the rows of the workspace that the session announced and of no other,
# gives out ids only, and the caller reads the rows behind the ids under row-level security again. What a person may see
# (`scope`: all, team, own; `viewer`) is applied inside, so that the limit counts visible people only.
SEARCH = (
    r"""
    create function public.crm_search_words(query text) returns text[]
    language sql immutable strict parallel safe
    set search_path = pg_catalog, public, pg_temp
    as $$
        select coalesce(array_agg(w.word order by length(w.word) desc, w.word), '{}')
        from (
            select distinct word
            from unnest(regexp_split_to_array(left(public.crm_search_text(query), 100), '\s+')) as word
            where word <> ''
            limit 6
        ) w
    $$
    """,
    r"""
    create function public.crm_like(fragment text) returns text
    language sql immutable strict parallel safe
    set search_path = pg_catalog, public, pg_temp
    as $$ select '%' || regexp_replace(fragment, '([\\%_])', '\\\1', 'g') || '%' $$
    """,
    r"""
    create function public.crm_may_see(owner uuid, scope text, viewer uuid, workspace uuid) returns boolean
    language sql stable parallel safe
    set search_path = pg_catalog, public, pg_temp
    as $$
        select scope = 'all' or owner = viewer or scope = 'team' and (owner is null or owner in (
            select colleague.user_id
            from public.membership me
            join public.membership colleague
                on colleague.workspace_id = me.workspace_id and colleague.role = me.role
            where me.workspace_id = workspace and me.user_id = viewer
        ))
    $$
    """,
    r"""
    create function public.crm_search_contacts(
        query text, lim integer, scope text default 'all', viewer uuid default null
    ) returns table (id uuid, matched text)
    language plpgsql stable security definer
    set search_path = pg_catalog, public, pg_temp
    as $$
    #variable_conflict use_column
    declare
        here uuid := nullif(current_setting('crm.workspace', true), '')::uuid;
        words text[] := public.crm_search_words(query);
        patterns text[];
        every text;
        needle text := ltrim(regexp_replace(lower(query), '\s', '', 'g'), '@');
    begin
        if here is null or cardinality(words) = 0 then
            return;
        end if;
        if length(words[1]) < 3 then
            -- Too short for trigrams: names that begin with it, read from the index of names.
            return query
                select s.id, 'name'::text
                from (
                    select c.id, c.sort_name from public.contact c
                    where c.workspace_id = here and c.deleted_at is null and c.sort_name >= words[1]
                        and public.crm_may_see(c.owner_id, scope, viewer, here)
                    order by c.sort_name, c.id limit lim
                ) s
                where starts_with(s.sort_name, words[1]);
            return;
        end if;
        patterns := array(select public.crm_like(word) from unnest(words) as word);
        every := (select string_agg(format('t.search like ($2)[%s]', n), ' and ')
                  from generate_series(1, cardinality(words)) as n);
        if needle ~ '^[+0-9()./-]+$' then
            needle := regexp_replace(regexp_replace(needle, '[^0-9]', '', 'g'), '^00', '');
        end if;
        return query execute format($q$
            select distinct on (found.rank, found.sort_name, found.id) found.id, found.matched from (
                select distinct on (hit.id) hit.* from (
                    (select t.id, t.sort_name, 'name' as matched,
                            case when starts_with(t.search, $3) or starts_with(t.sort_name, $3) then 0 else 1 end as rank
                     from public.contact t
                     where t.workspace_id = $1 and t.deleted_at is null and %1$s
                         and public.crm_may_see(t.owner_id, $6, $7, $1)
                     limit 200)
                    union all
                    (select t.id, t.sort_name, 'handle', 2
                     from public.handle h
                     join public.contact t on t.workspace_id = $1 and t.id = h.contact_id and t.deleted_at is null
                     where length($4) >= 3 and h.workspace_id = $1 and h.deleted_at is null
                         and h.address_norm like public.crm_like($4)
                         and public.crm_may_see(t.owner_id, $6, $7, $1)
                     limit 100)
                    union all
                    (select c.id, c.sort_name, 'company', 3
                     from (select t.id from public.company t
                           where t.workspace_id = $1 and t.deleted_at is null and %1$s limit 20) t
                     join public.contact c on c.workspace_id = $1 and c.company_id = t.id and c.deleted_at is null
                     where public.crm_may_see(c.owner_id, $6, $7, $1)
                     limit 100)
                ) hit
                order by hit.id, hit.rank
            ) found
            order by found.rank, found.sort_name, found.id limit $5
        $q$, every) using here, patterns, words[1], needle, lim, scope, viewer;
    end
    $$
    """,
    r"""
    create function public.crm_search_contacts_close(
        query text, lim integer, scope text default 'all', viewer uuid default null
    ) returns table (id uuid)
    language plpgsql stable security definer
    set search_path = pg_catalog, public, pg_temp
    set pg_trgm.word_similarity_threshold = 0.5
    as $$
    #variable_conflict use_column
    declare
        here uuid := nullif(current_setting('crm.workspace', true), '')::uuid;
        words text[] := array(
            select word from unnest(public.crm_search_words(query)) as word where length(word) >= 3
        );
        every text;
        likeness text;
    begin
        if here is null or cardinality(words) = 0 then
            return;
        end if;
        every := (select string_agg(format('($2)[%s] operator(public.<%%) t.search', n), ' and ')
                  from generate_series(1, cardinality(words)) as n);
        likeness := (select string_agg(format('public.word_similarity(($2)[%s], s.search)', n), ' + ')
                     from generate_series(1, cardinality(words)) as n);
        return query execute format($q$
            select s.id from (
                select t.id, t.search, t.sort_name from public.contact t
                where t.workspace_id = $1 and t.deleted_at is null and %1$s
                    and public.crm_may_see(t.owner_id, $4, $5, $1)
                limit 500
            ) s
            order by %2$s desc, s.sort_name, s.id limit $3
        $q$, every, likeness) using here, words, lim, scope, viewer;
    end
    $$
    """,
    r"""
    create function public.crm_search_companies(query text, lim integer) returns table (id uuid)
    language plpgsql stable security definer
    set search_path = pg_catalog, public, pg_temp
    set pg_trgm.word_similarity_threshold = 0.5
    as $$
    #variable_conflict use_column
    declare
        here uuid := nullif(current_setting('crm.workspace', true), '')::uuid;
        words text[] := public.crm_search_words(query);
        patterns text[];
        every text;
        near text;
    begin
        if here is null or cardinality(words) = 0 then
            return;
        end if;
        if length(words[1]) < 3 then
            return query
                select s.id
                from (
                    select c.id, c.name_norm from public.company c
                    where c.workspace_id = here and c.deleted_at is null and c.name_norm >= words[1]
                    order by c.name_norm, c.id limit lim
                ) s
                where starts_with(s.name_norm, words[1]);
            return;
        end if;
        patterns := array(select public.crm_like(word) from unnest(words) as word);
        every := (select string_agg(format('t.search like ($2)[%s]', n), ' and ')
                  from generate_series(1, cardinality(words)) as n);
        return query execute format($q$
            select s.id from (
                select t.id, t.search, t.name_norm from public.company t
                where t.workspace_id = $1 and t.deleted_at is null and %1$s limit 200
            ) s
            order by starts_with(s.search, $3) desc, s.name_norm, s.id limit $4
        $q$, every) using here, patterns, words[1], lim;
        if found then
            return;
        end if;
        near := (select string_agg(format('($2)[%s] operator(public.<%%) t.search', n), ' and ')
                 from generate_series(1, cardinality(words)) as n);
        return query execute format($q$
            select t.id from public.company t
            where t.workspace_id = $1 and t.deleted_at is null and %1$s
            limit $3
        $q$, near) using here, words, lim;
    end
    $$
    """,
)
SEARCH_NAMES = (
    "crm_search_words(text)",
    "crm_like(text)",
    "crm_may_see(uuid, text, uuid, uuid)",
    "crm_search_contacts(text, integer, text, uuid)",
    "crm_search_contacts_close(text, integer, text, uuid)",
    "crm_search_companies(text, integer)",
)


def upgrade() -> None:
    # ### commands auto generated by Alembic - please adjust! ###
    op.create_table('tag',
    sa.Column('name', sa.Text(), nullable=False),
    sa.Column('name_norm', sa.Text(), nullable=False),
    sa.Column('created_at', sa.DateTime(timezone=True), server_default=sa.text('now()'), nullable=False),
    sa.Column('id', sa.Uuid(), nullable=False),
    sa.Column('workspace_id', sa.Uuid(), nullable=False),
    sa.ForeignKeyConstraint(['workspace_id'], ['workspace.id'], name=op.f('fk_tag_workspace_id'), ondelete='CASCADE'),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_tag')),
    sa.UniqueConstraint('workspace_id', 'id', name=op.f('uq_tag_workspace_id_id')),
    sa.UniqueConstraint('workspace_id', 'name_norm', name=op.f('uq_tag_workspace_id_name_norm')),
    info={'tenant': True, 'append_only': False, 'frozen': False}
    )
    op.create_table('company',
    sa.Column('name', sa.Text(), nullable=False),
    sa.Column('name_norm', sa.Text(), nullable=False),
    sa.Column('kind', sa.Text(), server_default='prospect', nullable=False),
    sa.Column('website', sa.Text(), server_default='', nullable=False),
    sa.Column('domain', sa.Text(), server_default='', nullable=False),
    sa.Column('vat_number', sa.Text(), server_default='', nullable=False),
    sa.Column('phone', sa.Text(), server_default='', nullable=False),
    sa.Column('street', sa.Text(), server_default='', nullable=False),
    sa.Column('city', sa.Text(), server_default='', nullable=False),
    sa.Column('city_norm', sa.Text(), server_default='', nullable=False),
    sa.Column('country', sa.Text(), server_default='', nullable=False),
    sa.Column('industry', sa.Text(), server_default='', nullable=False),
    sa.Column('description', sa.Text(), server_default='', nullable=False),
    sa.Column('staff', sa.Integer(), nullable=True),
    sa.Column('parent_id', sa.Uuid(), nullable=True),
    sa.Column('owner_id', sa.Uuid(), nullable=True),
    sa.Column('search', sa.Text(), sa.Computed("public.crm_search_text(name || ' ' || domain || ' ' || vat_number || ' ' || city)", persisted=True), nullable=False),
    sa.Column('version', sa.Integer(), server_default=sa.text('1'), nullable=False),
    sa.Column('created_at', sa.DateTime(timezone=True), server_default=sa.text('now()'), nullable=False),
    sa.Column('updated_at', sa.DateTime(timezone=True), server_default=sa.text('now()'), nullable=False),
    sa.Column('deleted_at', sa.DateTime(timezone=True), nullable=True),
    sa.Column('id', sa.Uuid(), nullable=False),
    sa.Column('workspace_id', sa.Uuid(), nullable=False),
    sa.CheckConstraint("kind in ('prospect', 'customer', 'partner', 'competitor', 'press')", name=op.f('ck_company_kind')),
    sa.CheckConstraint('parent_id <> id', name=op.f('ck_company_not_own_parent')),
    sa.ForeignKeyConstraint(['owner_id'], ['app_user.id'], name=op.f('fk_company_owner_id')),
    sa.ForeignKeyConstraint(['workspace_id', 'parent_id'], ['company.workspace_id', 'company.id'], name=op.f('fk_company_workspace_id_parent_id'), ondelete='SET NULL (parent_id)'),
    sa.ForeignKeyConstraint(['workspace_id'], ['workspace.id'], name=op.f('fk_company_workspace_id'), ondelete='CASCADE'),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_company')),
    sa.UniqueConstraint('workspace_id', 'id', name=op.f('uq_company_workspace_id_id')),
    info={'tenant': True, 'append_only': False, 'frozen': False}
    )
    op.create_index('ix_company_name', 'company', ['workspace_id', 'name_norm', 'id'], unique=False, postgresql_where=sa.text('deleted_at is null'))
    op.create_index('ix_company_search', 'company', ['workspace_id', 'search'], unique=False, postgresql_using='gin', postgresql_ops={'search': 'gin_trgm_ops'})
    op.create_index('uq_company_domain', 'company', ['workspace_id', 'domain'], unique=True, postgresql_where=sa.text("deleted_at is null and domain <> ''"))
    op.create_table('company_tag',
    sa.Column('company_id', sa.Uuid(), nullable=False),
    sa.Column('tag_id', sa.Uuid(), nullable=False),
    sa.Column('id', sa.Uuid(), nullable=False),
    sa.Column('workspace_id', sa.Uuid(), nullable=False),
    sa.ForeignKeyConstraint(['workspace_id', 'company_id'], ['company.workspace_id', 'company.id'], name=op.f('fk_company_tag_workspace_id_company_id'), ondelete='CASCADE'),
    sa.ForeignKeyConstraint(['workspace_id', 'tag_id'], ['tag.workspace_id', 'tag.id'], name=op.f('fk_company_tag_workspace_id_tag_id'), ondelete='CASCADE'),
    sa.ForeignKeyConstraint(['workspace_id'], ['workspace.id'], name=op.f('fk_company_tag_workspace_id'), ondelete='CASCADE'),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_company_tag')),
    sa.UniqueConstraint('workspace_id', 'company_id', 'tag_id', name=op.f('uq_company_tag_workspace_id_company_id_tag_id')),
    sa.UniqueConstraint('workspace_id', 'id', name=op.f('uq_company_tag_workspace_id_id')),
    info={'tenant': True, 'append_only': False, 'frozen': False}
    )
    op.create_table('contact',
    sa.Column('first_name', sa.Text(), server_default='', nullable=False),
    sa.Column('last_name', sa.Text(), server_default='', nullable=False),
    sa.Column('display_name', sa.Text(), nullable=False),
    sa.Column('sort_name', sa.Text(), nullable=False),
    sa.Column('first_name_norm', sa.Text(), server_default='', nullable=False),
    sa.Column('last_name_norm', sa.Text(), server_default='', nullable=False),
    sa.Column('title', sa.Text(), server_default='', nullable=False),
    sa.Column('title_norm', sa.Text(), server_default='', nullable=False),
    sa.Column('company_id', sa.Uuid(), nullable=True),
    sa.Column('email', sa.Text(), server_default='', nullable=False),
    sa.Column('language', sa.Text(), server_default='', nullable=False),
    sa.Column('address_form', sa.Text(), server_default='formal', nullable=False),
    sa.Column('time_zone', sa.Text(), server_default='', nullable=False),
    sa.Column('birth_day', sa.SmallInteger(), nullable=True),
    sa.Column('birth_month', sa.SmallInteger(), nullable=True),
    sa.Column('birth_year', sa.SmallInteger(), nullable=True),
    sa.Column('street', sa.Text(), server_default='', nullable=False),
    sa.Column('city', sa.Text(), server_default='', nullable=False),
    sa.Column('city_norm', sa.Text(), server_default='', nullable=False),
    sa.Column('country', sa.Text(), server_default='', nullable=False),
    sa.Column('interests', sa.Text(), server_default='', nullable=False),
    sa.Column('came_from', sa.Text(), server_default='', nullable=False),
    sa.Column('owner_id', sa.Uuid(), nullable=True),
    sa.Column('importance', sa.Text(), server_default='normal', nullable=False),
    sa.Column('lifecycle', sa.Text(), server_default='lead', nullable=False),
    sa.Column('last_outbound_at', sa.DateTime(timezone=True), nullable=True),
    sa.Column('last_inbound_at', sa.DateTime(timezone=True), nullable=True),
    sa.Column('last_interaction_at', sa.DateTime(timezone=True), nullable=True),
    sa.Column('search', sa.Text(), sa.Computed("public.crm_search_text(display_name || ' ' || email)", persisted=True), nullable=False),
    sa.Column('version', sa.Integer(), server_default=sa.text('1'), nullable=False),
    sa.Column('created_at', sa.DateTime(timezone=True), server_default=sa.text('now()'), nullable=False),
    sa.Column('updated_at', sa.DateTime(timezone=True), server_default=sa.text('now()'), nullable=False),
    sa.Column('deleted_at', sa.DateTime(timezone=True), nullable=True),
    sa.Column('erased_at', sa.DateTime(timezone=True), nullable=True),
    sa.Column('merged_into_id', sa.Uuid(), nullable=True),
    sa.Column('id', sa.Uuid(), nullable=False),
    sa.Column('workspace_id', sa.Uuid(), nullable=False),
    sa.CheckConstraint("address_form in ('formal', 'informal')", name=op.f('ck_contact_address_form')),
    sa.CheckConstraint("importance in ('key', 'high', 'normal')", name=op.f('ck_contact_importance')),
    sa.CheckConstraint("lifecycle in ('follower', 'lead', 'prospect', 'customer', 'partner', 'ambassador', 'press', 'past')", name=op.f('ck_contact_lifecycle')),
    sa.CheckConstraint('birth_month between 1 and 12 and birth_day between 1 and 31', name=op.f('ck_contact_birthday')),
    sa.ForeignKeyConstraint(['owner_id'], ['app_user.id'], name=op.f('fk_contact_owner_id')),
    sa.ForeignKeyConstraint(['workspace_id', 'company_id'], ['company.workspace_id', 'company.id'], name=op.f('fk_contact_workspace_id_company_id'), ondelete='SET NULL (company_id)'),
    sa.ForeignKeyConstraint(['workspace_id', 'merged_into_id'], ['contact.workspace_id', 'contact.id'], name=op.f('fk_contact_workspace_id_merged_into_id')),
    sa.ForeignKeyConstraint(['workspace_id'], ['workspace.id'], name=op.f('fk_contact_workspace_id'), ondelete='CASCADE'),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_contact')),
    sa.UniqueConstraint('workspace_id', 'id', name=op.f('uq_contact_workspace_id_id')),
    info={'tenant': True, 'append_only': False, 'frozen': False}
    )
    op.create_index('ix_contact_birthday', 'contact', ['workspace_id', 'birth_month', 'birth_day'], unique=False)
    op.create_index('ix_contact_company', 'contact', ['workspace_id', 'company_id', 'sort_name'], unique=False)
    op.create_index('ix_contact_created', 'contact', ['workspace_id', 'created_at', 'id'], unique=False, postgresql_where=sa.text('deleted_at is null'))
    op.create_index('ix_contact_last', 'contact', ['workspace_id', 'last_interaction_at', 'id'], unique=False, postgresql_where=sa.text('deleted_at is null'))
    op.create_index('ix_contact_owner', 'contact', ['workspace_id', 'owner_id', 'sort_name'], unique=False)
    op.create_index('ix_contact_search', 'contact', ['workspace_id', 'search'], unique=False, postgresql_using='gin', postgresql_ops={'search': 'gin_trgm_ops'})
    op.create_index('ix_contact_sort', 'contact', ['workspace_id', 'sort_name', 'id'], unique=False, postgresql_where=sa.text('deleted_at is null'))
    op.create_table('affiliation',
    sa.Column('contact_id', sa.Uuid(), nullable=False),
    sa.Column('company_id', sa.Uuid(), nullable=False),
    sa.Column('role', sa.Text(), server_default='', nullable=False),
    sa.Column('is_primary', sa.Boolean(), server_default=sa.text('true'), nullable=False),
    sa.Column('started_on', sa.Date(), nullable=True),
    sa.Column('ended_on', sa.Date(), nullable=True),
    sa.Column('id', sa.Uuid(), nullable=False),
    sa.Column('workspace_id', sa.Uuid(), nullable=False),
    sa.ForeignKeyConstraint(['workspace_id', 'company_id'], ['company.workspace_id', 'company.id'], name=op.f('fk_affiliation_workspace_id_company_id'), ondelete='CASCADE'),
    sa.ForeignKeyConstraint(['workspace_id', 'contact_id'], ['contact.workspace_id', 'contact.id'], name=op.f('fk_affiliation_workspace_id_contact_id'), ondelete='CASCADE'),
    sa.ForeignKeyConstraint(['workspace_id'], ['workspace.id'], name=op.f('fk_affiliation_workspace_id'), ondelete='CASCADE'),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_affiliation')),
    sa.UniqueConstraint('workspace_id', 'id', name=op.f('uq_affiliation_workspace_id_id')),
    info={'tenant': True, 'append_only': False, 'frozen': False}
    )
    op.create_index('ix_affiliation_company', 'affiliation', ['workspace_id', 'company_id'], unique=False)
    op.create_index('ix_affiliation_contact', 'affiliation', ['workspace_id', 'contact_id'], unique=False)
    op.create_index('uq_affiliation_primary', 'affiliation', ['workspace_id', 'contact_id'], unique=True, postgresql_where=sa.text('is_primary and ended_on is null'))
    op.create_table('contact_link',
    sa.Column('contact_id', sa.Uuid(), nullable=False),
    sa.Column('other_id', sa.Uuid(), nullable=False),
    sa.Column('kind', sa.Text(), nullable=False),
    sa.Column('created_at', sa.DateTime(timezone=True), server_default=sa.text('now()'), nullable=False),
    sa.Column('id', sa.Uuid(), nullable=False),
    sa.Column('workspace_id', sa.Uuid(), nullable=False),
    sa.CheckConstraint("kind in ('knows', 'introduced_by', 'assistant_of', 'reports_to')", name=op.f('ck_contact_link_kind')),
    sa.CheckConstraint('contact_id <> other_id', name=op.f('ck_contact_link_not_oneself')),
    sa.ForeignKeyConstraint(['workspace_id', 'contact_id'], ['contact.workspace_id', 'contact.id'], name=op.f('fk_contact_link_workspace_id_contact_id'), ondelete='CASCADE'),
    sa.ForeignKeyConstraint(['workspace_id', 'other_id'], ['contact.workspace_id', 'contact.id'], name=op.f('fk_contact_link_workspace_id_other_id'), ondelete='CASCADE'),
    sa.ForeignKeyConstraint(['workspace_id'], ['workspace.id'], name=op.f('fk_contact_link_workspace_id'), ondelete='CASCADE'),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_contact_link')),
    sa.UniqueConstraint('workspace_id', 'contact_id', 'other_id', 'kind', name=op.f('uq_contact_link_workspace_id_contact_id_other_id_kind')),
    sa.UniqueConstraint('workspace_id', 'id', name=op.f('uq_contact_link_workspace_id_id')),
    info={'tenant': True, 'append_only': False, 'frozen': False}
    )
    op.create_index('ix_contact_link_other', 'contact_link', ['workspace_id', 'other_id'], unique=False)
    op.create_table('contact_tag',
    sa.Column('contact_id', sa.Uuid(), nullable=False),
    sa.Column('tag_id', sa.Uuid(), nullable=False),
    sa.Column('created_at', sa.DateTime(timezone=True), server_default=sa.text('now()'), nullable=False),
    sa.Column('id', sa.Uuid(), nullable=False),
    sa.Column('workspace_id', sa.Uuid(), nullable=False),
    sa.ForeignKeyConstraint(['workspace_id', 'contact_id'], ['contact.workspace_id', 'contact.id'], name=op.f('fk_contact_tag_workspace_id_contact_id'), ondelete='CASCADE'),
    sa.ForeignKeyConstraint(['workspace_id', 'tag_id'], ['tag.workspace_id', 'tag.id'], name=op.f('fk_contact_tag_workspace_id_tag_id'), ondelete='CASCADE'),
    sa.ForeignKeyConstraint(['workspace_id'], ['workspace.id'], name=op.f('fk_contact_tag_workspace_id'), ondelete='CASCADE'),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_contact_tag')),
    sa.UniqueConstraint('workspace_id', 'contact_id', 'tag_id', name=op.f('uq_contact_tag_workspace_id_contact_id_tag_id')),
    sa.UniqueConstraint('workspace_id', 'id', name=op.f('uq_contact_tag_workspace_id_id')),
    info={'tenant': True, 'append_only': False, 'frozen': False}
    )
    op.create_index('ix_contact_tag_tag', 'contact_tag', ['workspace_id', 'tag_id', 'contact_id'], unique=False)
    op.create_table('fact',
    sa.Column('contact_id', sa.Uuid(), nullable=True),
    sa.Column('company_id', sa.Uuid(), nullable=True),
    sa.Column('field', sa.Text(), nullable=False),
    sa.Column('value', sa.Text(), nullable=False),
    sa.Column('origin', sa.Text(), nullable=False),
    sa.Column('source', sa.Text(), server_default='', nullable=False),
    sa.Column('source_url', sa.Text(), server_default='', nullable=False),
    sa.Column('source_id', sa.Uuid(), nullable=True),
    sa.Column('confidence', sa.SmallInteger(), server_default=sa.text('100'), nullable=False),
    sa.Column('state', sa.Text(), server_default='current', nullable=False),
    sa.Column('version', sa.Integer(), server_default=sa.text('0'), nullable=False),
    sa.Column('user_id', sa.Uuid(), nullable=True),
    sa.Column('at', sa.DateTime(timezone=True), server_default=sa.text('now()'), nullable=False),
    sa.Column('decided_at', sa.DateTime(timezone=True), nullable=True),
    sa.Column('id', sa.Uuid(), nullable=False),
    sa.Column('workspace_id', sa.Uuid(), nullable=False),
    sa.CheckConstraint("origin in ('typed', 'imported', 'found', 'received')", name=op.f('ck_fact_origin')),
    sa.CheckConstraint("state in ('current', 'superseded', 'suggested', 'rejected')", name=op.f('ck_fact_state')),
    sa.CheckConstraint('(contact_id is null) <> (company_id is null)', name=op.f('ck_fact_one_subject')),
    sa.ForeignKeyConstraint(['user_id'], ['app_user.id'], name=op.f('fk_fact_user_id')),
    sa.ForeignKeyConstraint(['workspace_id', 'company_id'], ['company.workspace_id', 'company.id'], name=op.f('fk_fact_workspace_id_company_id'), ondelete='CASCADE'),
    sa.ForeignKeyConstraint(['workspace_id', 'contact_id'], ['contact.workspace_id', 'contact.id'], name=op.f('fk_fact_workspace_id_contact_id'), ondelete='CASCADE'),
    sa.ForeignKeyConstraint(['workspace_id'], ['workspace.id'], name=op.f('fk_fact_workspace_id'), ondelete='CASCADE'),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_fact')),
    sa.UniqueConstraint('workspace_id', 'id', name=op.f('uq_fact_workspace_id_id')),
    info={'tenant': True, 'append_only': False, 'frozen': False}
    )
    op.create_index('ix_fact_company', 'fact', ['workspace_id', 'company_id', 'field', 'state'], unique=False)
    op.create_index('ix_fact_contact', 'fact', ['workspace_id', 'contact_id', 'field', 'state'], unique=False)
    op.create_table('handle',
    sa.Column('channel', sa.Text(), nullable=False),
    sa.Column('address', sa.Text(), nullable=False),
    sa.Column('address_norm', sa.Text(), nullable=False),
    sa.Column('platform_id', sa.Text(), nullable=True),
    sa.Column('contact_id', sa.Uuid(), nullable=True),
    sa.Column('company_id', sa.Uuid(), nullable=True),
    sa.Column('display_name', sa.Text(), server_default='', nullable=False),
    sa.Column('label', sa.Text(), server_default='', nullable=False),
    sa.Column('is_primary', sa.Boolean(), server_default=sa.text('false'), nullable=False),
    sa.Column('state', sa.Text(), server_default='active', nullable=False),
    sa.Column('state_reason', sa.Text(), server_default='', nullable=False),
    sa.Column('state_at', sa.DateTime(timezone=True), nullable=True),
    sa.Column('verified_at', sa.DateTime(timezone=True), nullable=True),
    sa.Column('created_at', sa.DateTime(timezone=True), server_default=sa.text('now()'), nullable=False),
    sa.Column('deleted_at', sa.DateTime(timezone=True), nullable=True),
    sa.Column('id', sa.Uuid(), nullable=False),
    sa.Column('workspace_id', sa.Uuid(), nullable=False),
    sa.CheckConstraint("channel in ('email', 'phone', 'whatsapp', 'instagram', 'messenger', 'linkedin', 'x', 'telegram', 'mastodon', 'bluesky', 'sms', 'webhook')", name=op.f('ck_handle_channel')),
    sa.CheckConstraint("state in ('active', 'bounced', 'blocked', 'gone')", name=op.f('ck_handle_state')),
    sa.CheckConstraint('contact_id is null or company_id is null', name=op.f('ck_handle_one_owner')),
    sa.ForeignKeyConstraint(['workspace_id', 'company_id'], ['company.workspace_id', 'company.id'], name=op.f('fk_handle_workspace_id_company_id'), ondelete='CASCADE'),
    sa.ForeignKeyConstraint(['workspace_id', 'contact_id'], ['contact.workspace_id', 'contact.id'], name=op.f('fk_handle_workspace_id_contact_id'), ondelete='CASCADE'),
    sa.ForeignKeyConstraint(['workspace_id'], ['workspace.id'], name=op.f('fk_handle_workspace_id'), ondelete='CASCADE'),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_handle')),
    sa.UniqueConstraint('workspace_id', 'id', name=op.f('uq_handle_workspace_id_id')),
    info={'tenant': True, 'append_only': False, 'frozen': False}
    )
    op.create_index('ix_handle_company', 'handle', ['workspace_id', 'company_id'], unique=False)
    op.create_index('ix_handle_search', 'handle', ['workspace_id', 'address_norm'], unique=False, postgresql_using='gin', postgresql_ops={'address_norm': 'gin_trgm_ops'})
    op.create_index('ix_handle_contact', 'handle', ['workspace_id', 'contact_id', 'channel'], unique=False)
    op.create_index('uq_handle_address', 'handle', ['workspace_id', 'channel', 'address_norm'], unique=True, postgresql_where=sa.text('deleted_at is null'))
    op.create_index('uq_handle_platform', 'handle', ['workspace_id', 'channel', 'platform_id'], unique=True, postgresql_where=sa.text('deleted_at is null and platform_id is not null'))
    op.create_table('handle_change',
    sa.Column('handle_id', sa.Uuid(), nullable=False),
    sa.Column('address', sa.Text(), nullable=False),
    sa.Column('address_norm', sa.Text(), nullable=False),
    sa.Column('until', sa.DateTime(timezone=True), nullable=False),
    sa.Column('id', sa.Uuid(), nullable=False),
    sa.Column('workspace_id', sa.Uuid(), nullable=False),
    sa.ForeignKeyConstraint(['workspace_id', 'handle_id'], ['handle.workspace_id', 'handle.id'], name=op.f('fk_handle_change_workspace_id_handle_id'), ondelete='CASCADE'),
    sa.ForeignKeyConstraint(['workspace_id'], ['workspace.id'], name=op.f('fk_handle_change_workspace_id'), ondelete='CASCADE'),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_handle_change')),
    sa.UniqueConstraint('workspace_id', 'id', name=op.f('uq_handle_change_workspace_id_id')),
    info={'tenant': True, 'append_only': False, 'frozen': False}
    )
    op.create_index('ix_handle_change_handle', 'handle_change', ['workspace_id', 'handle_id'], unique=False)
    # ### end Alembic commands ###
    # The threshold below belongs to pg_trgm, whose settings exist in a session only after its library is loaded.
    op.execute("select public.show_limit()")
    for statement in SEARCH:
        op.execute(statement)


def downgrade() -> None:
    for name in reversed(SEARCH_NAMES):
        op.execute(f"drop function public.{name}")
    # ### commands auto generated by Alembic - please adjust! ###
    op.drop_index('ix_handle_change_handle', table_name='handle_change')
    op.drop_table('handle_change')
    op.drop_index('uq_handle_platform', table_name='handle', postgresql_where=sa.text('deleted_at is null and platform_id is not null'))
    op.drop_index('uq_handle_address', table_name='handle', postgresql_where=sa.text('deleted_at is null'))
    op.drop_index('ix_handle_search', table_name='handle', postgresql_using='gin', postgresql_ops={'address_norm': 'gin_trgm_ops'})
    op.drop_index('ix_handle_contact', table_name='handle')
    op.drop_index('ix_handle_company', table_name='handle')
    op.drop_table('handle')
    op.drop_index('ix_fact_contact', table_name='fact')
    op.drop_index('ix_fact_company', table_name='fact')
    op.drop_table('fact')
    op.drop_index('ix_contact_tag_tag', table_name='contact_tag')
    op.drop_table('contact_tag')
    op.drop_index('ix_contact_link_other', table_name='contact_link')
    op.drop_table('contact_link')
    op.drop_index('uq_affiliation_primary', table_name='affiliation', postgresql_where=sa.text('is_primary and ended_on is null'))
    op.drop_index('ix_affiliation_contact', table_name='affiliation')
    op.drop_index('ix_affiliation_company', table_name='affiliation')
    op.drop_table('affiliation')
    op.drop_index('ix_contact_sort', table_name='contact', postgresql_where=sa.text('deleted_at is null'))
    op.drop_index('ix_contact_search', table_name='contact', postgresql_using='gin', postgresql_ops={'search': 'gin_trgm_ops'})
    op.drop_index('ix_contact_owner', table_name='contact')
    op.drop_index('ix_contact_last', table_name='contact', postgresql_where=sa.text('deleted_at is null'))
    op.drop_index('ix_contact_created', table_name='contact', postgresql_where=sa.text('deleted_at is null'))
    op.drop_index('ix_contact_company', table_name='contact')
    op.drop_index('ix_contact_birthday', table_name='contact')
    op.drop_table('contact')
    op.drop_table('company_tag')
    op.drop_index('uq_company_domain', table_name='company', postgresql_where=sa.text("deleted_at is null and domain <> ''"))
    op.drop_index('ix_company_search', table_name='company', postgresql_using='gin', postgresql_ops={'search': 'gin_trgm_ops'})
    op.drop_index('ix_company_name', table_name='company', postgresql_where=sa.text('deleted_at is null'))
    op.drop_table('company')
    op.drop_table('tag')
    # ### end Alembic commands ###
