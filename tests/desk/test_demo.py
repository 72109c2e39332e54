"""The demo is built by the same use cases as everything else, and its books are in order."""

import re
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
from conftest import House
from sqlalchemy import func, select

from crm.accounts.credentials import Passwords
from crm.accounts.models import User, Workspace
from crm.contacts.models import Contact
from crm.desk import demo
from crm.interactions.kinds import InteractionKind
from crm.interactions.models import Interaction, Task
from crm.loyalty import queries as loyalty
from crm.outreach.models import Conversation, Message
from crm.segments.models import Segment


@pytest.fixture
def built(session):
    now = datetime.now(UTC)
    return demo.build(session, password=Passwords("test").new("lanterna-vetro-porto-filo"), now=now)


def _count(session, model, *where):
    return session.scalar(select(func.count()).select_from(model).where(*where))


def test_the_demo_tells_a_whole_story(session, built):
    assert demo.exists(session)
    assert _count(session, Contact) == 24
    assert _count(session, Interaction) > 150
    assert _count(session, Task) == 4
    assert _count(session, Conversation, Conversation.unanswered_since.is_not(None)) == 1
    assert _count(session, Message, Message.state == "scheduled") == 1
    assert _count(session, Message, Message.state == "in_review") > 10
    assert {row.members for row in session.scalars(select(Segment))} - {None, 0}


@pytest.mark.parametrize(("browser", "heading"), [("en-GB", "Settings"), ("it-IT", "Impostazioni")])
def test_its_owner_reads_the_language_of_their_browser_until_they_choose(signed_in, session, built, browser, heading):
    owner, house = session.get_one(User, built.user_id), session.get_one(Workspace, built.workspace_id)
    client = signed_in(House(house, owner, built))
    assert f"<h1>{heading}</h1>" in _bare(client.get("/settings", headers={"Accept-Language": browser}).text)
    client.post("/preferences", data={"locale": "it"})
    assert "<h1>Impostazioni</h1>" in _bare(client.get("/settings", headers={"Accept-Language": "en-GB"}).text)


def _bare(page):
    """Without attributes."""
    return re.sub(r"<(\w+) [^>]*>", r"<\1>", page)


def test_people_spoke_in_office_hours_whenever_the_demo_is_built(session):
    now = datetime(2026, 3, 4, 22, 30, tzinfo=UTC)
    built = demo.build(session, password=Passwords("test").new("lanterna-vetro-porto-filo"), now=now)

    spoken = [
        InteractionKind.CALL,
        InteractionKind.NOTE,
        InteractionKind.MESSAGE_SENT,
        InteractionKind.MESSAGE_RECEIVED,
    ]
    moments = session.scalars(select(Interaction.happened_at).where(Interaction.kind.in_(spoken))).all()
    local = [moment.astimezone(ZoneInfo(built.time_zone)) for moment in moments]
    assert len(local) > 100
    assert all(moment < now for moment in moments)
    assert [at for at in local if not 9 <= at.hour < 18 or at.isoweekday() > 5] == []
    assert len({at.minute for at in local}) > 20


def test_its_ledger_is_proven(session, built):
    proof = loyalty.verify(session, built)

    assert (proof.members > 10, proof.discrepancies) == (True, [])
