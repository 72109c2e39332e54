"""Owns reading how warm people are and when they are due."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from sqlalchemy import ColumnElement, func, select, true, tuple_
from sqlalchemy.orm import Session, joinedload

from crm.accounts.models import User, Workspace
from crm.accounts.rules import Actor
from crm.contacts import queries as contact_queries
from crm.contacts.models import Contact
from crm.db import among
from crm.interactions import rules
from crm.interactions.keeping_models import Cadence, Warmth
from crm.interactions.kinds import Direction, Visibility
from crm.interactions.models import Interaction
from crm.interactions.queries.timeline import NEWEST, Exchange
from crm.interactions.rules import warmth as arithmetic
from crm.interactions.rules.warmth import Exchanged, Parts, State
from crm.web.paging import Page, decode_cursor, page_of

#: The window in which exchanges are counted for the eye.
WINDOW: Final = timedelta(days=90)
#: The chart reads no more than so many of the newest entries.
MOST_ENTRIES: Final = 5_000
CHART_WEEKS: Final = 52


@dataclass(frozen=True, slots=True, kw_only=True)
class Warm:
    """Warmth of a person and its arithmetic: the reader's own, and of each colleague who took part (name, score)."""

    parts: Parts
    mine: int | None
    others: list[tuple[str, int]]
    last_at: datetime | None
    exchanges: int
    theirs: int
    cold_on: datetime | None
    level: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Rhythm:
    """How often to be in touch with a person: `days` holds, `own_days` is their own number (0 never, None none)."""

    days: int | None
    own_days: int | None
    due_at: datetime | None
    paused_at: datetime | None
    pause_reason: str
    snoozed_until: datetime | None


@dataclass(frozen=True, slots=True)
class Kept:
    """Warmth, rhythm and the newest exchange of one person."""

    warm: Warm | None
    rhythm: Rhythm
    last: Exchange | None


def warmth_of(session: Session, actor: Actor, *, contact_id: UUID, now: datetime) -> Warm | None:
    """How warm a person is; None without any exchange. Raises the contact's not-found error."""
    return kept_of(session, actor, contact_id=contact_id, now=now).warm


def kept_of(session: Session, actor: Actor, *, contact_id: UUID, now: datetime) -> Kept:
    """All three with one statement; raises the contact's not-found error."""
    contact_queries.require_contact(session, actor, contact_id=contact_id)
    counted = (
        select(
            func.count().label("all"), func.count().filter(Interaction.direction == Direction.INBOUND).label("theirs")
        )
        .where(*_genuine(contact_id), Interaction.happened_at > now - WINDOW)
        .lateral()
    )
    newest = NEWEST.c
    rows = session.execute(
        select(Cadence, Warmth, User.name, newest.kind, newest.channel, newest.direction, newest.happened_at)
        .add_columns(counted.c.all, counted.c.theirs)
        .select_from(Contact)
        .join(counted, true())
        .outerjoin(NEWEST, true())
        .outerjoin(Cadence, Cadence.contact_id == Contact.id)
        .outerjoin(Warmth, Warmth.contact_id == Contact.id)
        .outerjoin(User, User.id == Warmth.user_id)
        .where(Contact.id == contact_id)
        .order_by(User.name)
    ).all()
    cadence, _warmth, _name, kind, channel, direction, at, exchanges, theirs = rows[0]
    last = Exchange(kind=kind, channel=channel, direction=direction, happened_at=at) if at else None
    warm = _warm(actor, [(row[1], row[2]) for row in rows if row[1] is not None], (exchanges, theirs), now)
    return Kept(warm, _rhythm(cadence), last)


def _warm(
    actor: Actor, rows: Sequence[tuple[Warmth, str | None]], counted: tuple[int, int], now: datetime
) -> Warm | None:
    house = next((_state(row) for row, _name in rows if row.user_id is None), None)
    if house is None:
        return None
    everybody = {row.user_id: (name or "", _state(row)) for row, name in rows if row.user_id is not None}
    states = [state for _name, state in everybody.values()]
    scores = {
        user: arithmetic.warmth(arithmetic.of_colleague(state, house=house, everybody=states), now=now).score
        for user, (_name, state) in everybody.items()
    }
    exchanges, theirs = counted
    parts = arithmetic.warmth(house, now=now)
    level = 50 if parts.value >= 50 else arithmetic.COLD  # noqa: PLR2004 - half of the scale.
    return Warm(
        parts=parts,
        mine=scores.get(actor.user_id) if actor.user_id else None,
        others=[(everybody[user][0], score) for user, score in scores.items() if user != actor.user_id],
        last_at=house.any_at,
        exchanges=exchanges,
        theirs=theirs,
        cold_on=arithmetic.cold_on(house, now=now, level=level),
        level=level,
    )


def _state(row: Warmth) -> State:
    return State(inbound=row.inbound, outbound=row.outbound, at=row.at, two_way_at=row.two_way_at, any_at=row.any_at)


def _genuine(contact_id: UUID) -> Sequence[ColumnElement[bool]]:
    return (
        Interaction.contact_id == contact_id,
        Interaction.removed_at.is_(None),
        Interaction.is_automatic.is_(False),
        Interaction.visibility != Visibility.PRIVATE,
        Interaction.kind.in_([kind.value for kind in rules.EXCHANGES]),
    )


