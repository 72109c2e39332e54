"""Reads the calendar: what will leave in the order in which it will, what needs a person, and the blocks of a week."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from typing import Any, Final
from uuid import UUID

from sqlalchemy import ColumnElement, Select, and_, case, func, or_, select, tuple_
from sqlalchemy.orm import Session

from crm.accounts.rules import Actor
from crm.channels.base import ChannelKind
from crm.contacts.models import Contact
from crm.outreach.hours import hour_objection
from crm.outreach.kinds import MessageDirection, MessageState
from crm.outreach.models import Batch, Message
from crm.outreach.queries.gate import house_policy, subjects
from crm.outreach.queries.messages import MessageLine, line_of, selected_lines, visible_to
from crm.outreach.rules import Verdict, judge
from crm.web.paging import Page, decode_cursor, page_of

_S = MessageState
#: What still has a moment of its own; held messages count while the machine lets them go by itself.
WAITING: Final = (_S.DRAFT, _S.IN_REVIEW, _S.APPROVED, _S.SCHEDULED, _S.CLAIMED, _S.SENDING)
FACES: Final = 3
#: The week shows so many single messages; the list has them all.
WEEK_MOST: Final = 400
NEEDS_SHOWN: Final = 8
#: The gate puts off for days, not for weeks: what left in a week was planned at most this long before it.
PUT_OFF_MOST: Final = timedelta(days=14)
#: An opening that isn't found in so many looks is none that a person would wait for.
_LOOKS: Final = 8

#: When a message left, else when it will by itself, else what was agreed: `crm.outreach.moments.leaves_at` in SQL.
LEAVES: Final[ColumnElement[datetime]] = case(
    (Message.sent_at.is_not(None), Message.sent_at),
    (Message.state == _S.HELD, func.coalesce(Message.held_until, Message.planned_at)),
    else_=func.coalesce(Message.due_at, Message.planned_at),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class CalendarFilter:
    """What the calendar is about; None and False leave everything in."""

    account_id: UUID | None = None
    owner_id: UUID | None = None
    batch_id: UUID | None = None
    is_direct: bool = False
    channel: ChannelKind | None = None

    @property
    def is_empty(self) -> bool:
        """Whether nothing is left out."""
        return self == CalendarFilter()


@dataclass(frozen=True, slots=True)
class CalendarLine:
    """A message of the calendar: when it leaves, its campaign ('' for none), what the gate says about that moment."""

    line: MessageLine
    at: datetime
    campaign: str
    verdict: Verdict | None = None


@dataclass(frozen=True, slots=True)
class Face:
    """A person as a stack of faces shows them."""

    id: UUID
    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CampaignDay:
    """The messages of one campaign on one day: from when to when, how many, how many of them wait still."""

    batch_id: UUID
    name: str
    day: date
    first: datetime
    last: datetime
    people: int
    waiting: int
    held: int
    faces: tuple[Face, ...] = ()


@dataclass(frozen=True, slots=True)
class Figures:
    """How many messages are still to leave, and how many need a person before that."""

    waiting: int
    needs: int


@dataclass(frozen=True, slots=True)
class Opening:
    """What the gate says about an hour for a message, and the next one at which time is no obstacle any more."""

    verdict: Verdict
    suggestion: datetime | None


def _lines(actor: Actor, wanted: CalendarFilter) -> Select[*tuple[Any, ...]]:
    return (
        selected_lines()
        .add_columns(func.coalesce(Batch.name, "").label("campaign"), LEAVES.label("at"))
        .outerjoin(Batch, Batch.id == Message.batch_id)
        .where(*_chosen(actor, wanted))
    )


def _chosen(actor: Actor, wanted: CalendarFilter) -> list[ColumnElement[bool]]:
    conditions: list[ColumnElement[bool]] = [
        Message.workspace_id == actor.workspace_id,
        Message.direction == MessageDirection.OUTBOUND,
        visible_to(actor),
    ]
    if wanted.account_id is not None:
        conditions.append(Message.account_id == wanted.account_id)
    if wanted.owner_id is not None:
        unowned = and_(Contact.owner_id.is_(None), Message.created_by_id == wanted.owner_id)
        conditions.append(or_(Contact.owner_id == wanted.owner_id, unowned))
    if wanted.batch_id is not None:
        conditions.append(Message.batch_id == wanted.batch_id)
    if wanted.is_direct:
        conditions.append(Message.batch_id.is_(None))
    if wanted.channel is not None:
        conditions.append(Message.channel == wanted.channel)
    return conditions


def _waits() -> ColumnElement[bool]:
    by_itself = and_(Message.state == _S.HELD, Message.held_until.is_not(None))
    return or_(Message.state.in_([state.value for state in WAITING]), by_itself)


def needs_person() -> ColumnElement[bool]:
    """Messages that go nowhere before a person decides: uncertain ones, and held ones without an end."""
    for_good = and_(Message.state == _S.HELD, Message.held_until.is_(None))
    return or_(Message.state == _S.UNCERTAIN, for_good)


def _calendar_line(row: Any) -> CalendarLine:
    *parts, campaign, at = row
    return CalendarLine(line_of(parts), at, campaign)


def leaving(
    session: Session,
    actor: Actor,
    *,
    wanted: CalendarFilter,
    since: datetime | None = None,
    after: str | None = None,
    limit: int = 50,
) -> Page[CalendarLine]:
    """A page of what will leave, the next first, each with the gate's answer for its moment."""
    lines = _lines(actor, wanted).where(_waits(), LEAVES.is_not(None))
    if since is not None:
        lines = lines.where(since <= LEAVES)
    if after:
        at, last_id = decode_cursor(after, datetime, UUID)
        lines = lines.where(tuple_(LEAVES, Message.id) > (at, last_id))
    rows = session.execute(lines.order_by(LEAVES, Message.id).limit(limit + 1))
    page = page_of([_calendar_line(row) for row in rows], limit=limit, key=lambda row: (row.at, row.line.id))
    return Page(_judged(session, actor, page.items), page.next)


