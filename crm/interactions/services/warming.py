"""Owns keeping warmth and cadences true to the timeline, in the transaction that changes it."""

from collections.abc import Iterable
from datetime import datetime
from typing import Final
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.orm import Session

from crm.db import new_id
from crm.interactions import rules
from crm.interactions.kinds import Direction, Visibility
from crm.interactions.models import Interaction
from crm.interactions.rules import warmth as arithmetic
from crm.interactions.rules.cadence import ANSWER_DAYS
from crm.interactions.rules.warmth import Exchanged, State

Key = tuple[UUID, UUID | None]

_NEWER: Final = "greatest(w.at, excluded.at)"
_SUMS: Final = {
    side: f"crm_left(w.{side}, w.at, {_NEWER}, {arithmetic.HABIT_DAYS:g})"
    f" + crm_left(excluded.{side}, excluded.at, {_NEWER}, {arithmetic.HABIT_DAYS:g})"
    for side in ("inbound", "outbound")
}
_TWO_WAY: Final = "greatest(w.two_way_at, excluded.two_way_at)"
_ANY: Final = "greatest(w.any_at, excluded.any_at)"
#: What an upsert of `warmth` as `w` does with a row that is there: the sums meet at the later moment.
MERGE: Final = f"""on conflict (workspace_id, contact_id, user_id) do update set
        inbound = {_SUMS["inbound"]}, outbound = {_SUMS["outbound"]}, at = {_NEWER},
        two_way_at = {_TWO_WAY}, any_at = {_ANY}, scored_at = excluded.scored_at,
        score = case when w.user_id is null then crm_warmth({_SUMS["inbound"]}, {_SUMS["outbound"]}, {_NEWER},
            {_TWO_WAY}, {_ANY}, excluded.scored_at) else 0 end"""
_WARM: Final = f"""
    insert into warmth as w (id, workspace_id, contact_id, user_id, inbound, outbound, at, two_way_at, any_at, score,
        scored_at)
    select id, :workspace_id, contact_id, user_id, inbound, outbound, at, two_way_at, any_at,
        case when user_id is null then crm_warmth(inbound, outbound, at, two_way_at, any_at, :now) else 0 end, :now
    from unnest(cast(:id as uuid[]), cast(:contact_id as uuid[]), cast(:user_id as uuid[]),
        cast(:inbound as float8[]), cast(:outbound as float8[]), cast(:at as timestamptz[]),
        cast(:two_way_at as timestamptz[]), cast(:any_at as timestamptz[]))
        as row (id, contact_id, user_id, inbound, outbound, at, two_way_at, any_at)
    where not exists (select 1 from contact c where c.workspace_id = :workspace_id and c.id = row.contact_id
        and c.limited_at is not null)
    order by contact_id, user_id
    {MERGE}"""  # noqa: S608 - texts of this module.


def due_sql(two_way: str = "two_way_at", wrote: str = "wrote_at", days: str = "days") -> str:
    """`rules.cadence.due_at` as SQL, with what a statement is about to write in place of columns."""
    return (
        f"case when {days} is null or paused_at is not null then null else greatest("
        f"coalesce({two_way}, began_at) + make_interval(hours => 24 * {days}),"
        f" {wrote} + make_interval(hours => 24 * least({ANSWER_DAYS}, {days})), snoozed_until) end"
    )


_MOVED: Final = {"two_way": "greatest(two_way_at, r.two_way)", "wrote": "greatest(wrote_at, r.wrote)"}
_RESTART: Final = f"""
    update cadence set two_way_at = {_MOVED["two_way"]}, wrote_at = {_MOVED["wrote"]},
        met_at = least(met_at, r.met),
        due_at = {due_sql(_MOVED["two_way"], _MOVED["wrote"])}
    from unnest(cast(:contact_id as uuid[]), cast(:two_way as timestamptz[]), cast(:wrote as timestamptz[]),
        cast(:met as timestamptz[])) as r (contact_id, two_way, wrote, met)
    where cadence.workspace_id = :workspace_id and cadence.contact_id = r.contact_id"""  # noqa: S608 - texts of this module.
#: A message of ours for many people at one moment, for the sender's own statement: see `bulk`.
SENT: Final = f"""
    warm as (
        insert into warmth as w (id, workspace_id, contact_id, user_id, inbound, outbound, at, any_at, score, scored_at)
        select id, %(workspace_id)s, contact_id, user_id, 0, count::float8, %(at)s, %(at)s,
            case when user_id is null then crm_warmth(0, count::float8, %(at)s, null, %(at)s, %(now)s) else 0 end,
            %(now)s
        from unnest(%(warm_id)s::uuid[], %(warm_contact)s::uuid[], %(warm_user)s::uuid[], %(warm_count)s::integer[])
            as row (id, contact_id, user_id, count)
        {MERGE}),
    asked as (
        update cadence set wrote_at = greatest(wrote_at, %(at)s),
            due_at = {due_sql(wrote="greatest(wrote_at, %(at)s)")}
        where workspace_id = %(workspace_id)s and contact_id = any(%(contact_ids)s::uuid[]))"""  # noqa: S608 - texts of this module.


