"""Files that leave with a message: approved with it to the byte, bounded, and never others than those."""

import io
from datetime import timedelta

import pytest
from sqlalchemy import select

from crm.channels.base import ChannelKind, Outbound
from crm.channels.inbound import parse_email
from crm.channels.mime import build
from crm.consent.kinds import Purpose
from crm.errors import InvalidInputError
from crm.files.services import path_of
from crm.outreach import queries, services
from crm.outreach import setup as outreach_setup
from crm.outreach.models import FrozenContent
from crm.outreach.services.letters import MAX_CONTENT, FileGoneError, load_listed

from .conftest import NOW

PDF = b"%PDF-1.7 listino"


@pytest.fixture(autouse=True)
def home(monkeypatch, settings):
    """Services keep files below this test's home."""
    monkeypatch.setattr(outreach_setup, "current", lambda: settings)
    return settings.home / "files"


def kept(desk, home, *files: tuple[str, bytes], media_type: str = "application/pdf"):
    uploads = [services.Upload(name=name, media_type=media_type, stream=io.BytesIO(data)) for name, data in files]
    return services.keep_uploads(desk.session, desk.actor, uploads=uploads, folder=home)


def written(desk, files):
    return services.write(
        desk.session,
        desk.actor,
        contact_id=desk.contact_id,
        channel=ChannelKind.EMAIL,
        subject="Listino",
        body="In allegato.",
        purpose=Purpose.PERSONAL,
        send_at=NOW + timedelta(hours=1),
        files=files,
        now=NOW,
    )


def frozen_of(desk, message) -> FrozenContent:
    return desk.session.scalars(select(FrozenContent).where(FrozenContent.message_id == message.id)).one()


def test_the_approved_hash_covers_name_and_bytes_of_each_file(desk, home):
    frozen = frozen_of(desk, written(desk, kept(desk, home, ("listino.pdf", PDF))))
    (entry,) = frozen.headers["files"]
    assert (entry["name"], entry["size"]) == ("listino.pdf", len(PDF))
    (file,) = load_listed(frozen.headers["files"])
    assert (file.filename, file.content_type, file.content) == ("listino.pdf", "application/pdf", PDF)


def test_a_file_that_changed_after_the_approval_does_not_leave(desk, home):
    (file,) = kept(desk, home, ("listino.pdf", PDF))
    frozen = frozen_of(desk, written(desk, [file]))
    path_of(home, file.id).write_bytes(b"other")
    with pytest.raises(FileGoneError):
        load_listed(frozen.headers["files"])
    path_of(home, file.id).unlink()
    with pytest.raises(FileGoneError):
        load_listed(frozen.headers["files"])


@pytest.mark.parametrize(
    ("files", "code"),
    [
        ([("a.pdf", b"")], "file_empty"),
        ([("Fattura.pdf.EXE", b"MZ")], "file_runs"),
        ([(f"{number}.txt", b"x") for number in range(21)], "too_many_files"),
        ([("a.bin", b"x"), ("b.bin", b"x" * MAX_CONTENT)], "files_too_large"),
    ],
)
def test_what_no_mail_server_would_take_is_refused_beside_the_field_and_not_kept(desk, home, files, code):
    with pytest.raises(InvalidInputError) as refused:
        kept(desk, home, *files)
    assert refused.value.code == code
    assert "files" in refused.value.fields
    assert [path for path in home.rglob("*") if path.is_file()] == []


def test_files_travel_by_e_mail_alone(desk, home):
    with pytest.raises(InvalidInputError) as refused:
        services.write(
            desk.session,
            desk.actor,
            contact_id=desk.contact_id,
            channel=ChannelKind.WHATSAPP,
            subject="",
            body="Ciao",
            purpose=Purpose.PERSONAL,
            files=kept(desk, home, ("a.pdf", PDF)),
            now=NOW,
        )
    assert refused.value.code == "no_files_here"


def test_names_that_hide_something_and_mails_in_mails_travel_as_plain_files(desk, home):
    (file,) = kept(desk, home, ("a\u202egpj.\r\nX: y.pdf", PDF), media_type="message/rfc822")
    assert "\n" not in file.name
    assert "\u202e" not in file.name
    assert file.media_type == "application/octet-stream"


def test_the_write_page_takes_files_and_shows_them_with_the_message(desk, client, home):
    answer = client.post(
        f"/contacts/{desk.contact_id}/write",
        data={
            "channel": "email",
            "purpose": "personal",
            "subject": "Listino",
            "body": "In allegato.",
            "when": "now",
            "files": [(io.BytesIO(PDF), "listino.pdf"), (io.BytesIO(b"a;b"), "prezzi.csv")],
        },
    )
    assert answer.status_code == 303
    (line,) = queries.planned_for(desk.session, desk.actor, contact_ids=[desk.contact_id])[desk.contact_id]
    shown = client.get(f"/messages/{line.id}").text
    assert "listino.pdf" in shown
    assert "prezzi.csv" in shown


def test_a_refused_file_leaves_the_words_in_the_form(desk, client):
    answer = client.post(
        f"/contacts/{desk.contact_id}/write",
        data={
            "channel": "email",
            "purpose": "personal",
            "subject": "Listino",
            "body": "Parole mie.",
            "when": "now",
            "files": [(io.BytesIO(b"MZ"), "setup.exe")],
        },
    )
    assert answer.status_code == 422
    assert "Parole mie." in answer.text
    assert "Mail servers refuse programs." in answer.text


def test_the_mail_that_leaves_holds_the_files(desk, home):
    message = written(desk, kept(desk, home, ("perché.pdf", PDF)))
    frozen = frozen_of(desk, message)
    raw = build(
        Outbound(
            message_id=message.id,
            attempt_no=1,
            reference=message.reference,
            from_address=frozen.from_address,
            to_address=frozen.to_address,
            subject=frozen.subject,
            text=frozen.text,
            html=frozen.html,
            date=NOW,
            attachments=load_listed(frozen.headers["files"]),
        )
    )
    assert [(file.filename, file.content) for file in parse_email(raw).attachments] == [("perché.pdf", PDF)]


def test_an_answer_in_the_inbox_carries_files(desk, client):
    raw = b"From: Ann Bo <ann@example.com>\r\nMessage-ID: <two@example.com>\r\nSubject: x\r\n\r\nCiao\r\n"
    asked = services.receive(desk.session, desk.account, raw, NOW)
    answer = client.post(
        f"/inbox/{asked.conversation_id}/reply",
        data={"body": "Ecco.", "mode": "reply", "when": "now", "files": [(io.BytesIO(PDF), "listino.pdf")]},
    )
    assert answer.status_code == 303
    thread = queries.thread(desk.session, desk.actor, conversation_id=asked.conversation_id).items
    assert [file.name for file in thread[-1].files] == ["listino.pdf"]
    assert "listino.pdf" in client.get(f"/inbox/{asked.conversation_id}").text
