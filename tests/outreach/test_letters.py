"""The letter and the files of a mail that came in: kept, seen by whoever may, saved and never run."""

from email.message import EmailMessage

import pytest
from sqlalchemy import func, select

from crm.db import enter_workspace
from crm.errors import NotFoundError
from crm.files.models import StoredFile
from crm.files.services import path_of
from crm.lifecycle.services import erasing
from crm.outreach import queries
from crm.outreach import setup as outreach_setup
from crm.outreach.letter_models import MessageFile, MessageLetter
from crm.outreach.services.receive import receive

from .conftest import NOW

PNG = b"\x89PNG\r\n\x1a\n" + b"\x00" * 20


@pytest.fixture(autouse=True)
def home(monkeypatch, settings):
    """Services keep files below this test's home."""
    monkeypatch.setattr(outreach_setup, "current", lambda: settings)
    return settings.home / "files"


def mail(**headers: str) -> EmailMessage:
    message = EmailMessage()
    for name, value in {
        "From": "Ann Bo <ann@example.com>",
        "To": "sales@lanterna.example.com",
        "Subject": "Listino",
        "Message-ID": "<one@example.com>",
        **headers,
    }.items():
        message[name] = value
    message.set_content("Ecco il listino.")
    message.add_alternative("<p style='color:#333'>Ecco il <b>listino</b>.<img src='cid:logo@x'></p>", subtype="html")
    message.get_payload()[1].add_related(PNG, maintype="image", subtype="png", cid="<logo@x>", disposition="inline")
    message.add_attachment(b"%PDF", maintype="application", subtype="pdf", filename="../../listino.pdf")
    message.add_attachment(b"\x78\x9f\x3e\x22", maintype="application", subtype="ms-tnef", filename="winmail.dat")
    return message


def test_letter_and_files_of_a_mail_are_kept_beside_its_words(desk, home):
    message = receive(desk.session, desk.account, mail().as_bytes(), NOW)
    (entry,) = queries.thread(desk.session, desk.actor, conversation_id=message.conversation_id).items
    assert entry.has_letter
    assert [(file.name, file.size, file.is_picture, file.is_winmail) for file in entry.files] == [
        ("file", len(PNG), True, False),
        ("listino.pdf", 4, False, False),
        ("winmail.dat", 4, False, True),
    ]
    letter = queries.letter(desk.session, desk.actor, message_id=message.id, folder=home)
    assert "<b>listino</b>" in letter.html
    assert letter.pictures == {"logo@x": PNG}
    view = queries.message(desk.session, desk.actor, message_id=message.id)
    assert (view.has_letter, len(view.files)) == (True, 3)


def test_a_plain_mail_has_neither(desk):
    raw = b"From: Ann Bo <ann@example.com>\r\nMessage-ID: <two@example.com>\r\nSubject: x\r\n\r\nCiao\r\n"
    message = receive(desk.session, desk.account, raw, NOW)
    (entry,) = queries.thread(desk.session, desk.actor, conversation_id=message.conversation_id).items
    assert not entry.has_letter
    assert entry.files == []


def test_the_letter_comes_with_its_own_policy_and_the_file_as_a_download(desk, client):
    message = receive(desk.session, desk.account, mail().as_bytes(), NOW)
    page = client.get(f"/messages/{message.id}/letter")
    policy = page.headers["Content-Security-Policy"]
    assert policy.startswith("sandbox allow-popups")
    assert "script-src" not in policy
    assert "default-src 'none'" in policy
    assert "data:image/png;base64," in page.text
    shown = client.get(f"/inbox/{message.conversation_id}").text
    assert f"/messages/{message.id}/letter" in shown
    assert "winmail.dat" in shown
    file = queries.files_of(desk.session, message_ids=[message.id])[message.id][1]
    answer = client.get(f"/messages/files/{file.id}")
    assert answer.data == b"%PDF"
    assert answer.headers["Content-Disposition"] == "attachment; filename=listino.pdf"
    assert answer.headers["Content-Type"] == "application/octet-stream"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"


def test_who_may_not_see_the_person_sees_neither_letter_nor_files(desk, home, other_actor):
    message = receive(desk.session, desk.account, mail().as_bytes(), NOW)
    file = queries.files_of(desk.session, message_ids=[message.id])[message.id][0]
    enter_workspace(desk.session, other_actor.workspace_id)
    with pytest.raises(NotFoundError):
        queries.letter(desk.session, other_actor, message_id=message.id, folder=home)
    with pytest.raises(NotFoundError):
        queries.message_file(desk.session, other_actor, file_id=file.id)


def test_a_hundred_files_are_kept_and_no_more(desk):
    message = mail()
    for number in range(120):
        message.add_attachment(b"x", maintype="text", subtype="plain", filename=f"{number}.txt")
    kept = receive(desk.session, desk.account, message.as_bytes(), NOW)
    assert len(queries.files_of(desk.session, message_ids=[kept.id])[kept.id]) == 100


def test_erasing_a_person_takes_letters_and_the_bytes_of_files(desk, home):
    receive(desk.session, desk.account, mail().as_bytes(), NOW)
    paths = [path_of(home, row.id) for row in desk.session.scalars(select(StoredFile))]
    assert all(path.is_file() for path in paths)
    row = erasing.erase(desk.session, desk.actor, contact_id=desk.contact_id, confirm=None, now=NOW)
    for table in (MessageLetter, MessageFile):
        assert desk.session.scalar(select(func.count()).select_from(table)) == 0
    assert len(row.traces["files"]) == len(paths)
    assert set(desk.session.scalars(select(StoredFile.name))) == {""}
