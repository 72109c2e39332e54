"""The page of a mailbox: set up, watched, stopped, kept private, by whom it belongs to."""

import pytest
from factories import outreach
from mailboxes import MARKED, PASSWORD
from sqlalchemy import select, update

from crm.accounts.kinds import Role
from crm.accounts.models import Membership
from crm.channels.imap_names import Folder
from crm.db import new_id
from crm.jobs import JobName
from crm.outreach import services
from crm.outreach.mailbox_models import MailboxExclusion, MailboxFolder, SyncedMailbox
from crm.outreach.services import mailboxes
from crm.settings import current


@pytest.fixture
def account(session, actor, now, mail_server, monkeypatch):
    monkeypatch.setenv("SSL_CERT_FILE", str(mail_server.certificate))
    allowing = current().model_copy(update={"net_allow": ("127.0.0.1",)})
    monkeypatch.setattr("crm.outreach.adapters.current", lambda: allowing)
    user = f"u{new_id().hex}"
    mail_server.make_folder(user, MARKED, "Perch&AOk-")
    made = outreach.account(
        session,
        actor,
        now=now,
        imap_host="127.0.0.1",
        imap_port=mail_server.tls_port,
        imap_username=user,
        address="giulia@lanterna.example",
    )
    services.set_secret(session, actor, account_id=made.id, secret={"secret": PASSWORD})
    return made


def test_folders_are_chosen_and_the_reading_starts(client, session, account, jobs):
    page = f"/settings/channels/{account.id}/mailbox"
    assert page in client.get(f"/settings/channels/{account.id}").text
    assert "Look at the folders" in client.get(page).text
    client.post(f"{page}/folders")
    folders = session.scalars(select(MailboxFolder)).all()
    assert {(folder.name, folder.role, folder.is_on) for folder in folders} == {
        ("INBOX", "received", True),
        (MARKED, "sent", True),
        ("Perché", "received", False),
    }
    shown = client.get(page).text
    assert "Start reading" in shown
    assert "Perché, received mail" in shown

    wanted = [str(folder.id) for folder in folders if folder.is_on]
    refused = client.post(page, data={"folder_ids": [], "reach": "two_years", "keeps": "known"})
    assert (refused.status_code, "Choose at least one folder." in refused.text) == (422, True)
    form = {"folder_ids": wanted, "reach": "three_months", "keeps": "everybody"}
    assert client.post(page, data=form).status_code == 303
    box = session.scalars(select(SyncedMailbox)).one()
    assert (box.state, box.reach, box.keeps_strangers) == ("on", "three_months", True)
    assert JobName.READ_MAILBOX in [name for name, _ids in jobs.rung]
    assert "Stop reading" in client.get(page).text
    assert "hx-get" in client.get(f"{page}/progress").text
    client.post(f"{page}/stop")
    assert "Read it again" in client.get(page).text
    assert client.get(f"{page}/progress").headers["HX-Refresh"] == "true"


def test_a_wrong_password_is_said_at_once(client, session, actor, account):
    services.set_secret(session, actor, account_id=account.id, secret={"secret": "falsch"})
    page = f"/settings/channels/{account.id}/mailbox"
    client.post(f"{page}/folders")
    assert "The incoming mail server refused the sign-in." in client.get(page).text
    assert session.scalars(select(SyncedMailbox)).all() == []


def test_an_account_without_a_mailbox_says_what_is_missing(client, session, actor, now):
    account = outreach.account(session, actor, now=now)
    page = f"/settings/channels/{account.id}/mailbox"
    assert "This account has no mailbox to read" in client.get(page).text
    client.post(f"{page}/folders")
    assert client.post(f"{page}/stop").status_code == 404


@pytest.mark.parametrize(
    ("typed", "kept"),
    [
        ("Anna@Private.example ", "anna@private.example"),
        ("@private.example", "@private.example"),
        ("PRIVATE.example", "@private.example"),
    ],
)
def test_an_address_or_a_domain_is_kept_out_and_let_in_again(client, session, actor, account, now, typed, kept):
    folders = [Folder("INBOX", "INBOX", False, "/")]
    mailboxes.keep_folders(session, actor, account_id=account.id, folders=folders, now=now)
    page = f"/settings/channels/{account.id}/mailbox"
    assert client.post(f"{page}/exclusions", data={"pattern": typed}).status_code == 303
    row = session.scalars(select(MailboxExclusion)).one()
    assert row.pattern == kept
    assert kept in client.get(page).text
    client.post(f"{page}/exclusions", data={"pattern": typed})
    assert len(session.scalars(select(MailboxExclusion)).all()) == 1
    assert client.post(f"{page}/exclusions/{row.id}/remove").status_code == 303
    client.post(f"{page}/exclusions/{row.id}/allow")
    assert session.scalars(select(MailboxExclusion)).all() == []


@pytest.mark.parametrize("typed", ["", "not an address", "a@b@c", "x" * 300, "@", "@@private.example@", "a b.example"])
def test_what_is_no_address_is_refused_beside_the_field(client, session, actor, account, now, typed):
    folders = [Folder("INBOX", "INBOX", False, "/")]
    mailboxes.keep_folders(session, actor, account_id=account.id, folders=folders, now=now)
    answer = client.post(f"/settings/channels/{account.id}/mailbox/exclusions", data={"pattern": typed})
    assert answer.status_code == 422
    assert session.scalars(select(MailboxExclusion)).all() == []


def test_whose_mailbox_it_is_manages_it_and_nobody_else_of_the_team(signed_in, session, house, account, actor):
    session.execute(update(Membership).where(Membership.user_id == actor.user_id).values(role=Role.SALES))
    seller = signed_in(house)
    page = f"/settings/channels/{account.id}/mailbox"
    assert seller.get(page).status_code == 403
    account.owner_id = actor.user_id
    session.flush()
    assert seller.get(page).status_code == 200


@pytest.mark.parametrize(
    ("address", "keeps"),
    [("giulia@lanterna.example", False), ("INFO@lanterna.example", True), ("vendite@lanterna.example", True)],
)
def test_only_a_mailbox_that_is_shared_by_its_name_keeps_strangers_from_the_start(session, actor, now, address, keeps):
    account = outreach.account(session, actor, now=now, address=address)
    box = mailboxes.keep_folders(session, actor, account_id=account.id, folders=[], now=now)
    assert box.keeps_strangers is keeps
