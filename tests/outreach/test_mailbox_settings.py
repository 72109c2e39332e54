"""The pages and the API of an account's mailbox, and what a message's page tells of the looks into it."""

from datetime import timedelta

import pytest
from factories import outreach
from mailboxes import MARKED, PASSWORD
from sqlalchemy import select

from crm.channels.base import Outcome, OutcomeKind
from crm.outreach.models import SenderAccount
from crm.outreach.services.claim import claim
from crm.outreach.services.outcomes import Finished
from crm.outreach.services.readback import doubts, note_look
from crm.outreach.services.wave import wave
from crm.outreach.setup import keyring
from crm.settings import current

FORM = {"name": "Sales", "address": "s@lanterna.example", "host": "mail.invalid", "port": "587", "security": "starttls"}
MAILBOX = {"imap_host": "imap.invalid", "imap_port": "143", "imap_security": "starttls", "files_sent": "y"}


def secret_of(account: SenderAccount) -> dict[str, str]:
    return keyring().open(account.secret, workspace_id=account.workspace_id, row_id=account.id)


def test_a_mailbox_is_set_and_its_password_is_kept_apart(client, session):
    form = {**FORM, **MAILBOX, "username": "giulia", "password": "smtp-secret", "imap_password": "imap-secret"}
    made = client.post("/settings/channels/new", data=form)
    assert made.status_code == 303
    account = session.scalars(select(SenderAccount)).one()
    wanted = {"imap_host": "imap.invalid", "imap_port": 143, "imap_security": "starttls", "files_sent": True}
    assert {name: account.config[name] for name in wanted} == wanted
    assert secret_of(account) == {"secret": "smtp-secret", "imap_secret": "imap-secret"}
    page = client.get(f"{made.location}/edit").text
    assert "imap.invalid" in page
    assert "-secret" not in page

    assert (
        client.post(f"{made.location}/edit", data={**form, "password": "new", "imap_password": ""}).status_code == 303
    )
    session.refresh(account)
    assert secret_of(account) == {"secret": "new", "imap_secret": "imap-secret"}, "one that was not typed stays"


@pytest.mark.parametrize("fields", [{"username": ""}, {"imap_security": "none", "username": "giulia"}])
def test_a_mailbox_that_can_not_be_signed_in_to_safely_is_refused(client, fields):
    page = client.post("/settings/channels/new", data={**FORM, **MAILBOX, **fields})
    assert page.status_code == 422


def test_the_api_writes_the_mailbox_and_never_tells_its_password(client):
    body = {"name": "Sales", "address": "s@lanterna.example", "host": "mail.invalid", "username": "giulia"}
    made = client.post("/api/v1/sender-accounts", json={**body, "imap_host": "imap.invalid", "imap_password": "hush"})
    assert made.status_code == 201
    assert made.json["imap_host"] == "imap.invalid"
    assert (made.json["imap_port"], made.json["files_sent"]) == (993, False)
    assert "hush" not in made.text
    changed = client.patch(f"/api/v1/sender-accounts/{made.json['id']}", json={"files_sent": True})
    assert (changed.json["files_sent"], changed.json["imap_host"]) == (True, "imap.invalid")
    refused = client.patch(f"/api/v1/sender-accounts/{made.json['id']}", json={"imap_security": "none"})
    assert refused.status_code == 422


@pytest.mark.parametrize(
    ("password", "sentence"),
    [(PASSWORD, f"sent mail is read in “{MARKED}”"), ("falsch", "The incoming mail server refused the sign-in.")],
)
def test_the_check_says_which_folder_is_read_or_what_is_wrong(
    client, session, mail_server, scripted_smtp, monkeypatch, password, sentence
):
    monkeypatch.setenv("SSL_CERT_FILE", str(mail_server.certificate))
    allowing = current().model_copy(update={"net_allow": ("127.0.0.1",)})
    monkeypatch.setattr("crm.outreach.adapters.current", lambda: allowing)
    user = f"check-{len(password)}"
    mail_server.make_folder(user, MARKED)
    form = {
        **FORM,
        "host": "127.0.0.1",
        "port": str(scripted_smtp),
        "security": "none",
        "imap_host": "127.0.0.1",
        "imap_port": str(mail_server.tls_port),
        "imap_username": user,
        "imap_password": password,
    }
    made = client.post("/settings/channels/new", data=form)
    assert made.status_code == 303
    client.post(f"{made.location}/check")
    assert sentence in client.get(made.location).text


@pytest.fixture
def scripted_smtp():
    """The port of a server that greets and lets everybody in."""
    from aiosmtpd.controller import Controller
    from aiosmtpd.handlers import Sink

    class Loopback(Controller):
        def _trigger_server(self):
            self.port = self.server.sockets[0].getsockname()[1]
            super()._trigger_server()

    controller = Loopback(Sink(), hostname="127.0.0.1", port=0)
    controller.start()
    yield controller.port
    controller.stop()


@pytest.mark.parametrize(
    ("files_sent", "code", "sentence"),
    [
        (False, "not_in_sent", "That alone proves nothing: not every server files what it sends."),
        (True, "not_in_sent", "This server files what it sends, so it probably never left."),
        (True, "imap_refused", "Could not look among the sent mail. The incoming mail server refused the sign-in."),
    ],
)
def test_a_message_s_page_tells_what_the_look_has_shown(client, session, actor, now, files_sent, code, sentence):
    account = outreach.account(session, actor, files_sent=files_sent, now=now)
    message = outreach.message(session, actor, outreach.person(session, actor, now=now), now=now)
    later = now + timedelta(seconds=2)
    lease = timedelta(minutes=2)
    claimed = claim(session, actor, account_id=account.id, worker="t", lease=lease, now=later)
    begun = wave(session, actor, claimed=claimed, finished=[], following=claimed.items, now=later)
    lost = Outcome(kind=OutcomeKind.UNKNOWN, code="final_timeout")
    done = [Finished(each, lost) for each in begun.started]
    wave(session, actor, claimed=claimed, finished=done, following=[], now=later)
    looked_at = later + timedelta(minutes=5)
    waiting = doubts(session, actor, account_id=account.id, now=looked_at)
    kind = OutcomeKind.UNKNOWN if code == "not_in_sent" else OutcomeKind.AUTH
    note_look(session, actor, looked_for=waiting, outcome=Outcome(kind=kind, code=code), now=looked_at)
    page = client.get(f"/messages/{message.id}").text
    assert sentence in page
