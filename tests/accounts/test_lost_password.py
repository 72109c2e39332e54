"""A forgotten password: the mail with the link, who may be told what, and the link that a manager makes."""

import email
import re
from collections.abc import Iterator
from email.policy import default

import pytest
from aiosmtpd.controller import Controller
from conftest import House, make_house
from factories import accounts as factory
from sqlalchemy import select

from crm.accounts.kinds import Role
from crm.accounts.models import AuditEntry, Membership, OneTimeLink
from crm.db import enter_workspace
from crm.settings import current

PASSWORD = "una frase lunga e nuova"


class Mailbox(Controller):
    """A mail server on a port of the system's choice that keeps what it gets."""

    def __init__(self) -> None:
        self.kept = []
        super().__init__(self, hostname="127.0.0.1", port=0)

    async def handle_DATA(self, _server, _session, envelope):  # noqa: N802 - the hook's name.
        self.kept.append((envelope.rcpt_tos, email.message_from_bytes(envelope.content, policy=default)))
        return "250 2.0.0 kept"

    def _trigger_server(self):
        self.port = self.server.sockets[0].getsockname()[1]
        super()._trigger_server()


@pytest.fixture
def configured(monkeypatch):
    """Set the installation's mail server; None takes it away."""

    def configure(port: int | None) -> None:
        monkeypatch.setenv("CRM_SMTP_URL", f"smtp+plain://127.0.0.1:{port}" if port else "")
        monkeypatch.setenv("CRM_SMTP_FROM", "noreply@crm.example.com" if port else "")
        current.cache_clear()

    yield configure
    monkeypatch.undo()
    current.cache_clear()


@pytest.fixture
def mailbox(configured) -> Iterator[Mailbox]:
    server = Mailbox()
    server.start()
    configured(server.port)
    yield server
    server.stop()


def ask(browser, address):
    """Ask for a link; the mail leaves when the answer has."""
    answer = browser.post("/forgot", data={"email": address})
    answer.close()
    return answer


def test_without_a_mail_server_the_page_says_whom_to_ask(anonymous, house, configured):
    configured(None)
    page = anonymous.get("/forgot")
    assert "crm user reset-link" in page.text
    assert "Ask whoever manages your workspace" in page.text
    assert 'name="email"' not in page.text


def test_the_mail_brings_a_link_that_sets_a_new_password_once(anonymous, session, house, mailbox):
    row, *_ = factory.member(session, house, email="luca@example.com")
    row.locale = "it"
    session.flush()
    assert "If this address is known here" in ask(anonymous, "Luca@example.com").text
    ((recipients, mail),) = mailbox.kept
    assert recipients == ["luca@example.com"]
    assert mail["Subject"] == "Una nuova password per Filodiretto"
    assert mail["From"].addresses[0].addr_spec == "noreply@crm.example.com"
    secret = re.search(r"http://127\.0\.0\.1:8000(/reset/\S+)", mail.get_content())[1]
    done = anonymous.post(secret, data={"password": PASSWORD, "again": PASSWORD})
    assert (done.status_code, done.location) == (303, "/sign-in")
    assert anonymous.get(secret).status_code == 404


def test_an_unknown_address_gets_the_same_answer_and_no_mail(anonymous, session, house, mailbox):
    factory.member(session, house, email="luca@example.com")
    known, unknown = ask(anonymous, "luca@example.com"), ask(anonymous, "nobody@example.com")
    assert re.sub(r"nonce-?=?\"?[\w-]+", "", known.text).count("on its way") == unknown.text.count("on its way") == 1
    assert known.status_code == unknown.status_code == 200
    assert [recipients for recipients, _mail in mailbox.kept] == [["luca@example.com"]]


def test_asking_often_brings_no_further_mail_and_says_nothing_of_it(anonymous, session, house, mailbox):
    factory.member(session, house, email="luca@example.com")
    answers = [ask(anonymous, "luca@example.com") for _time in range(5)]
    assert {answer.status_code for answer in answers} == {200}
    assert all("on its way" in answer.text for answer in answers)
    assert len(mailbox.kept) == 3


def test_a_server_that_is_away_breaks_nothing(anonymous, session, house, configured):
    configured(1)
    factory.member(session, house, email="luca@example.com")
    assert ask(anonymous, "luca@example.com").status_code == 200


def test_a_manager_makes_a_link_for_a_member_and_it_is_written_down(client, anonymous, session, house):
    row, *_ = factory.member(session, house, email="luca@example.com")
    member = session.scalars(select(Membership).where(Membership.user_id == row.id)).one()
    page = client.post(f"/settings/people/{member.id}/reset-link")
    assert page.status_code == 200
    path = re.search(r"http://127\.0\.0\.1:8000(/reset/[\w-]+)", page.text)[1]
    assert anonymous.get(path).status_code == 200
    enter_workspace(session, house.workspace.id)
    entry = session.scalars(select(AuditEntry).where(AuditEntry.action == "user.reset_link")).one()
    assert (entry.object_id, entry.user_id) == (row.id, house.user.id)


def test_nobody_gets_into_another_workspace_or_above_themselves(signed_in, client, session, house: House):
    enter_workspace(session, house.workspace.id)
    row, *_ = factory.member(session, house, email="luca@example.com")
    member = session.scalars(select(Membership).where(Membership.user_id == row.id)).one()
    make_house(session, name="Altra Bottega")
    session.add(Membership(user_id=row.id, role=Role.OWNER))
    session.flush()
    enter_workspace(session, house.workspace.id)
    refused = client.post(f"/settings/people/{member.id}/reset-link", follow_redirects=True)
    assert "works in other workspaces too" in refused.text
    manager, _, manages = factory.member(session, house, email="mara@example.com", role=Role.MANAGER)
    owner = session.scalars(select(Membership).where(Membership.user_id == house.user.id)).one()
    browser = signed_in(House(house.workspace, manager, manages))
    asked = browser.post(f"/settings/people/{owner.id}/reset-link", follow_redirects=True)
    assert "Only an owner can do this for an owner." in asked.text or asked.status_code == 403
    assert session.scalars(select(OneTimeLink)).all() == []
