"""How warm each person is and when they are due: kept beside the timeline, and filled from the history there is."""

import sqlalchemy as sa
from alembic import op

revision = "0030"
down_revision = "0029"
branch_labels = None
depends_on = None

# They say in SQL what crm/interactions/rules/warmth.py says and explains; a test holds both against each other. Without a
# search path of their own PostgreSQL can write the first into the statement that calls it: fifty times faster.
LEFT = """
    create or replace function public.crm_left(value float8, since timestamptz, until timestamptz, days float8)
    returns float8 language sql immutable parallel safe as $$
        select case
            when since >= until then value
            when date_part('epoch', until - since) <= 40 * days * 86400
                then value * power(2::float8, -date_part('epoch', until - since) / (days * 86400))
            else 0
        end
    $$"""
SCORE = """
    create or replace function public.crm_score(i float8, o float8, two_way float8, any_way float8) returns integer
    language sql immutable parallel safe as $$
        select round(40 * greatest(two_way, any_way / 2)
            + 30 * (1 - exp(-least((i + o) / 6, 100))) + 60 * least(i, o) / (i + o + 4))::integer
    $$"""
WARMTH = """
    create or replace function public.crm_warmth(inbound float8, outbound float8, at timestamptz,
        two_way_at timestamptz, any_at timestamptz, moment timestamptz)
    returns integer language sql immutable parallel safe as $$
        select public.crm_score(
            public.crm_left(inbound, at, moment, 90), public.crm_left(outbound, at, moment, 90),
            public.crm_left(1, two_way_at, moment, 30), public.crm_left(1, any_at, moment, 30))
    $$"""
# Ids of workspaces and nothing else, for the clock, which then works in each of them like everybody else.
STALE = """
    create function public.crm_warmth_stale(before timestamptz) returns table (workspace_id uuid)
    language sql stable security definer set search_path = pg_catalog, public, pg_temp as $$
        select w.id from public.workspace w
        where exists (select 1 from public.warmth s where s.workspace_id = w.id and s.user_id is null
                      and s.score > 0 and s.scored_at < before)
    $$"""
KEEPING = """
    create function public.crm_cadence_workspaces() returns table (workspace_id uuid)
    language sql stable security definer set search_path = pg_catalog, public, pg_temp as $$
        select w.id from public.workspace w
        where w.cadence_key_days is not null or w.cadence_high_days is not null or w.cadence_normal_days is not null
            or exists (select 1 from public.cadence c where c.workspace_id = w.id)
    $$"""

KINDS = (
    *("message.sent", "message.received", "call", "meeting", "comment", "mention", "review", "purchase", "visit"),
    "offer.redeemed",
)
BACKFILL = f"""
    with entry as (
        select i.workspace_id, i.contact_id, who.user_id, i.happened_at, i.direction, i.kind
        from interaction i
        cross join lateral (select null::uuid as user_id union all select i.author_id where i.author_id is not null) who
        where i.contact_id is not null and i.removed_at is null and not i.is_automatic and i.visibility <> 'private'
            and i.kind in ({", ".join(f"'{kind}'" for kind in KINDS)})
    ), newest as (
        select workspace_id, contact_id, user_id, max(happened_at) as at from entry group by 1, 2, 3
    ), summed as (
        select n.workspace_id, n.contact_id, n.user_id, n.at,
            sum(crm_left(case e.direction when 'inbound' then 1 when 'outbound' then 0 else 0.5 end,
                e.happened_at, n.at, 90)) as inbound,
            sum(crm_left(case e.direction when 'outbound' then 1 when 'inbound' then 0 else 0.5 end,
                e.happened_at, n.at, 90)) as outbound,
            max(e.happened_at) filter (where e.kind in ('call', 'meeting', 'visit')
                or (e.kind in ('message.received', 'comment', 'mention') and e.direction <> 'outbound')) as two_way_at
        from newest n join entry e on e.workspace_id = n.workspace_id and e.contact_id = n.contact_id
            and e.user_id is not distinct from n.user_id
        group by 1, 2, 3, 4
    )
    insert into warmth (id, workspace_id, contact_id, user_id, inbound, outbound, at, two_way_at, any_at, score,
        scored_at)
    select gen_random_uuid(), workspace_id, contact_id, user_id, inbound, outbound, at, two_way_at, at,
        case when user_id is null then crm_warmth(inbound, outbound, at, two_way_at, at, now()) else 0 end, now()
    from summed"""  # noqa: S608 - words of this file.


