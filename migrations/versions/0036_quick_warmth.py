"""Lets PostgreSQL write the decay of warmth into the statements that ask for it, where 0030 made it a call."""

from alembic import op

revision = "0036"
down_revision = "0035"
branch_labels = None
depends_on = None

# With a search path of its own a function is never written into the statement that calls it, which is fifty times
# slower. A moment that never was leaves nothing.
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


def upgrade() -> None:
    for statement in (LEFT, SCORE, WARMTH):
        op.execute(statement)


def downgrade() -> None:
    """They compute what they did."""