def _judged(session: Session, actor: Actor, lines: list[CalendarLine]) -> list[CalendarLine]:
    asked = {row.line.id: row.at for row in lines}
    found = verdicts_at(session, actor, moments=asked)
    return [replace(row, verdict=found.get(row.line.id)) for row in lines]


def verdicts_at(session: Session, actor: Actor, *, moments: Mapping[UUID, datetime]) -> dict[UUID, Verdict]:
    """The gate's answer for messages, each at its own moment, in a handful of statements for any number of them."""
    if not moments:
        return {}
    house = house_policy(session, actor)
    found = subjects(session, actor, message_ids=list(moments), house=house, at=min(moments.values()))
    return {
        message_id: judge(subject.facts, purpose=subject.purpose, at=moments[message_id], policy=house.gate)
        for message_id, subject in found.items()
    }


def opening(session: Session, actor: Actor, *, message_id: UUID, at: datetime) -> Opening:
    """What speaks against `at` for a message, and when the next moment is at which nothing about time does."""
    asked = verdicts_at(session, actor, moments={message_id: at})[message_id]
    moment, objection = at, hour_objection(asked)
    for _look in range(_LOOKS):
        if objection is None:
            return Opening(asked, moment if moment > at else None)
        if objection.until is None or objection.until <= moment:
            break
        moment = objection.until
        objection = hour_objection(verdicts_at(session, actor, moments={message_id: moment})[message_id])
    return Opening(asked, None)


def figures(session: Session, actor: Actor, *, wanted: CalendarFilter) -> Figures:
    """How much is still to leave, and how much of it needs a person."""
    open_states = [*(state.value for state in WAITING), _S.HELD.value, _S.UNCERTAIN.value]
    waiting, needs = session.execute(
        select(
            func.count().filter(and_(_waits(), LEAVES.is_not(None))),
            func.count().filter(needs_person()),
        )
        .select_from(Message)
        .outerjoin(Contact, Contact.id == Message.contact_id)
        .where(*_chosen(actor, wanted), Message.state.in_(open_states))
    ).one()
    return Figures(waiting, needs)


