"""The demo is built by the same use cases as everything else, and its books are in order."""

import re
from datetime import UTC, datetime

import pytest
from conftest import House
from sqlalchemy import func, select

from crm.accounts.credentials import Passwords
from crm.accounts.models import User, Workspace
from crm.contacts.models import Contact
from crm.desk import demo
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


def test_its_ledger_is_proven(session, built):
    proof = loyalty.verify(session, built)

    assert (proof.members > 10, proof.discrepancies) == (True, [])
