"""Reading a real mailbox: in pages, with bounds on everything, and nothing marked as read."""

from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime

import pytest
from mailboxes import MARKED, PASSWORD

from crm.channels.imap_session import ImapConfig, ImapError
from crm.channels.mail_parts import header
from crm.channels.mailbox import FOLDER_GONE, RECIPIENT_BYTES, Mailbox, _moment
from crm.db import new_id
from crm.net.guard import Guard

ARRIVED = datetime(2024, 5, 3, 9, 30, tzinfo=UTC)


def mail(number: int, *, text: str = "Ciao", **headers: str) -> bytes:
    known = {
        "From": "Ann <ann@cliente.example>",
        "To": "giulia@lanterna.example",
        "Subject": f"Prova {number}",
        "Message-ID": f"<{number}@cliente.example>",
        **{name.replace("_", "-"): value for name, value in headers.items()},
    }
    return "".join(f"{name}: {value}\r\n" for name, value in known.items()).encode() + f"\r\n{text}\r\n".encode()


@pytest.fixture
def reader(mail_server) -> Iterator[Callable[[str], Mailbox]]:
    opened: list[Mailbox] = []

    def make(user: str, *, secret: str = PASSWORD) -> Mailbox:
        config = ImapConfig(host="127.0.0.1", port=mail_server.tls_port, username=user, secret=secret)
        opened.append(Mailbox(config, Guard(allow=("127.0.0.1",)), tls=mail_server.trust))
        return opened[-1]

    yield make
    for one in opened:
        one.close()


def test_folders_are_listed_once_with_their_marks(mail_server, reader):
    user = f"u{new_id().hex}"
    mail_server.make_folder(user, MARKED, "Perch&AOk-")
    found = {folder.name: folder.is_sent for folder in reader(user).folders()}
    assert found == {"INBOX": False, MARKED: True, "Perché": False}


def test_heads_come_in_the_order_asked_for_and_nothing_is_marked_as_read(mail_server, reader):
    user = f"u{new_id().hex}"
    mail_server.put(user, "INBOX", *((ARRIVED, mail(number)) for number in range(5)))
    box = reader(user)
    opened = box.open("INBOX")
    assert (opened.count, opened.next_uid) == (5, 6)
    assert list(box.newer(2)) == [3, 4, 5]
    assert list(box.newer(5)) == [], "beyond the end a server names the last mail"
    assert list(box.arrived(since=date(2024, 5, 3), below=4)) == [3, 2, 1]
    assert list(box.arrived(since=date(2024, 5, 5), below=6)) == []
    heads = box.heads([4, 2, 77])
    assert [(head.uid, header(head.fields, "Subject"), head.arrived_at) for head in heads] == [
        (4, "Prova 3", ARRIVED),
        (2, "Prova 1", ARRIVED),
    ]
    assert heads[0].recipients.strip() == "To: giulia@lanterna.example"
    assert box.body(4, most=1_000_000) == mail(3)
    assert box.body(77, most=1_000) is None
    assert mail_server.unseen(user, "INBOX") == 5


def test_a_long_mail_gives_its_beginning_and_many_recipients_hide_nothing(mail_server, reader):
    user = f"u{new_id().hex}"
    crowd = ",\r\n ".join(f"somebody{number}@everywhere.example" for number in range(10_000))
    raw = mail(1, text="x" * 70 + "\r\n" + ("y" * 70 + "\r\n") * 80_000, To=crowd)
    mail_server.put(user, "INBOX", (None, raw))
    box = reader(user)
    box.open("INBOX")
    (head,) = box.heads([1])
    assert (head.is_cut, len(head.recipients), head.size) == (True, RECIPIENT_BYTES, len(raw))
    assert header(head.fields, "Message-ID") == "<1@cliente.example>"
    assert box.body(1, most=1_000) == raw[:1_000]
    assert box.body(1, most=50_000_000) == raw, "read in pieces"


def test_a_folder_that_is_gone_is_an_answer_and_the_others_can_still_be_read(mail_server, reader):
    user = f"u{new_id().hex}"
    mail_server.put(user, "INBOX", (None, mail(1)))
    box = reader(user)
    with pytest.raises(ImapError) as refused:
        box.open("Nessuna")
    assert refused.value.code == FOLDER_GONE
    assert box.open("INBOX").count == 1


def test_a_wrong_password_is_told(reader):
    with pytest.raises(ImapError) as refused:
        reader("giulia", secret="falsch").folders()
    assert refused.value.code == "imap_refused"


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        (" 3-May-2024 11:30:00 +0200", ARRIVED),
        ("03-MAY-2024 09:30:00 +0000", ARRIVED),
        ("31-Feb-2024 09:30:00 +0000", None),
        ("01-Jan-0001 00:00:00 +1400", None),
        ("yesterday", None),
    ],
)
def test_moments_of_servers_are_read_in_any_language_of_the_machine(text, moment):
    assert _moment(text) == moment
