"""Deals: pipelines with stages, deals with their people and companies, the history of stages, and their search."""

import sqlalchemy as sa
from alembic import op

revision = "0033"
down_revision = "0032"
branch_labels = None
depends_on = None

# Safe as SECURITY DEFINER: it answers ids of the announced workspace alone, and the caller reads them under its policies.
SEARCH = """
    create function public.crm_search_deals(query text, lim integer) returns table (id uuid)
    language plpgsql stable security definer
    set search_path = pg_catalog, public, pg_temp
    as $$
    #variable_conflict use_column
    declare
        here uuid := nullif(current_setting('crm.workspace', true), '')::uuid;
        words text[] := public.crm_search_words(query);
        patterns text[];
        every text;
    begin
        if here is null or cardinality(words) = 0 then
            return;
        end if;
        if length(words[1]) < 3 then
            return query
                select s.id
                from (
                    select d.id, d.title_norm from public.deal d
                    where d.workspace_id = here and d.deleted_at is null and d.title_norm >= words[1]
                    order by d.title_norm, d.id limit lim
                ) s
                where starts_with(s.title_norm, words[1]);
            return;
        end if;
        patterns := array(select public.crm_like(word) from unnest(words) as word);
        every := (select string_agg(format('t.search like ($2)[%s]', n), ' and ')
                  from generate_series(1, cardinality(words)) as n);
        return query execute format($q$
            select t.id from public.deal t
            where t.workspace_id = $1 and t.deleted_at is null and %1$s
            order by t.closed_at is not null, t.title_norm, t.id limit $3
        $q$, every) using here, patterns, lim;
    end
    $$
"""


