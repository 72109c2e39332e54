"""Builders of campaigns: set up, prepared, approved, on their way, answered."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any
from uuid import UUID

from factories import outreach
from sqlalchemy import select
from sqlalchemy.orm import Session

from crm.accounts.rules import Actor
from crm.campaigns import services
from crm.campaigns.inputs import ScheduleInput, TextInput, WordsInput
from crm.campaigns.kinds import ScheduleKind
from crm.campaigns.models import Campaign, Recipient
from crm.channels.base import Outcome, OutcomeKind
from crm.filters.schema import parse
from crm.outreach.models import Message
from crm.outreach.services.claim import claim, finish
from crm.outreach.services.wave import Finished, wave
from crm.segments import services as segments
from crm.segments.models import Segment

NOW = datetime(2026, 11, 23, 10, 0, tzinfo=UTC)
SUBJECT = "First of all, {{ contact.first_name }}"
BODY = "Good morning {{ contact.first_name }},\n\nthe new reports are here."
ACCEPTED = Outcome(kind=OutcomeKind.ACCEPTED, code="accepted", remote_id="queue-1")
_numbers = count(1)

NAMES = ("Ann Bo", "Bea Conti", "Carl Dini", "Dora Este", "Ezio Fabbri", "Fay Galli", "Gino Heer", "Hans Irti")


def people(session: Session, actor: Actor, count: int = 3, *, now: datetime = NOW) -> list[UUID]:
    """Reachable people who agreed to promotions by e-mail, in the order of their names."""
    return [
        outreach.person(
            session,
            actor,
            f"{NAMES[n % 8]}{n // 8 or ''}",
            email=f"person{next(_numbers)}@example.com",
        )
        for n in range(count)
    ]


def segment(session: Session, actor: Actor, rule: dict[str, Any], *, now: datetime = NOW) -> Segment:
    """A live segment."""
    return segments.create(session, actor, name=f"segment {rule}"[:80], rule=parse(rule), now=now)


def campaign(
    session: Session,
    actor: Actor,
    contact_ids: Sequence[UUID] = (),
    *,
    subject: str = SUBJECT,
    body: str = BODY,
    now: datetime = NOW,
    **fields: Any,
) -> Campaign:
    """A campaign with its words, for hand-picked people; `fields` as `services.create`."""
    made = services.create(
        session, actor, name=fields.pop("name", "Preview of the reports"), contact_ids=contact_ids, now=now, **fields
    )
    words = WordsInput(texts=[TextInput(subject=subject, body=body)])
    return services.write_words(session, actor, campaign_id=made.id, data=words, now=now)


def prepared(session: Session, actor: Actor, count: int = 3, *, now: datetime = NOW, **fields: Any) -> Campaign:
    """A campaign whose drafts wait for review."""
    made = campaign(session, actor, people(session, actor, count, now=now), now=now, **fields)
    services.prepare(session, actor, campaign_id=made.id, now=now)
    return made


def scheduled(session: Session, actor: Actor, count: int = 3, *, now: datetime = NOW, **fields: Any) -> Campaign:
    """A campaign whose drafts are approved and leave an hour after `now`."""
    made = prepared(session, actor, count, now=now, **fields)
    services.approve(session, actor, campaign_id=made.id, now=now)
    data = ScheduleInput(kind=ScheduleKind.AT, at=now + timedelta(hours=1))
    services.schedule(session, actor, campaign_id=made.id, data=data, now=now)
    return made


def send(
    session: Session, actor: Actor, account_id: UUID, *, now: datetime, answer: Outcome = ACCEPTED, most: int = 500
) -> list[UUID]:
    """Let the sender take what is due and end each with the same answer; returns the messages it tried."""
    claimed = claim(session, actor, account_id=account_id, worker="test", lease=timedelta(seconds=120), now=now)
    if claimed is None:
        return []
    started = wave(session, actor, claimed=claimed, finished=[], following=claimed.items[:most], now=now).started
    done = [Finished(each, answer) for each in started]
    wave(session, actor, claimed=claimed, finished=done, following=[], now=now)
    finish(session, actor, claim_id=claimed.claim_id, now=now)
    return [each.item.message_id for each in started]


def recipient(session: Session, campaign: Campaign, position: int = 0) -> Recipient:
    """The recipient at a position."""
    return session.scalars(
        select(Recipient)
        .where(Recipient.campaign_id == campaign.id, Recipient.position == position)
        .execution_options(populate_existing=True)
    ).one()


def message(session: Session, campaign: Campaign, position: int = 0) -> Message:
    """The message of the recipient at a position."""
    found = recipient(session, campaign, position)
    assert found.message_id is not None
    return session.get_one(Message, found.message_id, populate_existing=True)


def messages(session: Session, campaign: Campaign) -> list[Message]:
    """All messages of a campaign in the order of its recipients."""
    return list(
        session.scalars(
            select(Message)
            .join(Recipient, Recipient.message_id == Message.id)
            .where(Recipient.campaign_id == campaign.id)
            .order_by(Recipient.position)
            .execution_options(populate_existing=True)
        )
    )
