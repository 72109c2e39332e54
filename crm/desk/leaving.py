"""Owns what leaves today: single messages, campaigns as one line each, and what is held with the reason."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import ColumnElement, func, or_, select
from sqlalchemy.orm import Session

from crm.accounts.rules import Actor
from crm.campaigns.models import Campaign
from crm.clock import end_of_day, local_day, start_of_day
from crm.contacts import queries as contacts
from crm.contacts.models import Contact, Handle
from crm.outreach.kinds import MessageDirection, MessageState
from crm.outreach.models import Message
from crm.outreach.queries import LEAVES, PUT_OFF_MOST

SHOWN: Final = 7
HELD_SHOWN: Final = 3
FACES: Final = 4
TODAY: Final = (
    MessageState.APPROVED,
    MessageState.SCHEDULED,
    MessageState.CLAIMED,
    MessageState.SENDING,
    MessageState.SENT,
    MessageState.UNCERTAIN,
)


@dataclass(frozen=True, slots=True)
class Face:
    """A person as a stack of faces shows them."""

    id: UUID
    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Leaf:
    """One line of the thread: a message, or a whole campaign with `count` people until `until`."""

    at: datetime
    id: UUID
    name: str
    channel: str = ""
    state: str = ""
    is_assisted: bool = False
    is_campaign: bool = False
    count: int = 1
    until: datetime | None = None
    faces: tuple[Face, ...] = ()


@dataclass(frozen=True, slots=True)
class Held:
    """A message that waits: for whom, why, and until when (None: until a person decides)."""

    id: UUID
    name: str
    reason: str
    until: datetime | None


@dataclass(frozen=True, slots=True)
class Leaving:
    """The thread of a day; `total` counts every message of it, shown or not."""

    leaves: list[Leaf]
    total: int
    held: list[Held]
    held_total: int


def leaving(session: Session, actor: Actor, *, now: datetime) -> Leaving:
    """What left and leaves on the actor's day, in order: by the time at which it does, not by the planned one."""
    since = start_of_day(now, tz=actor.time_zone)
    until = end_of_day(local_day(now, tz=actor.time_zone), tz=actor.time_zone)
    today = (
        Message.direction == MessageDirection.OUTBOUND,
        Message.state.in_([state.value for state in TODAY]),
        # What left has its index by the planned time; the gate puts off for days, not for weeks.
        or_(Message.state != MessageState.SENT, Message.planned_at >= since - PUT_OFF_MOST),
        since <= LEAVES,
        until > LEAVES,
        _seen(actor),
    )
    groups = _campaigns(session, today)
    singles = _singles(session, today, now=now)
    held, held_total = _held(session, actor)
    leaves = sorted([*groups, *singles], key=lambda leaf: leaf.at)
    total = session.scalar(select(func.count()).select_from(Message).outerjoin(*_person()).where(*today))
    return Leaving(leaves, total or 0, held, held_total)


def _person() -> tuple[Any, ColumnElement[bool]]:
    return Contact, Contact.id == Message.contact_id


def _seen(actor: Actor) -> ColumnElement[bool]:
    return or_(Message.contact_id.is_(None), contacts.visible(actor))


def _singles(session: Session, today: tuple[ColumnElement[bool], ...], *, now: datetime) -> list[Leaf]:
    """Messages outside campaigns: the last two that left and the next ones."""
    wanted = (
        select(Message, Contact.display_name, Handle.address, LEAVES.label("at"))
        .outerjoin(*_person())
        .outerjoin(Handle, Handle.id == Message.handle_id)
        .outerjoin(Campaign, Campaign.batch_id == Message.batch_id)
        .where(*today, Campaign.id.is_(None))
    )
    past = wanted.where(now >= LEAVES).order_by(LEAVES.desc(), Message.id.desc()).limit(2)
    coming = wanted.where(now < LEAVES).order_by(LEAVES, Message.id).limit(SHOWN - 2)
    rows = [*session.execute(past), *session.execute(coming)]
    return [
        Leaf(
            at=row.at,
            id=row.Message.id,
            name=row.display_name or row.address or "",
            channel=row.Message.channel,
            state=row.Message.state,
            is_assisted=row.Message.is_assisted,
        )
        for row in rows
    ]


def _campaigns(session: Session, today: tuple[ColumnElement[bool], ...]) -> list[Leaf]:
    first, last = func.min(LEAVES), func.max(LEAVES)
    rows = session.execute(
        select(
            Campaign.id,
            Campaign.name,
            Campaign.batch_id,
            first.label("first"),
            last.label("last"),
            func.count().label("people"),
        )
        .select_from(Message)
        .join(Campaign, Campaign.batch_id == Message.batch_id)
        .outerjoin(*_person())
        .where(*today)
        .group_by(Campaign.id, Campaign.name, Campaign.batch_id)
        .order_by(first, Campaign.id)
        .limit(SHOWN)
    ).all()
    faces = _faces(session, [row.batch_id for row in rows], today) if rows else {}
    return [
        Leaf(
            at=row.first,
            id=row.id,
            name=row.name,
            is_campaign=True,
            count=row.people,
            until=row.last,
            faces=tuple(faces.get(row.batch_id, ())),
        )
        for row in rows
    ]


def _faces(session: Session, batch_ids: list[UUID], today: tuple[ColumnElement[bool], ...]) -> dict[UUID, list[Face]]:
    place = func.row_number().over(partition_by=Message.batch_id, order_by=(LEAVES, Message.id))
    ranked = (
        select(Message.batch_id, Contact.id, Contact.display_name, place.label("place"))
        .join(*_person())
        .where(*today, Message.batch_id.in_(batch_ids))
        .subquery()
    )
    found: dict[UUID, list[Face]] = {}
    for batch_id, contact_id, name, _place in session.execute(
        select(ranked).where(ranked.c.place <= FACES).order_by(ranked.c.batch_id, ranked.c.place)
    ):
        found.setdefault(batch_id, []).append(Face(contact_id, name))
    return found


def _held(session: Session, actor: Actor) -> tuple[list[Held], int]:
    rows = session.execute(
        select(
            Message.id,
            func.coalesce(Contact.display_name, "").label("name"),
            Message.reason,
            Message.held_until,
            func.count().over().label("total"),
        )
        .outerjoin(*_person())
        .where(Message.state == MessageState.HELD, _seen(actor))
        .order_by(Message.held_until.nulls_last(), Message.id)
        .limit(HELD_SHOWN)
    ).all()
    return [Held(row.id, row.name, row.reason, row.held_until) for row in rows], rows[0].total if rows else 0
