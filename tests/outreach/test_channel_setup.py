"""Connecting a channel: an address and a password are enough, the check comes at once, and nothing is lost."""

import pytest
from sqlalchemy import select

from crm.channels.base import ChannelKind, CheckResult, Polled
from crm.channels.presets import PROVIDERS, is_certified, provider_of
from crm.channels.registry import SETUPS
from crm.outreach import services
from crm.outreach.inbound_models import InboundCursor
from crm.outreach.models import SenderAccount
from crm.outreach.services.cursors import keep_polled, take_turn
from crm.outreach.setup import keyring

TOKEN = "123456789:AAaaBBbbCCccDDddEEeeFFffGGggHHhhIIi"
BOT = {"name": "Our bot", "address": "LanternaBot", "token": TOKEN}
MAIL = {"address": "giulia@libero.it", "password": "hush", "provider": "", "security": "starttls", "port": "587"}


@pytest.fixture
def found(monkeypatch):
    """What the next checks of accounts find: set `found["code"]`, '' for nothing wrong."""
    result = {"code": ""}

    class Adapter:
        def check(self):
            return CheckResult(ok=not result["code"], code=result["code"] or "ok")

        def close(self):
            """Nothing is open."""

    monkeypatch.setattr("crm.outreach.services.accounts.connect", lambda _spec: Adapter())
    return result


def account(session) -> SenderAccount:
    session.expire_all()
    return session.scalars(select(SenderAccount).where(SenderAccount.deleted_at.is_(None))).one()


def secret_of(row: SenderAccount) -> dict[str, str]:
    return keyring().open(row.secret, workspace_id=row.workspace_id, row_id=row.id)


def test_every_channel_has_its_card_and_its_page(client):
    page = client.get("/settings/channels/add").text
    for kind in ("telegram", "whatsapp", "instagram", "phone"):
        assert f"/settings/channels/new/{kind}" in page
        assert client.get(f"/settings/channels/new/{kind}").status_code == 200
    assert client.get("/settings/channels/new/email").location == "/settings/channels/new"
    assert client.get("/settings/channels/new/pigeon").status_code == 404
    assert client.post("/settings/channels/new/instagram").status_code == 404


@pytest.mark.parametrize("setup", SETUPS.values(), ids=[kind.value for kind in SETUPS])
def test_the_page_of_a_channel_says_where_each_credential_comes_from(client, setup):
    page = client.get(f"/settings/channels/new/{setup.channel.value}").text
    assert page.count("<li>") >= len(setup.steps)
    assert all(f'name="{one.name}"' in page for one in setup.settings)


def test_an_address_and_a_password_connect_a_mailbox(client, session, found):
    made = client.post("/settings/channels/new", data={**MAIL, "check": "1"})
    row = account(session)
    assert (made.status_code, row.state, row.name) == (303, "active", "giulia@libero.it")
    wanted = {"host": "smtp.libero.it", "port": 465, "security": "tls", "username": "giulia@libero.it"}
    assert {name: row.config[name] for name in wanted} == wanted
    assert row.config["imap_host"] == "imapmail.libero.it"


def test_a_firm_chooses_where_its_mailboxes_are(client, session, found):
    client.post("/settings/channels/new", data={**MAIL, "address": "info@bo.example", "provider": "aruba"})
    assert account(session).config["host"] == "smtps.aruba.it"
    refused = client.post("/settings/channels/new", data={**MAIL, "address": "info@ca.example"})
    assert (refused.status_code, "Choose the provider" in refused.text) == (422, True)


def test_a_certified_mailbox_is_no_way_to_talk(client):
    refused = client.post("/settings/channels/new", data={**MAIL, "address": "ditta@pec.it", "provider": "aruba"})
    assert (refused.status_code, "certified mailbox" in refused.text) == (422, True)


def test_a_wrong_password_is_told_beside_its_field_and_nothing_is_lost(client, session, found):
    found["code"] = "auth_535"
    made = client.post("/settings/channels/new", data={**MAIL, "check": "1"})
    row = account(session)
    assert (row.state, row.hold_reason) == ("held", "auth_535")
    page = client.get(made.location).text
    assert "giulia@libero.it" in page
    assert "refused the sign-in" in page[page.index('name="password"') : page.index('name="provider"')]
    assert "hush" not in page

    found["code"] = ""
    again = client.post(made.location, data={**MAIL, "name": row.name, "password": "right", "check": "1"})
    row = account(session)
    assert (again.location, row.state) == (f"/settings/channels/{row.id}", "active")
    assert secret_of(row)["secret"] == "right"


