"""The pages of accounts and the composer where a network has rules of its own."""

import re
from datetime import timedelta

import pytest
from channels.fakes import telegram, whatsapp
from factories import outreach
from sqlalchemy import select

from crm.channels.base import ChannelKind
from crm.channels.registry import adapter_for
from crm.contacts.services import add_handle
from crm.net.guard import Guard
from crm.outreach.adapters import spec_of
from crm.outreach.models import FrozenContent, Message, SenderAccount
from crm.outreach.network_models import NetworkTemplate
from crm.outreach.services import accounts, conversations, network_templates
from crm.outreach.views import channels, receiving

NOW_FORM = {"when": "now", "on": "", "at": ""}


def connect(spec):
    return adapter_for(spec.adapter, Guard(allow=("127.0.0.1",)))


@pytest.fixture
def network(monkeypatch):
    monkeypatch.setattr(network_templates, "connect", connect)
    with whatsapp.FakeWhatsApp().running() as fake:
        yield fake


@pytest.fixture
def number(session, actor, network, now):
    config = {
        "phone_number_id": whatsapp.NUMBER_ID,
        "business_id": whatsapp.BUSINESS_ID,
        "base_url": network.base_url,
    }
    secret = {"token": whatsapp.TOKEN}
    address = "+390212345678"
    return outreach.api_account(
        session, actor, ChannelKind.WHATSAPP, address=address, config=config, secret=secret, now=now
    )


@pytest.fixture
def ann(session, actor, now):
    made = outreach.person(session, actor, now=now)
    add_handle(session, actor, channel=ChannelKind.WHATSAPP, address="+393331234567", contact_id=made, now=now)
    return made


def test_the_templates_of_a_number_are_read_on_its_page(client, number, network):
    page = f"/settings/channels/{number.id}"
    assert "None has been read yet" in client.get(page).text
    # To the letter: it is copied by hand where nothing else works.
    assert f"/hooks/whatsapp/{number.public_id}</code>" in client.get(page).text
    assert client.post(f"{page}/templates").status_code == 303
    shown = client.get(page).text
    assert "One template was read." in shown
    assert "Buongiorno {{1}}, ci vediamo {{2}}?" in shown
    network.token = "other"
    client.post(f"{page}/templates")
    shown = client.get(page).text
    assert "The access token has expired" in shown
    assert "appuntamento" in shown


def test_outside_the_window_the_composer_offers_what_was_approved(client, session, number, ann):
    client.post(f"/settings/channels/{number.id}/templates")
    chosen = {"to": "message", "channel": "whatsapp", "purpose": "personal", "account_id": "", **NOW_FORM}
    first = client.post(f"/contacts/{ann}/composer", data=chosen, headers={"HX-Request": "true"}).text
    assert "Choose an approved template" in first
    template_id = session.scalar(select(NetworkTemplate.id))
    assert str(template_id) in first
    chosen |= {"approved_id": str(template_id), "gap_1": "Ann"}
    filled = client.post(f"/contacts/{ann}/composer", data=chosen, headers={"HX-Request": "true"}).text
    assert "Buongiorno Ann, ci vediamo {{2}}?" in filled
    assert "Choose an approved template" not in filled
    wrong = client.post(f"/contacts/{ann}/message", data=chosen)
    assert wrong.status_code == 422
    assert re.search(r'id="gap_2-error".*?Fill in gap 2', wrong.text, re.DOTALL)
    assert client.post(f"/contacts/{ann}/message", data={**chosen, "gap_2": "domani"}).status_code == 303
    assert session.scalar(select(FrozenContent.text)) == "Buongiorno Ann, ci vediamo domani?"
    assert session.scalar(select(Message.state)) == "scheduled"


def test_free_text_outside_the_window_is_refused_and_kept(client, number, ann):
    data = {"channel": "whatsapp", "purpose": "personal", "account_id": "", "body": "Ciao Ann", **NOW_FORM}
    refused = client.post(f"/contacts/{ann}/message", data=data)
    assert refused.status_code == 422
    assert "Ciao Ann" in refused.text
    assert "More than 24 hours have passed" in refused.text


@pytest.mark.parametrize(("base", "receive"), [("https://crm.example", "webhook"), ("http://localhost:8100", "poll")])
def test_a_bot_calls_us_where_it_can_and_is_asked_where_it_cannot(client, session, monkeypatch, base, receive):
    with telegram.FakeTelegram().running() as api:

        def to_fake(spec):
            spec.adapter.config["base_url"] = api.base_url
            return connect(spec)

        monkeypatch.setattr(accounts, "connect", to_fake)
        monkeypatch.setattr(receiving, "connect", to_fake)
        monkeypatch.setattr(channels, "webhook_of", lambda account: f"{base}/hooks/telegram/{account.public_id}")
        api.webhook = {"url": "https://elsewhere.example/"}
        data = {"name": "Bot", "address": telegram.BOT, "token": telegram.TOKEN}
        saved = client.post("/settings/channels/new/telegram", data=data)
        assert saved.status_code == 303
        account = session.scalars(select(SenderAccount).where(SenderAccount.channel == "telegram")).one()
        assert (account.config["receive"], account.per_minute) == (receive, 1800)
        if receive == "poll":
            assert api.webhook is None
        else:
            assert api.webhook["url"] == f"{base}/hooks/telegram/{account.public_id}"
            assert api.webhook["secret_token"] == spec_of(account).adapter.secret["webhook_secret"]


def test_an_answer_outside_the_window_is_a_template_of_its_own_page(client, session, number, ann, now):
    client.post(f"/settings/channels/{number.id}/templates")
    talk = conversations.ensure(
        session,
        channel=ChannelKind.WHATSAPP,
        account_id=number.id,
        contact_id=ann,
        handle_id=None,
        subject="",
        now=now,
    )
    conversations.note_inbound(talk, at=now - timedelta(hours=30))
    session.flush()
    here = f"/inbox/{talk.id}/template"
    assert here in client.get(f"/inbox/{talk.id}").text
    template_id = session.scalar(select(NetworkTemplate.id))
    page = client.get(f"{here}?approved_id={template_id}")
    assert "Buongiorno {{1}}, ci vediamo {{2}}?" in page.text
    data = {"approved_id": str(template_id), "when": "now", "gap_1": "Ann"}
    assert client.post(here, data=data).status_code == 422
    assert client.post(here, data={**data, "approved_id": ""}).status_code == 422
    assert client.post(here, data={**data, "gap_2": "domani"}).status_code == 303
    assert session.scalar(select(FrozenContent.text)) == "Buongiorno Ann, ci vediamo domani?"
    talk.last_inbound_at = now
    session.flush()
    assert here not in client.get(f"/inbox/{talk.id}").text


def test_without_templates_the_page_says_where_they_are_read(client, session, number, ann, now):
    talk = conversations.ensure(
        session,
        channel=ChannelKind.WHATSAPP,
        account_id=number.id,
        contact_id=ann,
        handle_id=None,
        subject="",
        now=now,
    )
    assert "No template is ready" in client.get(f"/inbox/{talk.id}/template").text