def warm(session: Session, rows: Iterable[Interaction], *, now: datetime) -> None:
    """Count new entries in: two statements for any number of them. What counts is said in `rules.warmth`.

    The warmth of people whose data may only be kept stands still until then; `recounting.rewarm` makes up for it.
    """
    states: dict[Key, State] = {}
    wrote: dict[UUID, datetime] = {}
    met: dict[UUID, datetime] = {}
    for row in rows:
        if row.contact_id is None or not counts(row):
            continue
        _count(states, row.contact_id, row.author_id, _exchanged(row))
        if is_own_word(row.kind, row.direction):
            wrote[row.contact_id] = max(wrote.get(row.contact_id, row.happened_at), row.happened_at)
        if arithmetic.is_two_way(row.kind, row.direction):
            met[row.contact_id] = min(met.get(row.contact_id, row.happened_at), row.happened_at)
    if states:
        workspace_id = session.info["workspace_id"]
        _write(session, states, workspace_id=workspace_id, now=now)
        two_way = {key[0]: state.two_way_at for key, state in states.items() if key[1] is None}
        _restart(session, two_way, wrote, met, workspace_id)


def is_own_word(kind: str, direction: str) -> bool:
    """Whether it is ours alone and waits for their answer: what we wrote, and no talk that we began."""
    return direction == Direction.OUTBOUND and not arithmetic.is_two_way(kind, direction)


def counts(row: Interaction) -> bool:
    """Whether an entry says anything about how warm a person is: a genuine exchange that everybody may know of."""
    is_public = row.visibility != Visibility.PRIVATE and row.removed_at is None
    return is_public and rules.is_exchange(row.kind, is_automatic=row.is_automatic)


def _exchanged(row: Interaction) -> Exchanged:
    return Exchanged(kind=row.kind, direction=row.direction, at=row.happened_at)


def _count(states: dict[Key, State], contact_id: UUID, author_id: UUID | None, one: Exchanged) -> None:
    fresh = arithmetic.state_of(one)
    for key in {(contact_id, None), (contact_id, author_id)}:
        known = states.get(key)
        states[key] = arithmetic.together(known, fresh) if known else fresh


def _write(session: Session, states: dict[Key, State], *, workspace_id: UUID, now: datetime) -> None:
    ordered = sorted(states.items(), key=lambda item: (item[0][0], item[0][1] or item[0][0]))
    session.execute(
        text(_WARM),
        {
            "workspace_id": workspace_id,
            "now": now,
            "id": [new_id() for _ in ordered],
            "contact_id": [key[0] for key, _state in ordered],
            "user_id": [key[1] for key, _state in ordered],
            "inbound": [state.inbound for _key, state in ordered],
            "outbound": [state.outbound for _key, state in ordered],
            "at": [state.at for _key, state in ordered],
            "two_way_at": [state.two_way_at for _key, state in ordered],
            "any_at": [state.any_at for _key, state in ordered],
        },
    )


def _restart(
    session: Session,
    two_way: dict[UUID, datetime | None],
    wrote: dict[UUID, datetime],
    met: dict[UUID, datetime],
    workspace_id: UUID,
) -> None:
    ordered = sorted(two_way)
    given = {
        "contact_id": ordered,
        "two_way": [two_way[key] for key in ordered],
        "wrote": [wrote.get(key) for key in ordered],
        "met": [met.get(key) for key in ordered],
    }
    session.execute(text(_RESTART), {"workspace_id": workspace_id, **given})


def fade(session: Session, *, before: datetime, now: datetime, limit: int) -> int:
    """Renew the scores that were made before a moment, at most `limit` of them; how many. One statement."""
    renewed = session.execute(
        text(
            # Materialized: as a plain subquery it can be asked anew for each row, and the limit would not hold.
            "with due as materialized (select id from warmth where user_id is null and score > 0"
            " and scored_at < :before and contact_id <> all(array(select id from contact where limited_at is not null))"
            " order by scored_at limit :limit for update skip locked)"
            " update warmth set score = crm_warmth(inbound, outbound, at, two_way_at, any_at, :now), scored_at = :now"
            " from due where warmth.id = due.id returning 1"
        ),
        {"now": now, "before": before, "limit": limit},
    )
    return len(renewed.all())
