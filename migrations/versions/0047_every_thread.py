"""Threads are found by their subject over the whole history."""

import sqlalchemy as sa
from alembic import op

revision = "0047"
down_revision = "0046"
branch_labels = None
depends_on = None

# Safe as SECURITY DEFINER: it answers ids of the announced workspace alone, and the caller reads them under its policies.
SEARCH = """
    create function public.crm_search_threads(query text, lim integer, scope text, viewer uuid) returns table (id uuid)
    language plpgsql stable security definer
    set search_path = pg_catalog, public, pg_temp
    set pg_trgm.word_similarity_threshold = 0.5
    as $$
    #variable_conflict use_column
    declare
        here uuid := nullif(current_setting('crm.workspace', true), '')::uuid;
        words text[] := public.crm_search_words(query);
        wanted text := $q$
            select t.id from public.conversation t
            left join public.contact c on c.workspace_id = $1 and c.id = t.contact_id
            where t.workspace_id = $1 and %s
                and (t.contact_id is null or public.crm_may_see(c.id, c.owner_id, c.restricted, $4, $5, $1))
            order by t.last_at desc, t.id desc limit $3
        $q$;
        patterns text[];
        every text;
    begin
        -- The longest word comes first; without one of three letters the index of trigrams finds nothing.
        if here is null or cardinality(words) = 0 or length(words[1]) < 3 then
            return;
        end if;
        patterns := array(select public.crm_like(word) from unnest(words) as word);
        every := (select string_agg(format('t.search like ($2)[%s]', n), ' and ')
                  from generate_series(1, cardinality(words)) as n);
        return query execute format(wanted, every) using here, patterns, lim, scope, viewer;
        if found or query !~ '[[:alpha:]]' then
            return;
        end if;
        words := array(select word from unnest(words) as word where length(word) >= 3);
        every := (select string_agg(format('($2)[%s] operator(public.<%%) t.search', n), ' and ')
                  from generate_series(1, cardinality(words)) as n);
        return query execute format(wanted, every) using here, words, lim, scope, viewer;
    end
    $$
"""


def upgrade() -> None:
    op.add_column(
        "conversation",
        sa.Column(
            "search", sa.Text(), sa.Computed("public.crm_search_text(subject)", persisted=True), nullable=False
        ),
    )
    op.create_index(
        "ix_conversation_search",
        "conversation",
        ["workspace_id", "search"],
        unique=False,
        postgresql_using="gin",
        postgresql_ops={"search": "gin_trgm_ops"},
    )
    op.execute(SEARCH)


def downgrade() -> None:
    op.execute("drop function public.crm_search_threads(text, integer, text, uuid)")
    op.drop_index("ix_conversation_search", table_name="conversation")
    op.drop_column("conversation", "search")
