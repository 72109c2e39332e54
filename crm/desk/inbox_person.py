"""What stands about a person beside their conversation; the inbox asks for it and knows no domain above its own."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from flask import Flask

from crm.accounts.guards import current_actor
from crm.contacts import queries as contacts
from crm.contacts.models import Contact
from crm.desk.contact_page import Shown, lines_by_day
from crm.desk.keeping import Keeping, keeping
from crm.desk.planned import planned
from crm.interactions import queries as interactions
from crm.interactions.queries import Purchases
from crm.loyalty import queries as loyalty
from crm.outreach.kinds import MessageState
from crm.outreach.queries import MessageLine
from crm.segments import queries as segments
from crm.segments.models import Segment
from crm.web.sessions import current_session, request_now

#: How many of the last things are told.
BEFORE: Final = 3
YEAR: Final = timedelta(days=365)


@dataclass(frozen=True, slots=True, kw_only=True)
class Beside:
    """A person beside their conversation."""

    person: Contact
    keeping: Keeping
    standing: loyalty.Standing | None
    purchases: Purchases
    before: list[Shown]
    held: list[MessageLine]
    planned: list[MessageLine]
    segments: Sequence[Segment]
    now: datetime


def init_app(app: Flask) -> None:
    """Let the inbox ask for a person."""
    app.add_template_global(beside, "person_beside")


def beside(contact_id: UUID) -> Beside | None:
    """Everything the column shows of a person; None for one who is deleted or can't be seen."""
    session, actor, now = current_session(), current_actor(), request_now()
    person = contacts.contacts(session, actor, contact_ids=[contact_id]).get(contact_id)
    if person is None:
        return None
    agreed = planned(session, actor, contact_ids=[contact_id]).get(contact_id, [])
    page = interactions.timeline(session, actor, contact_id=contact_id, limit=BEFORE)
    return Beside(
        person=person,
        keeping=keeping(session, actor, contact_id=contact_id, now=now),
        standing=loyalty.standing(session, actor, contact_id=contact_id, now=now),
        purchases=interactions.purchases_of(session, actor, contact_id=contact_id, since=now - YEAR),
        before=[shown for _day, lines in lines_by_day(page.items) for shown in lines],
        held=[line for line in agreed if line.state is MessageState.HELD],
        planned=[line for line in agreed if line.state is not MessageState.HELD],
        segments=segments.segments_of(session, actor, contact_id=contact_id),
        now=now,
    )
