"""Whom each role sees is chosen per workspace, members work in teams, and people can be restricted to a few."""

import re

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0023"
down_revision = "0022"
branch_labels = None
depends_on = None

# `crm_may_see` is part of the search functions of 0004, which run as the owner of the tables and are safe for the
# reason that stands there. It is the twin of `crm.contacts.queries.access.visible`.
MAY_SEE = """
    create function public.crm_may_see(
        contact uuid, owner uuid, restricted boolean, scope text, viewer uuid, workspace uuid
    ) returns boolean
    language sql stable parallel safe
    set search_path = pg_catalog, public, pg_temp
    as $$
        select scope = 'everything'
            or owner = viewer
            or not restricted and (scope = 'all' or scope = 'team' and (owner is null or owner in (
                select colleague.user_id
                from public.membership me
                join public.membership colleague
                    on colleague.workspace_id = me.workspace_id and colleague.team = me.team
                where me.workspace_id = workspace and me.user_id = viewer and me.team <> ''
            )))
            or exists (
                select from public.contact_access named
                where named.workspace_id = workspace and named.contact_id = contact and named.user_id = viewer
            )
    $$
"""
MAY_SEE_BEFORE = """
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
"""
SEARCHES = (
    "public.crm_search_contacts(text, integer, text, uuid)",
    "public.crm_search_contacts_close(text, integer, text, uuid)",
)
# Safe: answers with the workspaces of one user, whose id only the sign-in or a stored session supplies.
MEMBERSHIPS = """
    create function public.crm_memberships_of(p_user uuid)
    returns table (
        membership_id uuid, workspace_id uuid, role text, name text, slug text, time_zone text, locale text,
        require_second_factor boolean, is_demo boolean{column}
    )
    language sql stable security definer set search_path = pg_catalog, public, pg_temp
    as $$
        select m.id, w.id, m.role, w.name, w.slug, w.time_zone, w.locale, w.require_second_factor, w.is_demo{value}
        from public.membership m join public.workspace w on w.id = m.workspace_id
        where m.user_id = p_user and m.ended_at is null
        order by w.name, w.id
    $$
"""


def rewrite_searches(pattern: str, replacement: str) -> None:
    """Make the search functions anew with another question about who may see a person."""
    # A function of the library loads it: until then its settings are unknown, and only a superuser may name them.
    op.execute("select public.similarity('', '')")
    for name in SEARCHES:
        definition = op.get_bind().execute(
            sa.text("select pg_get_functiondef(cast(:name as regprocedure))"), {"name": name}
        )
        op.get_bind().exec_driver_sql(re.sub(pattern, replacement, definition.scalar_one()).replace("%", "%%"))


def upgrade() -> None:
    op.add_column(
        "workspace",
        sa.Column(
            "record_access",
            postgresql.JSONB(astext_type=sa.Text()),
            server_default=sa.text("'{}'::jsonb"),
            nullable=False,
        ),
    )
    op.add_column("membership", sa.Column("team", sa.Text(), server_default="", nullable=False))
    op.add_column("contact", sa.Column("restricted", sa.Boolean(), server_default=sa.text("false"), nullable=False))
    op.create_index(
        "ix_contact_restricted", "contact", ["workspace_id", "id"], postgresql_where=sa.text("restricted")
    )
    op.create_table(
        "contact_access",
        sa.Column("contact_id", sa.Uuid(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("workspace_id", sa.Uuid(), nullable=False),
        sa.ForeignKeyConstraint(["user_id"], ["app_user.id"], name=op.f("fk_contact_access_user_id")),
        sa.ForeignKeyConstraint(
            ["workspace_id", "contact_id"],
            ["contact.workspace_id", "contact.id"],
            name=op.f("fk_contact_access_workspace_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_contact_access")),
        sa.UniqueConstraint(
            "workspace_id", "contact_id", "user_id", name=op.f("uq_contact_access_workspace_id_contact_id_user_id")
        ),
        info={"tenant": True, "append_only": False, "frozen": False},
    )
    op.create_index("ix_contact_access_user", "contact_access", ["workspace_id", "user_id", "contact_id"])
    op.execute(MAY_SEE)
    rewrite_searches(r"crm_may_see\((\w)\.owner_id,", r"crm_may_see(\1.id, \1.owner_id, \1.restricted,")
    op.execute("drop function public.crm_may_see(uuid, text, uuid, uuid)")
    op.execute("drop function public.crm_memberships_of(uuid)")
    op.execute(MEMBERSHIPS.format(column=", record_access jsonb", value=", w.record_access"))


def downgrade() -> None:
    op.execute("drop function public.crm_memberships_of(uuid)")
    op.execute(MEMBERSHIPS.format(column="", value=""))
    op.execute(MAY_SEE_BEFORE)
    rewrite_searches(r"crm_may_see\((\w)\.id, \w\.owner_id, \w\.restricted,", r"crm_may_see(\1.owner_id,")
    op.execute("drop function public.crm_may_see(uuid, uuid, boolean, text, uuid, uuid)")
    op.drop_table("contact_access")
    op.drop_index("ix_contact_restricted", table_name="contact")
    op.drop_column("contact", "restricted")
    op.drop_column("membership", "team")
    op.drop_column("workspace", "record_access")