def warmth_over_time(session: Session, actor: Actor, *, contact_id: UUID, now: datetime) -> list[tuple[datetime, int]]:
    """(moment, score) of each of the last weeks, the oldest first, as it was then; raises the not-found error."""
    contact_queries.require_contact(session, actor, contact_id=contact_id)
    newest = session.execute(
        select(Interaction.kind, Interaction.direction, Interaction.happened_at)
        .where(*_genuine(contact_id))  # type: ignore[arg-type]
        .order_by(Interaction.happened_at.desc())
        .limit(MOST_ENTRIES)
    )
    exchanges = [Exchanged(kind=kind, direction=direction, at=at) for kind, direction, at in newest]
    moments = [now - timedelta(weeks=weeks) for weeks in range(CHART_WEEKS, -1, -1)]
    return list(zip(moments, arithmetic.over_time(exchanges, moments=moments), strict=True))


def scores(session: Session, actor: Actor, *, contact_ids: Iterable[UUID]) -> dict[UUID, int]:
    """The kept score by contact id, of those who have one and whom the actor may see."""
    ids = list(contact_ids)
    if not ids:
        return {}
    rows = session.execute(
        select(Warmth.contact_id, Warmth.score)
        .join(Contact, Contact.id == Warmth.contact_id)
        .where(among(Warmth.contact_id, ids), Warmth.user_id.is_(None), contact_queries.alive(actor))
    )
    return {row.contact_id: row.score for row in rows}


@dataclass(frozen=True, slots=True)
class Fall:
    """What warmth was right after the last exchange, and what is left of it now: 0 to 100 each."""

    before: int
    score: int


def falls(session: Session, actor: Actor, *, contact_ids: Iterable[UUID], now: datetime) -> dict[UUID, Fall]:
    """How far each person's warmth fell since the last exchange, by contact id, of those who have any; visible ones."""
    ids = list(contact_ids)
    if not ids:
        return {}
    rows = session.scalars(
        select(Warmth)
        .join(Contact, Contact.id == Warmth.contact_id)
        .where(among(Warmth.contact_id, ids), Warmth.user_id.is_(None), contact_queries.alive(actor))
    )
    return {
        row.contact_id: Fall(
            arithmetic.warmth(_state(row), now=row.any_at or row.at).score,
            arithmetic.warmth(_state(row), now=now).score,
        )
        for row in rows
    }


def warmest(
    session: Session, actor: Actor, *, where: contact_queries.ContactFilter | None, after: str | None, limit: int = 50
) -> Page[Contact]:
    """A page of visible people, companies loaded: the warmest first, those without any exchange at the end.

    Two ranges, each in the order of an index, paged by key.
    """
    score, last_id = decode_cursor(after, int, UUID) if after else (None, None)
    wanted = select(Contact).options(joinedload(Contact.company))
    wanted = wanted.where(contact_queries.alive(actor), *contact_queries.conditions_of(where))
    rows: list[tuple[Contact, int | None]] = []
    if not after or score is not None:
        warm = wanted.add_columns(Warmth.score).join(Warmth, Warmth.contact_id == Contact.id)
        # Said of this table too: who sees few people has their rows looked up one by one.
        warm = warm.where(Warmth.user_id.is_(None), contact_queries.about_visible(actor, Warmth.contact_id))
        if score is not None:
            warm = warm.where(tuple_(Warmth.score, Warmth.contact_id) < (score, last_id))
        warm = warm.order_by(Warmth.score.desc(), Warmth.contact_id.desc()).limit(limit + 1)
        rows = [(person, found) for person, found in session.execute(warm)]
    if len(rows) <= limit:
        house = select(Warmth.id).where(Warmth.contact_id == Contact.id, Warmth.user_id.is_(None))
        never = wanted.where(~house.exists())
        if after and score is None:
            never = never.where(Contact.id > last_id)
        left = session.scalars(never.order_by(Contact.id).limit(limit + 1 - len(rows)))
        rows += [(person, None) for person in left]
    page = page_of(rows, limit=limit, key=lambda row: (row[1], row[0].id))
    return Page([person for person, _score in page.items], page.next)


def rhythm_of(session: Session, actor: Actor, *, contact_id: UUID) -> Rhythm:
    """The rhythm of a person; raises the contact's not-found error."""
    contact_queries.require_contact(session, actor, contact_id=contact_id)
    return _rhythm(session.scalars(select(Cadence).where(Cadence.contact_id == contact_id)).one_or_none())


def _rhythm(row: Cadence | None) -> Rhythm:
    if row is None:
        return Rhythm(days=None, own_days=None, due_at=None, paused_at=None, pause_reason="", snoozed_until=None)
    return Rhythm(
        days=row.days,
        own_days=row.own_days,
        due_at=row.due_at,
        paused_at=row.paused_at,
        pause_reason=row.pause_reason,
        snoozed_until=row.snoozed_until,
    )


def cadence_settings(session: Session, actor: Actor) -> tuple[int | None, int | None, int | None]:
    """The days of key, high and normal people."""
    house = session.get_one(Workspace, actor.workspace_id)
    return house.cadence_key_days, house.cadence_high_days, house.cadence_normal_days
