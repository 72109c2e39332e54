"""The last step of the first run: the demo, a list of one's own, or nothing, each ending on Today."""

import pytest
from factories.contacts import contact
from sqlalchemy import func, select

from crm.accounts.models import Membership, User, Workspace
from crm.contacts.models import Contact
from crm.db import enter_workspace
from crm.outreach.models import Conversation, Message, SenderAccount

FORM = {
    "workspace_name": "Bottega Rossi",
    "name": "Ada Rossi",
    "email": "ada@example.com",
    "password": "correct horse battery",
    "locale": "en",
    "time_zone": "Europe/Rome",
}


@pytest.fixture
def wizard(anonymous, session):
    """A browser behind the first step."""
    anonymous.post("/setup", data=FORM)
    enter_workspace(session, session.scalars(select(User.last_workspace_id)).one())
    return anonymous


def people(session):
    return session.scalar(select(func.count()).select_from(Contact))


def test_the_last_step_offers_the_demo_a_list_and_an_empty_workspace(wizard):
    page = wizard.get("/setup/people").text
    assert 'action="/setup/demo"' in page
    assert 'href="/imports/new"' in page
    assert 'action="/setup/finish"' in page


def test_the_demo_fills_the_own_workspace_and_ends_on_today(wizard, session):
    answer = wizard.post("/setup/demo")
    assert (answer.status_code, answer.location) == (303, "/")
    session.expire_all()
    house = session.scalars(select(Workspace)).one()
    assert (house.name, house.is_demo, house.set_up_at is not None) == ("Bottega Rossi", True, True)
    assert people(session) == 24
    today = wizard.get("/")
    assert "Chiara Moretti" in today.text
    assert "The demo is ready" in today.text


def test_the_demo_makes_nobody_a_colleague(wizard, session):
    wizard.post("/setup/demo")
    assert session.scalar(select(func.count()).select_from(Membership)) == 1
    assert len(set(session.scalars(select(Contact.owner_id)))) == 1


def test_the_demo_uses_the_sandbox_of_the_second_step(wizard, session):
    wizard.post("/settings/channels/sandbox")
    wizard.post("/setup/demo")
    assert session.scalars(select(SenderAccount.is_sandbox)).all() == [True]


def test_nothing_of_the_demo_leaves_by_a_mailbox_that_was_connected_before(wizard, session):
    mailbox = {"name": "Shop", "address": "shop@example.com", "host": "mail.invalid", "port": "587"}
    assert wizard.post("/settings/channels/new?setup=1", data={**mailbox, "security": "starttls"}).status_code == 303
    wizard.post("/setup/demo")
    from_sandbox = select(SenderAccount.is_sandbox, func.count()).join(Message, Message.account_id == SenderAccount.id)
    counts = dict(session.execute(from_sandbox.group_by(SenderAccount.is_sandbox)).all())
    assert set(counts) == {True}
    assert counts[True] > 10


def test_the_demo_is_told_once(wizard, session):
    wizard.post("/setup/demo")
    again = wizard.post("/setup/demo")
    assert again.location == "/"
    assert people(session) == 24


def test_an_empty_workspace_ends_on_today_too(wizard, session):
    assert wizard.post("/setup/finish").location == "/"
    assert wizard.get("/").status_code == 200
    assert people(session) == 0


def test_the_demo_never_falls_on_people_of_one_s_own(client, session, actor):
    contact(session, actor, "Ann Bo")
    client.post("/setup/demo")
    assert people(session) == 1


def test_who_wrote_yesterday_in_the_demo_waits_since_yesterday(wizard, session):
    wizard.post("/setup/demo")
    waiting = session.scalars(select(Conversation).where(Conversation.unanswered_since.is_not(None))).one()
    assert waiting.last_at == waiting.last_inbound_at == waiting.unanswered_since
    assert waiting.last_at < waiting.created_at