def upgrade() -> None:
    op.create_table('lost_reason',
    sa.Column('name', sa.Text(), nullable=False),
    sa.Column('name_norm', sa.Text(), nullable=False),
    sa.Column('archived_at', sa.DateTime(timezone=True), nullable=True),
    sa.Column('id', sa.Uuid(), nullable=False),
    sa.Column('workspace_id', sa.Uuid(), nullable=False),
    sa.ForeignKeyConstraint(['workspace_id'], ['workspace.id'], name=op.f('fk_lost_reason_workspace_id'), ondelete='CASCADE'),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_lost_reason')),
    sa.UniqueConstraint('workspace_id', 'id', name=op.f('uq_lost_reason_workspace_id_id')),
    sa.UniqueConstraint('workspace_id', 'name_norm', name=op.f('uq_lost_reason_workspace_id_name_norm')),
    info={'tenant': True, 'append_only': False, 'frozen': False}
    )
    op.create_table('pipeline',
    sa.Column('name', sa.Text(), nullable=False),
    sa.Column('position', sa.Integer(), server_default=sa.text('0'), nullable=False),
    sa.Column('created_at', sa.DateTime(timezone=True), server_default=sa.text('now()'), nullable=False),
    sa.Column('archived_at', sa.DateTime(timezone=True), nullable=True),
    sa.Column('id', sa.Uuid(), nullable=False),
    sa.Column('workspace_id', sa.Uuid(), nullable=False),
    sa.ForeignKeyConstraint(['workspace_id'], ['workspace.id'], name=op.f('fk_pipeline_workspace_id'), ondelete='CASCADE'),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_pipeline')),
    sa.UniqueConstraint('workspace_id', 'id', name=op.f('uq_pipeline_workspace_id_id')),
    info={'tenant': True, 'append_only': False, 'frozen': False}
    )
    op.create_table('deal_stage',
    sa.Column('pipeline_id', sa.Uuid(), nullable=False),
    sa.Column('name', sa.Text(), nullable=False),
    sa.Column('kind', sa.Text(), server_default='open', nullable=False),
    sa.Column('probability', sa.SmallInteger(), server_default=sa.text('0'), nullable=False),
    sa.Column('rot_days', sa.Integer(), nullable=True),
    sa.Column('position', sa.Integer(), server_default=sa.text('0'), nullable=False),
    sa.Column('archived_at', sa.DateTime(timezone=True), nullable=True),
    sa.Column('workspace_id', sa.Uuid(), nullable=False),
    sa.Column('id', sa.Uuid(), nullable=False),
    sa.CheckConstraint("kind in ('open', 'won', 'lost')", name=op.f('ck_deal_stage_kind')),
    sa.CheckConstraint('probability between 0 and 100', name=op.f('ck_deal_stage_probability')),
    sa.CheckConstraint('rot_days between 1 and 3650', name=op.f('ck_deal_stage_rot_days')),
    sa.ForeignKeyConstraint(['workspace_id', 'pipeline_id'], ['pipeline.workspace_id', 'pipeline.id'], name=op.f('fk_deal_stage_workspace_id_pipeline_id')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_deal_stage')),
    sa.UniqueConstraint('workspace_id', 'id', name=op.f('uq_deal_stage_workspace_id_id')),
    info={'tenant': True, 'append_only': False, 'frozen': False}
    )
    op.create_index('ix_deal_stage_pipeline', 'deal_stage', ['workspace_id', 'pipeline_id', 'position'], unique=False)
    op.create_table('deal',
    sa.Column('pipeline_id', sa.Uuid(), nullable=False),
    sa.Column('stage_id', sa.Uuid(), nullable=False),
    sa.Column('state', sa.Text(), server_default='open', nullable=False),
    sa.Column('title', sa.Text(), nullable=False),
    sa.Column('title_norm', sa.Text(), nullable=False),
    sa.Column('amount_minor', sa.BigInteger(), server_default=sa.text('0'), nullable=False),
    sa.Column('currency', sa.Text(), server_default='EUR', nullable=False),
    sa.Column('closes_on', sa.Date(), nullable=True),
    sa.Column('order_on', sa.Date(), sa.Computed("coalesce(closes_on, '9999-12-31'::date)", persisted=True), nullable=False),
    sa.Column('probability', sa.SmallInteger(), nullable=True),
    sa.Column('owner_id', sa.Uuid(), nullable=True),
    sa.Column('lost_reason_id', sa.Uuid(), nullable=True),
    sa.Column('lost_note', sa.Text(), server_default='', nullable=False),
    sa.Column('stage_since', sa.DateTime(timezone=True), nullable=False),
    sa.Column('closed_at', sa.DateTime(timezone=True), nullable=True),
    sa.Column('search', sa.Text(), sa.Computed('public.crm_search_text(title)', persisted=True), nullable=False),
    sa.Column('version', sa.Integer(), server_default=sa.text('1'), nullable=False),
    sa.Column('created_by_id', sa.Uuid(), nullable=True),
    sa.Column('created_at', sa.DateTime(timezone=True), server_default=sa.text('now()'), nullable=False),
    sa.Column('updated_at', sa.DateTime(timezone=True), server_default=sa.text('now()'), nullable=False),
    sa.Column('deleted_at', sa.DateTime(timezone=True), nullable=True),
    sa.Column('workspace_id', sa.Uuid(), nullable=False),
    sa.Column('id', sa.Uuid(), nullable=False),
    sa.CheckConstraint("(state = 'open') = (closed_at is null)", name=op.f('ck_deal_closed')),
    sa.CheckConstraint("state in ('open', 'won', 'lost')", name=op.f('ck_deal_state')),
    sa.CheckConstraint('amount_minor between 0 and 1000000000000', name=op.f('ck_deal_amount')),
    sa.CheckConstraint('probability between 0 and 100', name=op.f('ck_deal_probability')),
    sa.ForeignKeyConstraint(['created_by_id'], ['app_user.id'], name=op.f('fk_deal_created_by_id')),
    sa.ForeignKeyConstraint(['owner_id'], ['app_user.id'], name=op.f('fk_deal_owner_id')),
    sa.ForeignKeyConstraint(['workspace_id', 'lost_reason_id'], ['lost_reason.workspace_id', 'lost_reason.id'], name=op.f('fk_deal_workspace_id_lost_reason_id')),
    sa.ForeignKeyConstraint(['workspace_id', 'pipeline_id'], ['pipeline.workspace_id', 'pipeline.id'], name=op.f('fk_deal_workspace_id_pipeline_id')),
    sa.ForeignKeyConstraint(['workspace_id', 'stage_id'], ['deal_stage.workspace_id', 'deal_stage.id'], name=op.f('fk_deal_workspace_id_stage_id')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_deal')),
    sa.UniqueConstraint('workspace_id', 'id', name=op.f('uq_deal_workspace_id_id')),
    info={'tenant': True, 'append_only': False, 'frozen': False}
    )
    op.create_index('ix_deal_amount', 'deal', ['workspace_id', 'amount_minor', 'id'], unique=False, postgresql_where=sa.text('deleted_at is null'))
    op.create_index('ix_deal_closed', 'deal', ['workspace_id', 'stage_id', 'closed_at', 'id'], unique=False, postgresql_where=sa.text('deleted_at is null and closed_at is not null'))
    op.create_index('ix_deal_closes', 'deal', ['workspace_id', 'order_on', 'id'], unique=False, postgresql_where=sa.text('deleted_at is null'))
    op.create_index('ix_deal_column', 'deal', ['workspace_id', 'stage_id', 'order_on', 'id'], unique=False, postgresql_where=sa.text('deleted_at is null'))
    op.create_index('ix_deal_created', 'deal', ['workspace_id', 'created_at', 'id'], unique=False, postgresql_where=sa.text('deleted_at is null'))
    op.create_index('ix_deal_search', 'deal', ['workspace_id', 'search'], unique=False, postgresql_using='gin', postgresql_ops={'search': 'gin_trgm_ops'})
    op.create_index('ix_deal_title', 'deal', ['workspace_id', 'title_norm', 'id'], unique=False, postgresql_where=sa.text('deleted_at is null'))
    op.create_table('campaign_deal',
    sa.Column('campaign_id', sa.Uuid(), nullable=False),
    sa.Column('deal_id', sa.Uuid(), nullable=False),
    sa.Column('is_confirmed', sa.Boolean(), server_default=sa.text('true'), nullable=False),
    sa.Column('at', sa.DateTime(timezone=True), server_default=sa.text('now()'), nullable=False),
    sa.Column('user_id', sa.Uuid(), nullable=True),
    sa.Column('workspace_id', sa.Uuid(), nullable=False),
    sa.Column('id', sa.Uuid(), nullable=False),
    sa.ForeignKeyConstraint(['user_id'], ['app_user.id'], name=op.f('fk_campaign_deal_user_id')),
    sa.ForeignKeyConstraint(['workspace_id', 'campaign_id'], ['campaign.workspace_id', 'campaign.id'], name=op.f('fk_campaign_deal_workspace_id_campaign_id'), ondelete='CASCADE'),
    sa.ForeignKeyConstraint(['workspace_id', 'deal_id'], ['deal.workspace_id', 'deal.id'], name=op.f('fk_campaign_deal_workspace_id_deal_id'), ondelete='CASCADE'),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_campaign_deal')),
    sa.UniqueConstraint('workspace_id', 'deal_id', name=op.f('uq_campaign_deal_workspace_id_deal_id')),
    info={'tenant': True, 'append_only': False, 'frozen': False}
    )
    op.create_index('ix_campaign_deal_campaign', 'campaign_deal', ['workspace_id', 'campaign_id'], unique=False)
    op.create_table('deal_company',
    sa.Column('deal_id', sa.Uuid(), nullable=False),
    sa.Column('company_id', sa.Uuid(), nullable=False),
    sa.Column('workspace_id', sa.Uuid(), nullable=False),
    sa.Column('id', sa.Uuid(), nullable=False),
    sa.ForeignKeyConstraint(['workspace_id', 'company_id'], ['company.workspace_id', 'company.id'], name=op.f('fk_deal_company_workspace_id_company_id'), ondelete='CASCADE'),
    sa.ForeignKeyConstraint(['workspace_id', 'deal_id'], ['deal.workspace_id', 'deal.id'], name=op.f('fk_deal_company_workspace_id_deal_id'), ondelete='CASCADE'),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_deal_company')),
    sa.UniqueConstraint('workspace_id', 'deal_id', 'company_id', name=op.f('uq_deal_company_workspace_id_deal_id_company_id')),
    info={'tenant': True, 'append_only': False, 'frozen': False}
    )
    op.create_index('ix_deal_company_company', 'deal_company', ['workspace_id', 'company_id', 'deal_id'], unique=False)
    op.create_table('deal_contact',
    sa.Column('deal_id', sa.Uuid(), nullable=False),
    sa.Column('contact_id', sa.Uuid(), nullable=False),
    sa.Column('role', sa.Text(), server_default='', nullable=False),
    sa.Column('is_main', sa.Boolean(), server_default=sa.text('false'), nullable=False),
    sa.Column('workspace_id', sa.Uuid(), nullable=False),
    sa.Column('id', sa.Uuid(), nullable=False),
    sa.ForeignKeyConstraint(['workspace_id', 'contact_id'], ['contact.workspace_id', 'contact.id'], name=op.f('fk_deal_contact_workspace_id_contact_id'), ondelete='CASCADE'),
    sa.ForeignKeyConstraint(['workspace_id', 'deal_id'], ['deal.workspace_id', 'deal.id'], name=op.f('fk_deal_contact_workspace_id_deal_id'), ondelete='CASCADE'),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_deal_contact')),
    sa.UniqueConstraint('workspace_id', 'deal_id', 'contact_id', name=op.f('uq_deal_contact_workspace_id_deal_id_contact_id')),
    info={'tenant': True, 'append_only': False, 'frozen': False}
    )
    op.create_index('ix_deal_contact_contact', 'deal_contact', ['workspace_id', 'contact_id', 'deal_id'], unique=False)
    op.create_index('uq_deal_contact_main', 'deal_contact', ['workspace_id', 'deal_id'], unique=True, postgresql_where=sa.text('is_main'))
    op.create_table('deal_stage_change',
    sa.Column('deal_id', sa.Uuid(), nullable=False),
    sa.Column('stage_id', sa.Uuid(), nullable=False),
    sa.Column('at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('user_id', sa.Uuid(), nullable=True),
    sa.Column('workspace_id', sa.Uuid(), nullable=False),
    sa.Column('id', sa.Uuid(), nullable=False),
    sa.ForeignKeyConstraint(['user_id'], ['app_user.id'], name=op.f('fk_deal_stage_change_user_id')),
    sa.ForeignKeyConstraint(['workspace_id', 'deal_id'], ['deal.workspace_id', 'deal.id'], name=op.f('fk_deal_stage_change_workspace_id_deal_id'), ondelete='CASCADE'),
    sa.ForeignKeyConstraint(['workspace_id', 'stage_id'], ['deal_stage.workspace_id', 'deal_stage.id'], name=op.f('fk_deal_stage_change_workspace_id_stage_id')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_deal_stage_change')),
    info={'tenant': True, 'append_only': True, 'frozen': False}
    )
    op.create_index('ix_deal_stage_change_deal', 'deal_stage_change', ['workspace_id', 'deal_id', 'at', 'id'], unique=False)
    op.execute(SEARCH)


def downgrade() -> None:
    op.execute("drop function public.crm_search_deals(text, integer)")
    op.drop_index('ix_deal_stage_change_deal', table_name='deal_stage_change')
    op.drop_table('deal_stage_change')
    op.drop_index('uq_deal_contact_main', table_name='deal_contact', postgresql_where=sa.text('is_main'))
    op.drop_index('ix_deal_contact_contact', table_name='deal_contact')
    op.drop_table('deal_contact')
    op.drop_index('ix_deal_company_company', table_name='deal_company')
    op.drop_table('deal_company')
    op.drop_index('ix_campaign_deal_campaign', table_name='campaign_deal')
    op.drop_table('campaign_deal')
    op.drop_index('ix_deal_title', table_name='deal', postgresql_where=sa.text('deleted_at is null'))
    op.drop_index('ix_deal_search', table_name='deal', postgresql_using='gin', postgresql_ops={'search': 'gin_trgm_ops'})
    op.drop_index('ix_deal_created', table_name='deal', postgresql_where=sa.text('deleted_at is null'))
    op.drop_index('ix_deal_column', table_name='deal', postgresql_where=sa.text('deleted_at is null'))
    op.drop_index('ix_deal_closes', table_name='deal', postgresql_where=sa.text('deleted_at is null'))
    op.drop_index('ix_deal_closed', table_name='deal', postgresql_where=sa.text('deleted_at is null and closed_at is not null'))
    op.drop_index('ix_deal_amount', table_name='deal', postgresql_where=sa.text('deleted_at is null'))
    op.drop_table('deal')
    op.drop_index('ix_deal_stage_pipeline', table_name='deal_stage')
    op.drop_table('deal_stage')
    op.drop_table('pipeline')
    op.drop_table('lost_reason')
