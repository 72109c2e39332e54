"""Owns the quiet figures beside Today: the last seven days, and the people who matter."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import and_, func, or_, select, true
from sqlalchemy.orm import Session, aliased

from crm.accounts.rules import Actor
from crm.clock import local_day
from crm.contacts import queries as contacts
from crm.contacts.kinds import Importance
from crm.contacts.models import Contact
from crm.desk.queue_sources import QUIET_DAYS
from crm.interactions.kinds import InteractionKind, Visibility
from crm.interactions.models import Interaction, Task
from crm.outreach.kinds import MessageState
from crm.outreach.models import Message

SPAN: Final = timedelta(days=7)


@dataclass(frozen=True, slots=True, kw_only=True)
class Week:
    """Seven days in figures; `answer_minutes` is the median time to an answer, None without one."""

    written: int
    answered: int
    answer_minutes: int | None
    promises: int
    promises_kept: int
    key_people: int
    key_people_quiet: int


def week(session: Session, actor: Actor, *, is_mine: bool, now: datetime) -> Week:
    """The figures of the actor, or of the team, in three statements that read everything of the week."""
    written, answered = session.execute(_exchanges(actor, is_mine=is_mine, now=now)).one()
    kept, promised = session.execute(_promises(actor, is_mine=is_mine, now=now)).one()
    minutes, key, quiet = session.execute(
        select(_answer_minutes(actor, is_mine=is_mine, now=now), *_key_people(actor, is_mine=is_mine, now=now))
    ).one()
    return Week(
        written=written,
        answered=answered,
        answer_minutes=round(minutes) if minutes is not None else None,
        promises=promised,
        promises_kept=kept,
        key_people=key,
        key_people_quiet=quiet,
    )


def _exchanges(actor: Actor, *, is_mine: bool, now: datetime):  # noqa: ANN202 - a Select of two counts.
    wrote = Interaction.kind == InteractionKind.MESSAGE_SENT
    heard = and_(Interaction.kind == InteractionKind.MESSAGE_RECEIVED, Interaction.is_automatic.is_(False))
    if is_mine:
        wrote = and_(wrote, Interaction.author_id == actor.user_id)
        heard = and_(heard, or_(Contact.owner_id == actor.user_id, Contact.owner_id.is_(None)))
    return (
        select(
            func.count(Interaction.contact_id.distinct()).filter(wrote),
            func.count(Interaction.contact_id.distinct()).filter(heard),
        )
        .join(Contact, Contact.id == Interaction.contact_id)
        .where(
            Interaction.kind.in_([InteractionKind.MESSAGE_SENT, InteractionKind.MESSAGE_RECEIVED]),
            Interaction.happened_at > now - SPAN,
            Interaction.removed_at.is_(None),
            Interaction.visibility != Visibility.PRIVATE,
            contacts.alive(actor),
        )
    )


def _promises(actor: Actor, *, is_mine: bool, now: datetime):  # noqa: ANN202 - a Select of two counts.
    """Promises that were due in the span, and those of them that were done by their day."""
    today = local_day(now, tz=actor.time_zone)
    done_on = func.date(func.timezone(actor.time_zone, Task.done_at))
    return (
        select(func.count().filter(done_on <= Task.due_on), func.count())
        .select_from(Task)
        .outerjoin(Contact, Contact.id == Task.contact_id)
        .where(
            Task.is_promise.is_(True),
            Task.due_on > today - SPAN,
            or_(Task.due_on < today, Task.done_at.is_not(None)),
            Task.due_on <= today,
            Task.assignee_id == actor.user_id if is_mine else true(),
            or_(Task.contact_id.is_(None), contacts.alive(actor)),
        )
    )


def _answer_minutes(actor: Actor, *, is_mine: bool, now: datetime):  # noqa: ANN202 - a scalar subquery.
    """The median of minutes between a received message and the answer to it."""
    asked = aliased(Message)
    minutes = func.extract("epoch", Message.sent_at - asked.created_at) / 60
    return (
        select(func.percentile_cont(0.5).within_group(minutes))
        .join(asked, asked.id == Message.in_reply_to_id)
        .where(
            Message.state == MessageState.SENT,
            Message.planned_at > now - SPAN,
            asked.state == MessageState.RECEIVED,
            Message.created_by_id == actor.user_id if is_mine else true(),
        )
        .scalar_subquery()
    )


def _key_people(actor: Actor, *, is_mine: bool, now: datetime):  # noqa: ANN202 - two scalar subqueries.
    mine = Contact.owner_id == actor.user_id if is_mine else true()
    key = select(func.count()).where(Contact.importance == Importance.KEY, contacts.alive(actor), mine)
    last = Contact.last_interaction_at
    quiet = key.where(or_(last.is_(None), last < now - timedelta(days=QUIET_DAYS)))
    return key.scalar_subquery(), quiet.scalar_subquery()
