"""The text search function that generated columns use; PostgreSQL's own folding of case and accents."""

from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    for extension in ("pg_trgm", "unaccent", "btree_gin"):
        op.execute(f"create extension if not exists {extension} schema public")
    # unaccent() is only STABLE because its dictionary could change; ours never does, so generated columns may use it.
    op.execute(
        """
        create function public.crm_search_text(value text) returns text
        language sql immutable strict parallel safe
        set search_path = pg_catalog, public, pg_temp
        as $$ select lower(public.unaccent('public.unaccent'::regdictionary, value)) $$
        """
    )


def downgrade() -> None:
    op.execute("drop function public.crm_search_text(text)")
