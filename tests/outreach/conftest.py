"""A house with one e-mail account and somebody to write to."""

from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import UUID

import pytest
from factories import outreach
from sqlalchemy.orm import Session

from crm.accounts.rules import Actor
from crm.events import Event
from crm.outreach.models import SenderAccount

#: A Monday morning in office hours, when nothing stops a promotion.
NOW = datetime(2026, 11, 23, 10, 0, tzinfo=UTC)


@dataclass(frozen=True)
class Desk:
    """What most tests need."""

    session: Session
    actor: Actor
    account: SenderAccount
    contact_id: UUID


@pytest.fixture
def desk(session, actor) -> Desk:
    account = outreach.account(session, actor, now=NOW)
    return Desk(session, actor, account, outreach.person(session, actor, now=NOW))


@pytest.fixture
def told(session) -> list[Event]:
    """Every event that is published from here on, beside its usual handlers."""
    known = session.info["handlers"]
    events: list[Event] = []

    class Listening:
        def publish(self, session: Session, event: Event) -> None:
            events.append(event)
            known.publish(session, event)

    session.info["handlers"] = Listening()
    return events