def needing(session: Session, actor: Actor, *, wanted: CalendarFilter, limit: int = NEEDS_SHOWN) -> list[CalendarLine]:
    """What goes nowhere before a person decides, the oldest first."""
    rows = session.execute(_lines(actor, wanted).where(needs_person()).order_by(LEAVES, Message.id).limit(limit))
    return [_calendar_line(row) for row in rows]


def week_lines(
    session: Session, actor: Actor, *, wanted: CalendarFilter, since: datetime, until: datetime
) -> list[CalendarLine]:
    """The messages of a span outside campaigns, those that left too, in order; at most `WEEK_MOST`."""
    rows = session.execute(
        _lines(actor, wanted)
        .where(*_within(since, until), Message.batch_id.is_(None))
        .order_by(LEAVES, Message.id)
        .limit(WEEK_MOST)
    )
    return [_calendar_line(row) for row in rows]


def _within(since: datetime, until: datetime) -> tuple[ColumnElement[bool], ...]:
    left = and_(Message.state == _S.SENT, Message.planned_at >= since - PUT_OFF_MOST, Message.planned_at < until)
    return or_(_waits(), needs_person(), left), since <= LEAVES, until > LEAVES


def campaign_days(
    session: Session, actor: Actor, *, wanted: CalendarFilter, since: datetime, until: datetime, tz: str
) -> list[CampaignDay]:
    """Each campaign on each day of a span in the zone `tz`, as one block with some faces."""
    day = func.date(func.timezone(tz, LEAVES))
    inside = (*_chosen(actor, wanted), *_within(since, until), Message.batch_id.is_not(None))
    rows = session.execute(
        select(
            Message.batch_id,
            Batch.name,
            day.label("day"),
            func.min(LEAVES).label("first"),
            func.max(LEAVES).label("last"),
            func.count().label("people"),
            func.count().filter(Message.state != _S.SENT).label("waiting"),
            func.count().filter(or_(Message.state == _S.HELD, Message.state == _S.UNCERTAIN)).label("held"),
        )
        .select_from(Message)
        .join(Batch, Batch.id == Message.batch_id)
        .outerjoin(Contact, Contact.id == Message.contact_id)
        .where(*inside)
        .group_by(Message.batch_id, Batch.name, day)
        .order_by(func.min(LEAVES), Message.batch_id)
    ).all()
    faces = _faces(session, day, inside) if rows else {}
    return [CampaignDay(**row._asdict(), faces=tuple(faces.get((row.batch_id, row.day), ()))) for row in rows]


def _faces(session: Session, day: Any, inside: Collection[ColumnElement[bool]]) -> dict[tuple[UUID, date], list[Face]]:
    place = func.row_number().over(partition_by=(Message.batch_id, day), order_by=(LEAVES, Message.id))
    ranked = (
        select(Message.batch_id, day.label("day"), Contact.id, Contact.display_name, place.label("place"))
        .select_from(Message)
        .join(Contact, Contact.id == Message.contact_id)
        .where(*inside)
        .subquery()
    )
    found: dict[tuple[UUID, date], list[Face]] = {}
    for batch_id, on, contact_id, name, _place in session.execute(
        select(ranked).where(ranked.c.place <= FACES).order_by(ranked.c.batch_id, ranked.c.day, ranked.c.place)
    ):
        found.setdefault((batch_id, on), []).append(Face(contact_id, name))
    return found


def waiting_batches(session: Session, actor: Actor, *, limit: int = 100) -> list[tuple[UUID, str]]:
    """The campaigns of which something the actor may see is still to leave, by name."""
    waits = (
        select(Message.batch_id)
        .outerjoin(Contact, Contact.id == Message.contact_id)
        .where(
            Message.workspace_id == actor.workspace_id,
            Message.batch_id == Batch.id,
            or_(_waits(), needs_person()),
            visible_to(actor),
        )
        .correlate(Batch)
        .exists()
    )
    rows = session.execute(select(Batch.id, Batch.name).where(waits).order_by(Batch.name, Batch.id).limit(limit))
    return [(batch_id, name) for batch_id, name in rows]
