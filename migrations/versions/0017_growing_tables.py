"""Fast-growing tables get statistics in time, and indexes of few values hold only these."""

from alembic import op

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None

# A table of people can grow from nothing to 100,000 rows between two rounds of autovacuum. Meanwhile PostgreSQL takes
# it that a workspace has one row, so that any index that begins with the workspace looks as good as the key, and each
# reference that is checked reads the workspace from end to end. One column is enough to know better; autovacuum counts
# the others when it comes, because this does not look like its own work to it.
#
# The application's role may not analyse, and needs no right to more than this: no text of the caller goes in, a table
# is looked at again once it has doubled, and whoever holds one is not waited for.
RENEW = """
    create function public.crm_renew_statistics() returns void
    language plpgsql volatile security definer set search_path = pg_catalog, public, pg_temp as $$
    declare
        grown regclass;
    begin
        for grown in
            select c.oid from pg_class c
            join pg_attribute a on a.attrelid = c.oid and a.attname = 'workspace_id' and not a.attisdropped
            where c.relnamespace = 'public'::regnamespace and c.relkind = 'r' and c.relowner = current_user::regrole
              and pg_relation_size(c.oid) >= 2 * greatest(c.relpages, 1) * current_setting('block_size')::bigint
        loop
            execute format('analyze (skip_locked) %s (workspace_id)', grown);
        end loop;
    end
    $$"""

NARROW = {
    "ix_fact_company": ("fact", ["workspace_id", "company_id", "field", "state"], "company_id is not null"),
    "ix_handle_company": ("handle", ["workspace_id", "company_id"], "company_id is not null"),
    "ix_contact_birthday": ("contact", ["workspace_id", "birth_month", "birth_day"], "birth_month is not null"),
}


def upgrade() -> None:
    op.execute(RENEW)
    for name, (table, columns, values) in NARROW.items():
        op.drop_index(name, table_name=table)
        op.create_index(name, table, columns, postgresql_where=values)


def downgrade() -> None:
    for name, (table, columns, _values) in NARROW.items():
        op.drop_index(name, table_name=table)
        op.create_index(name, table, columns)
    op.execute("drop function public.crm_renew_statistics()")