@pytest.mark.parametrize(
    ("code", "field"),
    [
        ("connect_dns", "host"),
        ("connect_port", "port"),
        ("starttls_missing", "security"),
        ("imap_connect_dns", "imap_host"),
        ("imap_refused", "password"),
        ("imap_no_sent_folder", "imap_folder"),
        ("sandbox_away", None),
    ],
)
def test_what_the_check_finds_stands_beside_what_it_is_about(client, found, code, field):
    found["code"] = code
    made = client.post("/settings/channels/new", data={**MAIL, "check": "1"})
    page = client.get(made.location).text
    assert (f'id="{field}-error"' in page) is (field is not None)
    assert 'role="alert"' in page


def test_a_working_account_goes_on_when_its_server_is_away_for_the_moment(client, session, found):
    client.post("/settings/channels/new", data={**MAIL, "check": "1"})
    row = account(session)
    found["code"] = "connect_timeout"
    saved = client.post(f"/settings/channels/{row.id}/edit", data={**MAIL, "name": "Sales", "check": "1"})
    assert (saved.status_code, account(session).state, account(session).name) == (303, "active", "Sales")


def test_a_bot_is_connected_and_its_token_kept_encrypted(client, session, found):
    made = client.post("/settings/channels/new/telegram", data=BOT)
    row = account(session)
    assert (made.location, row.channel, row.state) == (f"/settings/channels/{row.id}", "telegram", "active")
    assert secret_of(row)["token"] == TOKEN
    assert f"/hooks/telegram/{row.public_id}" in client.get(made.location).text
    assert client.get(f"/settings/channels/{row.id}/edit").location == f"/settings/channels/{row.id}/channel"

    renamed = client.post(f"/settings/channels/{row.id}/channel", data={**BOT, "name": "Bot", "token": ""})
    assert (renamed.status_code, account(session).name) == (303, "Bot")
    assert secret_of(account(session))["token"] == TOKEN


def test_a_token_that_is_refused_is_told_beside_its_field(client, session, found):
    found["code"] = "telegram_token"
    made = client.post("/settings/channels/new/telegram", data=BOT)
    assert made.location == f"/settings/channels/{account(session).id}/channel"
    page = client.get(made.location).text
    assert ('id="token-error"' in page, TOKEN in page, "LanternaBot" in page) == (True, False, True)


@pytest.mark.parametrize("fields", [{"token": ""}, {"token": "not a token"}, {"name": ""}, {"token": "1" * 5000}])
def test_what_is_missing_or_malformed_is_refused_before_anything_is_saved(client, session, fields):
    refused = client.post("/settings/channels/new/telegram", data={**BOT, **fields})
    assert refused.status_code == 422
    assert f'id="{next(iter(fields))}-error"' in refused.text
    assert session.scalars(select(SenderAccount)).all() == []


def test_the_domain_of_an_address_names_its_provider():
    assert provider_of("a@GMAIL.com") is PROVIDERS["gmail"]
    assert provider_of("a@lanterna.example") is None
    assert [is_certified(one) for one in ("a@pec.bo.it", "a@studio.legalmail.it", "a@bo.it")] == [True, True, False]


def test_other_credentials_are_asked_from_the_beginning(session, actor, now):
    """Another bot counts anew: asked with the number of the one before, Telegram would throw away what waits."""

    def save(token, account_id=None):
        return services.save_channel_account(
            session,
            actor,
            channel=ChannelKind.TELEGRAM,
            account_id=account_id,
            name="Bot",
            address="LanternaBot",
            settings={"token": token},
            now=now,
        ).id

    account_id = save(TOKEN)
    take_turn(session, actor, account_id=account_id, now=now)
    keep_polled(session, actor, account_id=account_id, polled=Polled(pieces=(), cursor="900"), now=now)
    save("", account_id)
    assert session.scalars(select(InboundCursor.cursor)).one() == "900"
    save(TOKEN.replace("123", "321"), account_id)
    assert session.scalars(select(InboundCursor.cursor)).one() == ""
