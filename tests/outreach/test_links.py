"""A person's own link is in what they get, and in nothing that colleagues can read."""

import re
import string
from uuid import uuid4

import pytest
from conftest import House
from factories import campaigns, outreach
from sqlalchemy import select

from crm.campaigns import services as campaign_services
from crm.channels.base import ChannelKind
from crm.consent.kinds import Purpose
from crm.db import database_now
from crm.outreach import services
from crm.outreach.links import Links, PreferenceToken, hide_tokens
from crm.outreach.models import FrozenContent, MessageText
from crm.outreach.setup import links

TOKEN = re.compile(r"/[pu]/[A-Za-z0-9_-]{40,}")
LINKS = Links("https://crm.example", b"k" * 32)
URL_SAFE = string.ascii_letters + string.digits + "-_"


def token_in(text: str):
    """Whose preferences the first link of a text opens."""
    found = re.search(r"/p/([A-Za-z0-9_-]{40,})", text)
    assert found is not None, text
    return links().read_preference_token(found[1])


@pytest.fixture
def account(session, actor):
    return outreach.account(session, actor)


@pytest.fixture
def clock(session):
    return database_now(session)


def test_the_draft_holds_no_token_and_what_leaves_holds_the_person_s(client, session, actor, account, clock):
    body = "Hi {{ contact.first_name }}, [choose]({{ links.preferences }})."
    people = campaigns.people(session, actor, 1, now=clock)
    campaign = campaigns.campaign(session, actor, people, body=body, now=clock)
    campaign_services.prepare(session, actor, campaign_id=campaign.id, now=clock)
    draft = session.scalars(select(MessageText)).one()
    review = client.get(f"/campaigns/{campaign.id}/review").text
    assert TOKEN.search(draft.body) is None
    assert TOKEN.search(review) is None
    campaign_services.approve(session, actor, campaign_id=campaign.id, now=clock)
    (frozen,) = session.scalars(select(FrozenContent)).all()
    assert token_in(frozen.text).contact_id == people[0]
    assert f"[choose]({links().stand_in_url})" in draft.body
    assert links().stand_in_url not in frozen.text + frozen.html
    assert len(TOKEN.findall(frozen.html)) == 2


def test_no_page_and_no_answer_of_the_api_shows_the_token(client, session, actor, account, now):
    person = outreach.person(session, actor, "Ann Bo", email="ann@example.com")
    message = services.write(
        session,
        actor,
        contact_id=person,
        channel=ChannelKind.EMAIL,
        subject="Hello",
        body="Choose: {{ links.preferences }}",
        purpose=Purpose.PROMOTIONAL,
        now=now,
    )
    assert campaigns.send(session, actor, account.id, now=message.due_at) == [message.id]
    frozen = session.scalars(select(FrozenContent)).one()
    assert token_in(frozen.text).contact_id == person
    pages = [
        f"/contacts/{person}",
        f"/messages/{message.id}",
        "/messages",
        "/inbox",
        f"/inbox/{message.conversation_id}",
    ]
    programs = [f"/messages/{message.id}", "/messages", f"/contacts/{person}/timeline", "/interactions"]
    shown = [client.get(path) for path in pages] + [client.get(f"/api/v1{path}") for path in programs]
    assert [answer.request.path for answer in shown if TOKEN.search(answer.text)] == []
    assert shown[0].status_code == shown[1].status_code == 200
    assert "/p/personal" in shown[0].text
    assert "/p/personal" in shown[1].text


def test_the_stand_in_opens_nothing(anonymous, house: House):
    assert anonymous.get("/p/personal").status_code == 404
    assert anonymous.post("/u/personal", data={"List-Unsubscribe": "One-Click"}).status_code == 404


def test_a_quoted_token_is_hidden_too():
    assert hide_tokens(f"> https://crm.example/p/{'a' * 60}\n/p/short") == "> https://crm.example/p/personal\n/p/short"


@pytest.mark.parametrize("channel", ChannelKind)
def test_a_preference_token_has_one_spelling(channel):
    token = LINKS.preference_token(PreferenceToken(uuid4(), uuid4(), channel))
    others = [token[:-1] + letter for letter in URL_SAFE if letter != token[-1]]
    assert LINKS.read_preference_token(token) is not None
    assert [other for other in others if LINKS.read_preference_token(other)] == []


def test_a_reply_token_has_one_spelling_in_any_case():
    message_id = uuid4()
    token = LINKS.reply_token(message_id)
    others = [token[:-1] + letter for letter in string.ascii_lowercase + "234567" if letter != token[-1]]
    assert LINKS.read_reply_token(token) == LINKS.read_reply_token(token.upper()) == message_id
    assert [other for other in others if LINKS.read_reply_token(other)] == []