def _tenant(table: str) -> tuple[sa.schema.SchemaItem, ...]:
    return (
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("workspace_id", sa.Uuid(), nullable=False),
        sa.ForeignKeyConstraint(
            ["workspace_id", "contact_id"],
            ["contact.workspace_id", "contact.id"],
            name=op.f(f"fk_{table}_workspace_id_contact_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f(f"pk_{table}")),
    )


def upgrade() -> None:
    for name, days in (("key", "30"), ("high", "90"), ("normal", None)):
        op.add_column("workspace", sa.Column(f"cadence_{name}_days", sa.Integer(), server_default=days, nullable=True))
    op.create_table(
        "warmth",
        sa.Column("contact_id", sa.Uuid(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=True),
        sa.Column("inbound", sa.Double(), nullable=False),
        sa.Column("outbound", sa.Double(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("two_way_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("any_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("score", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("scored_at", sa.DateTime(timezone=True), nullable=False),
        *_tenant("warmth"),
        sa.ForeignKeyConstraint(["user_id"], ["app_user.id"], name=op.f("fk_warmth_user_id")),
        sa.UniqueConstraint(
            "workspace_id",
            "contact_id",
            "user_id",
            name=op.f("uq_warmth_workspace_id_contact_id_user_id"),
            postgresql_nulls_not_distinct=True,
        ),
    )
    house = sa.text("user_id is null")
    op.create_index("ix_warmth_score", "warmth", ["workspace_id", "score", "contact_id"], postgresql_where=house)
    living = sa.text("user_id is null and score > 0")
    op.create_index("ix_warmth_scored", "warmth", ["scored_at", "workspace_id"], postgresql_where=living)
    op.create_table(
        "cadence",
        sa.Column("contact_id", sa.Uuid(), nullable=False),
        sa.Column("own_days", sa.Integer(), nullable=True),
        sa.Column("days", sa.Integer(), nullable=True),
        sa.Column("began_at", sa.DateTime(timezone=True), nullable=False),
        *(
            sa.Column(name, sa.DateTime(timezone=True), nullable=True)
            for name in ("two_way_at", "wrote_at", "snoozed_until", "paused_at")
        ),
        sa.Column("pause_reason", sa.Text(), server_default="", nullable=False),
        sa.Column("due_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        *_tenant("cadence"),
        sa.UniqueConstraint("workspace_id", "contact_id", name=op.f("uq_cadence_workspace_id_contact_id")),
    )
    due = sa.text("due_at is not null")
    op.create_index("ix_cadence_due", "cadence", ["workspace_id", "due_at", "contact_id"], postgresql_where=due)
    for statement in (LEFT, SCORE, WARMTH, STALE, KEEPING, BACKFILL):
        op.execute(statement)


def downgrade() -> None:
    op.execute("drop function public.crm_cadence_workspaces()")
    op.execute("drop function public.crm_warmth_stale(timestamptz)")
    op.execute(
        "drop function public.crm_warmth(float8, float8, timestamptz, timestamptz, timestamptz, timestamptz)"
    )
    op.execute("drop function public.crm_score(float8, float8, float8, float8)")
    op.execute("drop function public.crm_left(float8, timestamptz, timestamptz, float8)")
    op.drop_table("cadence")
    op.drop_table("warmth")
    for name in ("normal", "high", "key"):
        op.drop_column("workspace", f"cadence_{name}_days")
