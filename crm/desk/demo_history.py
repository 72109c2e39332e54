"""Owns two years of the demo: calls, notes, comments and e-mail, the same every time."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from random import Random

from sqlalchemy.orm import Session

from crm.accounts.rules import Actor
from crm.channels.base import ChannelKind
from crm.contacts.models import Contact
from crm.desk.demo_people import COMMENTS, EXCHANGES, NOTES, PEOPLE
from crm.interactions import services as interactions
from crm.interactions.kinds import Direction, InteractionKind, Sentiment, Visibility
from crm.interactions.services import Entry


@dataclass(frozen=True, slots=True)
class Stage:
    """What the scenes of the demo share."""

    session: Session
    actor: Actor
    now: datetime
    random: Random


def tell(stage: Stage, people: Sequence[Contact]) -> None:
    """Two years of calls, notes, comments and e-mail, more for those who matter more."""
    entries: list[Entry] = []
    comments: list[Entry] = []
    for index, contact in enumerate(people):
        times = {"key": 9, "high": 6}.get(contact.importance, 3)
        for _ in range(times):
            start = stage.now - timedelta(days=stage.random.randint(6, 690), hours=stage.random.randint(1, 8))
            entries += _scene(stage, contact, start)
        if PEOPLE[index].instagram:
            comments += _comments(stage, contact)
    entries.sort(key=lambda entry: entry.happened_at)
    interactions.log_many(stage.session, stage.actor, entries=entries, now=stage.now)
    for comment in sorted(comments, key=lambda entry: entry.happened_at):
        # Logged when it was written, so that its points are dated then.
        interactions.log_many(stage.session, stage.actor, entries=[comment], now=comment.happened_at)


def _scene(stage: Stage, contact: Contact, start: datetime) -> list[Entry]:
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
    return [
        Entry(
            kind=InteractionKind.MESSAGE_SENT if who == "out" else InteractionKind.MESSAGE_RECEIVED,
            contact_id=contact.id,
            happened_at=start + timedelta(hours=5 * step),
            direction=Direction.OUTBOUND if who == "out" else Direction.INBOUND,
            channel=ChannelKind.EMAIL,
            subject="Report di solvibilità",
            body=words.format(name=contact.first_name),
        )
        for step, (who, words) in enumerate(scene)
        if start + timedelta(hours=5 * step) < stage.now - timedelta(days=5)
    ]


def _comments(stage: Stage, contact: Contact) -> list[Entry]:
    return [
        Entry(
            kind=InteractionKind.COMMENT,
            contact_id=contact.id,
            happened_at=stage.now - timedelta(days=stage.random.randint(5, 300)),
            direction=Direction.INBOUND,
            channel=ChannelKind.INSTAGRAM,
            body=stage.random.choice(COMMENTS),
            sentiment=Sentiment.POSITIVE,
            visibility=Visibility.PUBLIC,
            external_id=f"demo-{contact.id}-{number}",
        )
        for number in range(stage.random.randint(2, 4))
    ]
