"""Owns the mail about the inbox that a colleague chose: when the next digest is due, and taking one, once a day."""

from dataclasses import dataclass
from datetime import datetime, time, timedelta
from typing import Final
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from crm.accounts import queries as accounts
from crm.accounts.models import User
from crm.accounts.rules import Actor
from crm.clock import local_day, local_instant
from crm.interactions import queries as interactions
from crm.outreach import queries
from crm.outreach.inbox_models import InboxNotice
from crm.outreach.letters import Waiting

#: Lines of each kind in a digest; the inbox has the rest.
SHOWN: Final = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Digest:
    """To whom a digest goes, and what waits for them."""

    to_address: str
    to_name: str
    locale: str
    house: str
    answers: list[Waiting]
    complaints: list[Waiting]
    promises: list[Waiting]


def notice_of(session: Session, actor: Actor) -> InboxNotice | None:
    """What the actor chose; None is nothing."""
    return session.scalars(select(InboxNotice).where(InboxNotice.user_id == actor.user_id)).one_or_none()


def choose_notices(
    session: Session, actor: Actor, *, digest_hour: int | None, key_answers: bool, now: datetime
) -> InboxNotice:
    """Keep what the actor wants; `digest_hour` is an hour of its own clock, None for no digest."""
    row = session.scalars(
        select(InboxNotice).where(InboxNotice.user_id == actor.user_id).with_for_update()
    ).one_or_none()
    if row is None:
        row = InboxNotice(user_id=actor.user_id)
        session.add(row)
    row.digest_hour, row.key_answers = digest_hour, key_answers
    row.due_at = None if digest_hour is None else next_digest(row, tz=actor.time_zone, now=now)
    session.flush()
    return row


def next_digest(row: InboxNotice, *, tz: str, now: datetime) -> datetime:
    """The next moment of the chosen hour on a local day that has had no digest yet.

    An hour that daylight saving skips comes with the clock, of a repeated one the first counts (`local_instant`).
    """
    day = local_day(now, tz=tz)
    while True:
        at = local_instant(day, time(row.digest_hour or 0), tz=tz)
        if at > now and (row.sent_on is None or day > row.sent_on):
            return at
        day += timedelta(days=1)


def take_digest(session: Session, *, workspace_id: UUID, user_id: UUID, now: datetime) -> Digest | None:
    """The digest that is due for this user, which is theirs no second time; None when none is due or nothing waits.

    The caller commits before it sends: a crash between the two loses a digest, and never doubles one.
    """
    row = session.scalars(
        select(InboxNotice)
        .where(InboxNotice.user_id == user_id, InboxNotice.due_at.is_not(None), InboxNotice.due_at <= now)
        .with_for_update(skip_locked=True)
    ).one_or_none()
    actor = accounts.member_actor(session, workspace_id=workspace_id, user_id=user_id)
    if row is None:
        return None
    if actor is None or row.digest_hour is None:
        row.due_at = None
        session.flush()
        return None
    today = local_day(now, tz=actor.time_zone)
    is_first = row.sent_on is None or today > row.sent_on
    if is_first:
        row.sent_on = today
    row.due_at = next_digest(row, tz=actor.time_zone, now=now)
    session.flush()
    return _digest(session, actor, now=now) if is_first else None


def _digest(session: Session, actor: Actor, *, now: datetime) -> Digest | None:
    user = session.get_one(User, actor.user_id)
    unanswered = queries.InboxFilter(only_unanswered=True, is_concerning=True)
    lines = queries.conversations(session, actor, where=unanswered, limit=SHOWN).items
    unhappy = queries.conversations(session, actor, where=queries.InboxFilter(is_negative=True), limit=SHOWN).items
    today = local_day(now, tz=actor.time_zone)
    due = interactions.TaskFilter(assignee_id=actor.user_id, promises_only=True, awake_at=now, due_until=today)
    tasks = interactions.list_tasks(session, actor, where=due, limit=SHOWN).items
    found = Digest(
        to_address=user.email,
        to_name=user.name,
        locale=actor.locale,
        house=accounts.workspace(session, actor).name,
        answers=[Waiting(line.name or line.address, line.last_words or line.subject) for line in lines],
        complaints=[Waiting(line.name, line.last_words or line.subject) for line in unhappy if line.negative_since],
        promises=[Waiting(task.contact_name or task.company_name, task.title) for task in tasks],
    )
    return found if found.answers or found.complaints or found.promises else None
