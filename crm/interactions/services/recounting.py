"""Owns counting people's warmth and rhythms anew from their whole timelines: any number of people in a few statements.

What `warming` adds up entry by entry is counted here at once, to the same numbers: after an entry went, came from a
stranger or moved between people, and for a workspace that was filled without the services.
"""

from collections.abc import Collection
from datetime import datetime
from typing import Final
from uuid import UUID

from sqlalchemy import func, select, text
from sqlalchemy.orm import Session

from crm.interactions import rules
from crm.interactions.rules import warmth as arithmetic
from crm.interactions.services.warming import due_sql


def _words(kinds: Collection[str]) -> str:
    return ", ".join(f"'{kind}'" for kind in sorted(kinds))


#: `rules.warmth.is_two_way` as SQL, of an entry `i`.
TWO_WAY: Final = (
    f"(i.kind in ({_words(arithmetic.TALKED)})"
    f" or (i.kind in ({_words(arithmetic.THEIRS)}) and i.direction <> 'outbound'))"
)
#: What counts at all, as `warming.counts` says it.
GENUINE: Final = (
    "i.removed_at is null and not i.is_automatic and i.visibility <> 'private'"
    f" and i.kind in ({_words(rules.EXCHANGES)})"
)
#: The first time that both took part, of a contact `c`: one look into the index of the timeline.
MET: Final = (
    "(select min(i.happened_at) from interaction i where i.workspace_id = c.workspace_id and i.contact_id = c.id"  # noqa: S608 - texts of this module.
    f" and {GENUINE} and {TWO_WAY})"
)
_HALVES: Final = f"date_part('epoch', cast(:now as timestamptz) - %s) / {arithmetic.HABIT_DAYS * 86_400:g}"
# No exchange is so old or so far ahead that its power of two can't be written down.
_LEFT: Final = f"power(2::float8, greatest(least(-({_HALVES % 'i.happened_at'}), 900), -900))"
_BACK: Final = f"power(2::float8, greatest(least({_HALVES % 'at'}, 900), -900))"
_SHARE: Final = f"sum(case i.direction when '%s' then 1 when '%s' then 0 else 0.5 end * {_LEFT})"
# Sums are made as they are now and moved back to the last exchange, which is where rows of `warmth` stand.
_COUNTED: Final = f"""
    counted as materialized (
        select contact_id, user_id, at, inbound * {_BACK} as inbound, outbound * {_BACK} as outbound, two_way_at, wrote,
            met
        from (
            select i.contact_id, i.author_id as user_id, grouping(i.author_id) = 1 as is_house,
                max(i.happened_at) as at,
                {_SHARE % ("inbound", "outbound")} as inbound, {_SHARE % ("outbound", "inbound")} as outbound,
                max(i.happened_at) filter (where {TWO_WAY}) as two_way_at,
                min(i.happened_at) filter (where {TWO_WAY}) as met,
                max(i.happened_at) filter (where i.direction = 'outbound' and not {TWO_WAY}) as wrote
            from interaction i
            where i.workspace_id = :workspace_id and i.contact_id %s and {GENUINE}
            group by grouping sets ((i.contact_id), (i.contact_id, i.author_id))
        ) as summed
        where is_house or user_id is not null)"""  # noqa: S608 - texts of this module.
_MADE: Final = """
    insert into warmth (id, workspace_id, contact_id, user_id, inbound, outbound, at, two_way_at, any_at, score,
        scored_at)
    select gen_random_uuid(), :workspace_id, contact_id, user_id, inbound, outbound, at, two_way_at, at,
        case when user_id is null then crm_warmth(inbound, outbound, at, two_way_at, at, :now) else 0 end, :now
    from counted"""
_RECOUNT: Final = f"""
    with {_COUNTED % "= any(cast(:ids as uuid[]))"},
    made as ({_MADE})
    update cadence set two_way_at = house.two_way_at, wrote_at = house.wrote, met_at = house.met,
        due_at = {due_sql("house.two_way_at", "house.wrote")}
    from (select one, counted.two_way_at, wrote, met from unnest(cast(:ids as uuid[])) as one
          left join counted on counted.contact_id = one and counted.user_id is null) as house
    where cadence.workspace_id = :workspace_id and cadence.contact_id = house.one"""  # noqa: S608 - texts of this module.
_FILL: Final = f"with {_COUNTED % 'is not null'} {_MADE}"
_LOCK: Final = "select 1 from contact where id = any(cast(:ids as uuid[])) order by id for update"
_FORGET: Final = "delete from warmth where workspace_id = :workspace_id and contact_id = any(cast(:ids as uuid[]))"
_DATES: Final = f"""
    update contact set last_outbound_at = seen.outbound, last_inbound_at = seen.inbound,
        last_interaction_at = seen.newest
    from (
        select one,
            max(i.happened_at) filter (where i.direction <> 'inbound') as outbound,
            max(i.happened_at) filter (where i.direction <> 'outbound') as inbound,
            max(i.happened_at) as newest
        from unnest(cast(:ids as uuid[])) as one
        left join interaction i on i.workspace_id = :workspace_id and i.contact_id = one and {GENUINE}
        group by one
    ) as seen
    where contact.workspace_id = :workspace_id and contact.id = seen.one"""  # noqa: S608 - texts of this module.


def rewarm(session: Session, *, contact_ids: Collection[UUID], now: datetime | None = None) -> None:
    """Count the whole timelines of people anew: their warmth, when they are due, and since when they are known.

    Three statements for any number of people. Their rows are locked in one order, as whoever logs an entry locks them.
    """
    ids = sorted(set(contact_ids))
    if not ids:
        return
    at = now or session.execute(select(func.now())).scalar_one()
    given = {"workspace_id": session.info["workspace_id"], "ids": ids}
    session.execute(text(_LOCK), {"ids": ids})
    session.execute(text(_FORGET), given)
    session.execute(text(_RECOUNT), {**given, "now": at})


def redate(session: Session, *, contact_ids: Collection[UUID]) -> None:
    """Set the dates of people's last exchanges from their timelines, in two statements."""
    ids = sorted(set(contact_ids))
    if ids:
        session.execute(text(_LOCK), {"ids": ids})
        session.execute(text(_DATES), {"workspace_id": session.info["workspace_id"], "ids": ids})


def count_everybody(session: Session, *, workspace_id: UUID, now: datetime) -> None:
    """Warmth of everybody in a workspace that has none yet, in one statement over its timeline."""
    session.execute(text(_FILL), {"workspace_id": workspace_id, "now": now})
