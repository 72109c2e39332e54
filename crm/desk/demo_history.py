"""Owns two years of the demo: calls, notes, comments and e-mail, the same every time."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from random import Random
from typing import Final

from sqlalchemy.orm import Session

from crm.accounts.rules import Actor
from crm.channels.base import ChannelKind
from crm.clock import local_day, local_instant
from crm.contacts.models import Contact
from crm.desk.demo_people import COMMENTS, EXCHANGES, NOTES, PEOPLE
from crm.interactions import services as interactions
from crm.interactions.kinds import Direction, InteractionKind, Sentiment, Visibility
from crm.interactions.services import Entry

#: The first and the last hour in which somebody picks up the phone.
HOURS: Final = (9, 16)
FRIDAY: Final = 5


@dataclass(frozen=True, slots=True)
class Stage:
    """What the scenes of the demo share."""

    session: Session
    actor: Actor
    now: datetime
    random: Random

    def at_work(self, *, days_ago: int, later: int, hour: int) -> datetime:
        """A moment of office hours in the workspace's time zone, so many days ago at an hour of its clock.

        A weekend counts as the Friday before it; `later` is how many working days come behind that. The time of day at
        which the demo is built has no part in it; the minutes are made of what is given.
        """
        day = local_day(self.now, tz=self.actor.time_zone) - timedelta(days=days_ago)
        day -= timedelta(days=max(0, day.isoweekday() - FRIDAY))
        for _ in range(later):
            day += timedelta(days=1 if day.isoweekday() < FRIDAY else 3)
        return local_instant(day, time(hour, (days_ago * 7 + hour * 11) % 60), tz=self.actor.time_zone)


def tell(stage: Stage, people: Sequence[Contact]) -> None:
    """Two years of calls, notes, comments and e-mail, more for those who matter more."""
    entries: list[Entry] = []
    comments: list[Entry] = []
    for index, contact in enumerate(people):
        times = {"key": 9, "high": 6}.get(contact.importance, 3)
        for _ in range(times):
            days_ago, hour = stage.random.randint(6, 690), stage.random.randint(*HOURS)
            entries += _scene(stage, contact, days_ago, hour)
        if PEOPLE[index].instagram:
            comments += _comments(stage, contact)
    entries.sort(key=lambda entry: entry.happened_at)
    interactions.log_many(stage.session, stage.actor, entries=entries, now=stage.now)
    for comment in sorted(comments, key=lambda entry: entry.happened_at):
        # Logged when it was written, so that its points are dated then.
        interactions.log_many(stage.session, stage.actor, entries=[comment], now=comment.happened_at)


def _scene(stage: Stage, contact: Contact, days_ago: int, hour: int) -> list[Entry]:
    start = stage.at_work(days_ago=days_ago, later=0, hour=hour)
    draw = stage.random.random()
    if draw < 0.2:  # noqa: PLR2004 - a fifth are notes.
        body = stage.random.choice(NOTES)
        return [Entry(kind=InteractionKind.NOTE, contact_id=contact.id, happened_at=start, body=body)]
    if draw < 0.45:  # noqa: PLR2004 - a quarter are calls.
        return [
            Entry(
                kind=InteractionKind.CALL,
                contact_id=contact.id,
                happened_at=start,
                direction=stage.random.choice([Direction.OUTBOUND, Direction.INBOUND]),
                channel=ChannelKind.PHONE,
                duration_minutes=stage.random.randint(3, 25),
                body="Parlato dei prossimi report e dei tempi di consegna.",
            )
        ]
    scene = stage.random.choice(EXCHANGES)
    # One of us writes in the morning, the other answers in the afternoon, and so on.
    moments = [
        stage.at_work(days_ago=days_ago, later=step // 2, hour=9 + hour % 3 + (5 if step % 2 else 0))
        for step in range(len(scene))
    ]
    return [
        Entry(
            kind=InteractionKind.MESSAGE_SENT if who == "out" else InteractionKind.MESSAGE_RECEIVED,
            contact_id=contact.id,
            happened_at=at,
            direction=Direction.OUTBOUND if who == "out" else Direction.INBOUND,
            channel=ChannelKind.EMAIL,
            subject="Report di solvibilità",
            body=words.format(name=contact.first_name),
        )
        for at, (who, words) in zip(moments, scene, strict=True)
        if at < stage.now - timedelta(days=5)
    ]


def _comments(stage: Stage, contact: Contact) -> list[Entry]:
    return [
        Entry(
            kind=InteractionKind.COMMENT,
            contact_id=contact.id,
            happened_at=stage.at_work(days_ago=stage.random.randint(5, 300), later=0, hour=13 + number),
            direction=Direction.INBOUND,
            channel=ChannelKind.INSTAGRAM,
            body=stage.random.choice(COMMENTS),
            sentiment=Sentiment.POSITIVE,
            visibility=Visibility.PUBLIC,
            external_id=f"demo-{contact.id}-{number}",
        )
        for number in range(stage.random.randint(2, 4))
    ]
