"""Owns what waits for a person today: one bounded statement per kind, read by the page and counted for the menu."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import ARRAY, ColumnElement, DateTime, Select, exists, func, literal, null, or_, select
from sqlalchemy.dialects.postgresql import distinct_on
from sqlalchemy.orm import Session

from crm.accounts.rules import Actor
from crm.campaigns.models import Campaign
from crm.clock import end_of_day, local_day
from crm.contacts import queries as contacts
from crm.contacts.models import Contact, Fact
from crm.contacts.queries import Scope
from crm.desk import occasions
from crm.desk.cooling import cooling
from crm.desk.queue_sources import (
    MOST,
    Kind,
    View,
    Waiting,
    birthday_line,
    birthdays,
    by_hand,
    complaint_line,
    complaints,
    draft_line,
    drafts,
    due_tasks,
    held,
    message_line,
    offer_line,
    offers,
    replies,
    reply_line,
    reviews,
    rhythm_line,
    rhythms,
    task_line,
    uncertain,
)
from crm.interactions.keeping_models import Cadence, SetAside
from crm.interactions.models import Interaction, Task
from crm.loyalty.models import Offer
from crm.outreach.kinds import MessageDirection
from crm.outreach.models import Conversation, Message, MessageText


def queue(session: Session, actor: Actor, *, is_mine: bool, now: datetime) -> dict[Kind, list[Waiting]]:
    """What waits, by kind in the order of urgency, each with at most `MOST` lines; nothing for who sees nobody."""
    if contacts.scope(actor) is Scope.NOTHING:
        return {kind: [] for kind in Kind}
    view = view_of(actor, is_mine=is_mine, now=now)
    found = {
        kind: [replace(source.make(row), news=row.news) for row in session.execute(asked(view, kind).limit(MOST))]
        for kind, source in SOURCES.items()
    }
    found[Kind.REPLY] = _with_words(session, found[Kind.REPLY])
    found[Kind.QUIET] = cooling(session, view)
    return found


def view_of(actor: Actor, *, is_mine: bool, now: datetime) -> View:
    """What the reader's queue is asked with at a moment."""
    today = local_day(now, tz=actor.time_zone)
    starts, ends = occasions.spans(today, tz=actor.time_zone)
    moments = ARRAY(DateTime(timezone=True))
    tonight = end_of_day(today, tz=actor.time_zone)
    return View(actor, is_mine, now, today, tonight, literal(starts, moments), literal(ends, moments))


def _with_words(session: Session, rows: list[Waiting]) -> list[Waiting]:
    """The replies with the last words of each person in place of the subject."""
    if not rows:
        return rows
    words = session.execute(
        select(Message.conversation_id, MessageText.body)
        .join(MessageText, MessageText.message_id == Message.id)
        .where(
            Message.conversation_id.in_([row.id for row in rows]),
            Message.direction == MessageDirection.INBOUND,
        )
        .ext(distinct_on(Message.conversation_id))
        .order_by(Message.conversation_id, Message.created_at.desc())
    )
    last = {row.conversation_id: row.body for row in words}
    return [replace(row, text=last.get(row.id) or row.text) for row in rows]


@dataclass(frozen=True, slots=True)
class Source:
    """A kind of waiting: its statement, the line made of a row, what the line is about, whose it is, its news."""

    wanted: Callable[[View], Select[*tuple[Any, ...]]]
    make: Callable[[Any], Waiting]
    about: Any
    person: Any
    news: Callable[[View], Any]
    #: Of several rows about one thing the order says which one stands, also where rows are only counted.
    keeps_order: bool = False

    @property
    def who(self) -> ColumnElement[UUID]:
        """The person, or the thing itself: lines of one of them are one line of the page."""
        return func.coalesce(self.person, self.about)


def asked(view: View, kind: Kind) -> Select[*tuple[Any, ...]]:
    """The statement of a kind without what the reader set aside, unless something newer happened since."""
    source = SOURCES[kind]
    news = source.news(view)
    aside = is_aside(view, kind, about=source.about, news=news)
    return source.wanted(view).add_columns(news.label("news")).where(~aside)


def is_aside(view: View, kind: Kind, *, about: Any, news: Any) -> ColumnElement[bool]:
    """Whether the reader set this thing aside and nothing happened since; `news` is when something last did."""
    return exists().where(
        SetAside.user_id == view.actor.user_id,
        SetAside.kind == kind.value,
        SetAside.object_id == about,
        SetAside.mark >= news,
        or_(SetAside.until.is_(None), SetAside.until > view.now),
    )


def _of_message(wanted: Callable[[View], Select[*tuple[Any, ...]]], kind: Kind) -> Source:
    return Source(wanted, message_line(kind), Message.id, Message.contact_id, lambda _view: Message.created_at)


def _due_day(_view: View) -> Any:
    """The due day as a moment: a task that is put on another day is news."""
    return func.timezone("UTC", func.coalesce(Task.due_on, func.date(Task.created_at)).cast(DateTime))


SOURCES: Final[dict[Kind, Source]] = {
    Kind.REPLY: Source(
        replies,
        reply_line,
        Conversation.id,
        Conversation.contact_id,
        lambda _view: func.coalesce(Conversation.last_inbound_at, Conversation.unanswered_since),
    ),
    Kind.COMPLAINT: Source(
        complaints, complaint_line, Interaction.id, Interaction.contact_id, lambda _view: Interaction.created_at
    ),
    Kind.UNCERTAIN: _of_message(uncertain, Kind.UNCERTAIN),
    Kind.HELD: _of_message(held, Kind.HELD),
    Kind.DRAFTS: Source(
        drafts, draft_line, Campaign.id, null(), lambda _view: func.coalesce(Campaign.prepared_at, Campaign.created_at)
    ),
    Kind.REVIEW: _of_message(reviews, Kind.REVIEW),
    Kind.BY_HAND: _of_message(by_hand, Kind.BY_HAND),
    Kind.TASK: Source(due_tasks, task_line, Task.id, Task.contact_id, _due_day),
    Kind.DATE: Source(
        birthdays,
        birthday_line,
        Contact.id,
        Contact.id,
        occasions.morning,
    ),
    Kind.CUSTOMER: Source(
        occasions.customers_since, occasions.year_line(Kind.CUSTOMER), Contact.id, Contact.id, occasions.morning
    ),
    Kind.ANNIVERSARY: Source(
        occasions.known_since, occasions.year_line(Kind.ANNIVERSARY), Contact.id, Contact.id, occasions.morning
    ),
    Kind.JOB: Source(occasions.new_jobs, occasions.job_line, Contact.id, Contact.id, occasions.job_news),
    Kind.CADENCE: Source(rhythms, rhythm_line, Contact.id, Contact.id, lambda _view: Cadence.due_at),
    Kind.OFFER: Source(offers, offer_line, Offer.id, null(), lambda _view: Offer.valid_until),
    Kind.NEWS: Source(
        occasions.found_lately, occasions.found_line, Fact.id, Contact.id, occasions.found_at, keeps_order=True
    ),
}
"""What waits for somebody, by kind."""

__all__ = ["MOST", "SOURCES", "Kind", "Source", "View", "Waiting", "asked", "queue", "view_of"]
