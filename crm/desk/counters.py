"""Owns the numbers beside Today and Inbox."""

from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Any
from uuid import UUID

from sqlalchemy import (
    ARRAY,
    BindParameter,
    Date,
    DateTime,
    Select,
    Uuid,
    bindparam,
    func,
    literal_column,
    select,
    union_all,
)
from sqlalchemy.orm import Session
from sqlalchemy.sql import visitors

from crm.accounts import queries as accounts
from crm.accounts.kinds import ActorKind, Permission, RecordAccess, Role
from crm.accounts.rules import Actor
from crm.clock import end_of_day, local_day
from crm.contacts import queries as contacts
from crm.contacts.queries import Scope
from crm.desk.occasions import spans
from crm.desk.queue import MOST, SOURCES, Kind, View, asked, is_aside
from crm.outreach import queries as outreach


def counts(session: Session, actor: Actor, *, now: datetime) -> dict[str, int]:
    """{navigation key: how many wait for the actor}: every line of Today, the bell, and conversations.

    Those are open, unread and not put off.
    """
    numbers = _numbers(session, actor, is_mine=True, now=now)
    return {"inbox": numbers.inbox, "today": numbers.lines, "bell": numbers.bell}


def count(session: Session, actor: Actor, *, is_mine: bool, now: datetime) -> dict[Kind, int]:
    """How many reasons of each kind wait (`MOST` when more); quiet people wait for nothing."""
    return _numbers(session, actor, is_mine=is_mine, now=now).waiting


@dataclass(frozen=True, slots=True)
class _Numbers:
    """The reasons of each kind, the lines they make, and what is unread of the bell and of the inbox."""

    waiting: dict[Kind, int]
    lines: int
    bell: int
    inbox: int


def _numbers(session: Session, actor: Actor, *, is_mine: bool, now: datetime) -> _Numbers:
    """All of them in one statement."""
    if contacts.scope(actor) is Scope.NOTHING:
        return _Numbers(dict.fromkeys(SOURCES, 0), 0, accounts.unread_notifications(session, actor), 0)
    today = local_day(now, tz=actor.time_zone)
    starts, ends = spans(today, tz=actor.time_zone)
    given = {"who": actor.user_id, "now": now, "today": today, "tonight": end_of_day(today, tz=actor.time_zone)}
    given |= {"starts": starts, "ends": ends}
    *numbers, lines, bell, inbox = session.execute(
        _counting(actor.kind, actor.role, actor.scopes, actor.sees, actor.team, is_mine=is_mine), given
    ).one()
    return _Numbers(dict(zip(SOURCES, numbers, strict=True)), lines, bell, inbox)


@lru_cache(maxsize=64)
def _counting(
    kind: ActorKind,
    role: Role | None,
    scopes: frozenset[Permission] | None,
    sees: RecordAccess,
    team: frozenset[UUID],
    *,
    is_mine: bool,
) -> Select[*tuple[Any, ...]]:
    """What everybody with the same rights asks on every page: writing it down takes longer than answering it."""
    who: Any = bindparam("who", type_=Uuid())
    view = View(
        Actor(workspace_id=UUID(int=0), kind=kind, role=role, scopes=scopes, sees=sees, team=team, user_id=who),
        is_mine,
        now=bindparam("now", type_=DateTime(timezone=True)),
        today=bindparam("today", type_=Date()),
        tonight=bindparam("tonight", type_=DateTime(timezone=True)),
        starts=bindparam("starts", type_=ARRAY(DateTime(timezone=True))),
        ends=bindparam("ends", type_=ARRAY(DateTime(timezone=True))),
    )
    found = union_all(*(_bare(asked(view, kind), kind).limit(MOST) for kind in SOURCES)).subquery()
    numbers = select(
        *(func.count().filter(found.c.kind == literal_column(f"'{kind.value}'")) for kind in SOURCES),
        func.count(found.c.who.distinct()),
        accounts.counting_unread(who).scalar_subquery(),
        outreach.counting_unread(
            view.actor, unless=lambda about, news: is_aside(view, Kind.REPLY, about=about, news=news)
        ).scalar_subquery(),
    )
    return visitors.cloned_traverse(numbers, {}, {"bindparam": _written_out})


def _written_out(value: BindParameter[Any]) -> None:
    """Put what never changes into the text: one plan then serves every request, and it may use partial indexes.

    With all values beside the text the database made a new plan of its thirty tables for each page, in eight times
    the time that it takes to answer.
    """
    if not value.required:
        value.literal_execute = True


def _bare(wanted: Select[*tuple[Any, ...]], kind: Kind) -> Select[*tuple[Any, ...]]:
    named = literal_column(f"'{kind.value}'::text").label("kind")
    who = SOURCES[kind].who.label("who")
    ordered = wanted if SOURCES[kind].keeps_order else wanted.order_by(None)
    return ordered.with_only_columns(named, who, maintain_column_froms=True)
