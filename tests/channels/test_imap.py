"""Looking for a sent message: found by its id alone, read-only, never in clear, and honest when nobody could look."""

import base64
import contextlib
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import pytest
from mailboxes import MARKED, PASSWORD

from crm.channels.base import OutcomeKind
from crm.channels.imap import SentMail
from crm.channels.imap_names import decoded, read_folder, sent_folder
from crm.channels.imap_session import ImapConfig, ImapTimeouts
from crm.channels.smtp import Mechanism, Security
from crm.chaos.certificates import self_signed
from crm.net.guard import Guard

REFERENCE = "<019b0000-7c00-7000-8000-000000000001@crm.example>"
OTHER = "<019b0000-7c00-7000-8000-000000000002@crm.example>"
ACCEPTED, UNKNOWN, RETRY, AUTH = (
    OutcomeKind.ACCEPTED,
    OutcomeKind.UNKNOWN,
    OutcomeKind.RETRY_LATER,
    OutcomeKind.AUTH,
)
SHORT = ImapTimeouts(connect=0.6, command=0.6, search=0.6)


@pytest.fixture
def look() -> Iterator[Callable[..., SentMail]]:
    """Make readers of a mailbox on loopback, which the operator exempted; closed at the end."""
    opened: list[SentMail] = []

    def make(port: int, *, trust: ssl.SSLContext | None = None, **options) -> SentMail:
        config = ImapConfig(
            **{"host": "127.0.0.1", "port": port, "username": "giulia", "secret": PASSWORD, **options},
        )
        opened.append(SentMail(config, Guard(allow=("127.0.0.1",)), tls=trust))
        return opened[-1]

    yield make
    for reader in opened:
        reader.close()


# --- A real server -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("security", [Security.TLS, Security.STARTTLS])
def test_a_copy_is_found_by_its_id_in_the_marked_folder(mail_server, look, security):
    user = f"marked-{security}"
    mail_server.make_folder(user, "Sent", MARKED)
    mail_server.file(user, MARKED, OTHER, REFERENCE)
    port = mail_server.tls_port if security is Security.TLS else mail_server.port
    reader = look(port, trust=mail_server.trust, security=security, username=user)

    checked, found = reader.check(), reader.find(REFERENCE)
    assert (checked.ok, checked.detail) == (True, MARKED)
    assert (found.kind, found.code) == (ACCEPTED, "found_in_sent")
    absent = reader.find("<019b0000-7c00-7000-8000-00000000000@crm.example>")
    assert (absent.kind, absent.code) == (UNKNOWN, "not_in_sent"), "a part of an id is not the id"
    assert mail_server.unseen(user, MARKED) == 2, "looking marks nothing as read"


@pytest.mark.parametrize(
    ("wire_name", "name"),
    [("Posta inviata", "Posta inviata"), ("Archivio/Elementi inviati", "Archivio/Elementi inviati")],
)
def test_an_italian_folder_is_known_by_its_name(mail_server, look, wire_name, name):
    user = f"named-{len(wire_name)}"
    mail_server.make_folder(user, "Archivio", wire_name)
    mail_server.file(user, wire_name, REFERENCE)
    reader = look(mail_server.tls_port, trust=mail_server.trust, username=user)
    assert reader.check().detail == name
    assert reader.find(REFERENCE).kind is ACCEPTED


def test_a_named_folder_wins_over_the_marked_one(mail_server, look):
    mail_server.make_folder("chosen", MARKED, "Perch&AOk-")
    mail_server.file("chosen", "Perch&AOk-", REFERENCE)
    assert look(mail_server.tls_port, trust=mail_server.trust, username="chosen").find(REFERENCE).kind is UNKNOWN
    reader = look(mail_server.tls_port, trust=mail_server.trust, username="chosen", folder="Perché")
    assert reader.find(REFERENCE).kind is ACCEPTED


@pytest.mark.parametrize("folder", ["", "Non c'è"])
def test_a_mailbox_without_such_a_folder_says_so(mail_server, look, folder):
    reader = look(mail_server.tls_port, trust=mail_server.trust, username="bare", folder=folder)
    assert reader.check().code == "imap_no_sent_folder"
    assert reader.find(REFERENCE).kind is AUTH


@pytest.mark.parametrize("secret", ["falsch", "a\r\nA1 DELETE INBOX", ""])
def test_a_wrong_password_is_told(mail_server, look, secret):
    reader = look(mail_server.tls_port, trust=mail_server.trust, secret=secret)
    assert reader.check().code == "imap_refused"
    assert reader.find(REFERENCE).kind is AUTH


def test_an_unknown_certificate_is_refused(mail_server, look):
    assert look(mail_server.tls_port).check().code == "imap_certificate"
    assert look(mail_server.port, security=Security.STARTTLS).check().code == "imap_certificate"


def test_a_password_never_travels_in_clear(mail_server, look):
    assert look(mail_server.port, security=Security.NONE).check().code == "imap_needs_tls"


# --- A server that follows a script -------------------------------------------------------------------------------

HANG, DROP = b"hang", b"drop"
SCRIPT = {
    "greeting": b"* OK ready\r\n",
    "CAPABILITY": b"* CAPABILITY IMAP4rev1 STARTTLS AUTH=PLAIN AUTH=XOAUTH2\r\n",
    "LIST": b'* LIST (\\Sent) "/" Sent\r\n',
    "EXAMINE": b"* 1 EXISTS\r\n",
    "UID": b"* SEARCH 7\r\n",
    "FETCH": b"",
    "LOGOUT": b"* BYE\r\n",
}


@dataclass
class Scripted:
    """Speaks IMAP by a script: what precedes the OK of every command, or HANG, or DROP."""

    port: int = 0
    script: dict[str, bytes] = field(default_factory=dict)
    lines: list[str] = field(default_factory=list)
    answers: dict[str, bytes] = field(default_factory=dict)
    tls: ssl.SSLContext | None = None
    stop: threading.Event = field(default_factory=threading.Event)

    def serve(self, listener: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = listener.accept()
                threading.Thread(target=self._one, args=(connection,), daemon=True).start()

    def _one(self, connection: socket.socket) -> None:
        with contextlib.suppress(OSError, EOFError), contextlib.ExitStack() as open_ones:
            open_ones.enter_context(connection)
            if self.tls is not None:
                connection = open_ones.enter_context(self.tls.wrap_socket(connection, server_side=True))
            self._say(connection, "greeting")
            stream = open_ones.enter_context(connection.makefile("rb"))
            while line := stream.readline():
                text = line.decode("latin-1").strip()
                self.lines.append(text)
                tag, name = text.split(" ")[:2]
                name = name.upper()
                if name == "AUTHENTICATE":
                    connection.sendall(b"+ \r\n")
                    self.lines.append(stream.readline().decode("latin-1").strip())
                if name == "UID" and " FETCH " in text:
                    name = "FETCH"
                self._say(connection, name)
                connection.sendall(f"{tag} ".encode() + self.answers.get(name, b"OK done") + b"\r\n")

    def _say(self, connection: socket.socket, name: str) -> None:
        said = self.script.get(name, SCRIPT.get(name, b""))
        if said == DROP:
            raise EOFError
        if said == HANG:
            self.stop.wait(20)
            raise EOFError
        connection.sendall(said)


@pytest.fixture
def scripted(tmp_path) -> Iterator[Scripted]:
    pem = tmp_path / "mail.pem"
    pem.write_bytes(self_signed())
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    tls.load_cert_chain(pem)
    listener = socket.create_server(("127.0.0.1", 0))
    server = Scripted(port=listener.getsockname()[1], tls=tls)
    server.trust = ssl.create_default_context(cafile=str(pem))
    thread = threading.Thread(target=server.serve, args=(listener,), daemon=True)
    thread.start()
    yield server
    server.stop.set()
    listener.shutdown(socket.SHUT_RDWR)
    listener.close()
    thread.join(5)


@pytest.mark.parametrize("misbehaviour", [HANG, DROP, b"\xff\x00 what\r\n" * 3, b"* OK " + b"x" * 200_000 + b"\r\n"])
@pytest.mark.parametrize("step", ["greeting", "CAPABILITY", "AUTHENTICATE", "LIST", "EXAMINE", "UID", "FETCH"])
def test_trouble_at_any_step_is_no_answer(scripted, look, step, misbehaviour):
    scripted.script[step] = misbehaviour
    reader = look(scripted.port, trust=scripted.trust, timeouts=SHORT)
    begun = time.monotonic()
    outcome = reader.find(REFERENCE)
    assert outcome.kind is not ACCEPTED
    if misbehaviour in {HANG, DROP}:
        assert outcome.kind is RETRY
        assert outcome.code.endswith("timeout" if misbehaviour == HANG else "hang_up")
    assert time.monotonic() - begun < 10


def test_a_dripping_server_is_left(scripted, look):
    endless = threading.Event()

    def drip(connection: socket.socket, name: str) -> None:
        if name != "LIST":
            connection.sendall(SCRIPT.get(name, b""))
            return
        while not endless.wait(0.05):
            connection.sendall(b"* OK still here\r\n")

    scripted._say = drip
    outcome = look(scripted.port, trust=scripted.trust, timeouts=SHORT).find(REFERENCE)
    endless.set()
    assert (outcome.kind, outcome.code) == (RETRY, "imap_folders_timeout")


def test_a_claim_without_the_id_itself_is_no_proof(scripted, look):
    scripted.script["FETCH"] = b"* 1 FETCH (UID 7 BODY[HEADER.FIELDS (MESSAGE-ID)] {5}\r\n\r\n\r\n )\r\n"
    assert look(scripted.port, trust=scripted.trust).find(REFERENCE).code == "not_in_sent"
    assert any(f'UID SEARCH HEADER Message-ID "{REFERENCE[1:-1]}"' in line for line in scripted.lines)


def test_a_literal_of_any_announced_size_costs_nothing(scripted, look):
    scripted.script["FETCH"] = b"* 1 FETCH (UID 7 BODY[HEADER.FIELDS (MESSAGE-ID)] {4000000000}\r\n"
    assert look(scripted.port, trust=scripted.trust).find(REFERENCE).code == "imap_search_hang_up"


def test_xoauth2_sends_the_token(scripted, look):
    reader = look(scripted.port, trust=scripted.trust, mechanism=Mechanism.XOAUTH2, secret="ya29.token")
    assert reader.check().ok
    sent = next(line for number, line in enumerate(scripted.lines) if "AUTHENTICATE" in scripted.lines[number - 1])
    assert base64.b64decode(sent) == b"user=giulia\x01auth=Bearer ya29.token\x01\x01"


@pytest.mark.parametrize(
    ("answer", "kind", "code"),
    [
        (b"NO [AUTHENTICATIONFAILED] no", AUTH, "imap_refused"),
        (b"NO [UNAVAILABLE] later", RETRY, "imap_busy"),
        (b"BAD what", AUTH, "imap_refused"),
    ],
)
def test_a_refused_sign_in_is_told_from_a_busy_server(scripted, look, answer, kind, code):
    scripted.answers["AUTHENTICATE"] = answer
    outcome = look(scripted.port, trust=scripted.trust).find(REFERENCE)
    assert (outcome.kind, outcome.code) == (kind, code)


@pytest.mark.parametrize(
    ("script", "code"),
    [
        ({"CAPABILITY": b"* CAPABILITY IMAP4rev1 AUTH=PLAIN\r\n"}, "imap_starttls_missing"),
        ({}, "imap_connect_hang_up"),
        ({"greeting": b"* PREAUTH welcome\r\n"}, "imap_connect_hang_up"),
    ],
)
def test_without_encryption_nothing_of_ours_is_said(scripted, look, script, code):
    scripted.tls = None
    scripted.script.update(script)
    scripted.answers["STARTTLS"] = b"OK go on\r\n* CAPABILITY IMAP4rev1 SMUGGLED"
    assert look(scripted.port, trust=scripted.trust, security=Security.STARTTLS, timeouts=SHORT).check().code == code
    assert not any("AUTHENTICATE" in line or "LOGIN" in line for line in scripted.lines)


def test_a_server_without_sasl_is_signed_in_to_by_name(scripted, look):
    scripted.script["CAPABILITY"] = b"* CAPABILITY IMAP4rev1\r\n"
    reader = look(scripted.port, trust=scripted.trust, username='gi"ulia', secret="geheim")
    assert reader.check().ok
    assert any(line.endswith(r'LOGIN "gi\"ulia" "geheim"') for line in scripted.lines)
    scripted.script["CAPABILITY"] = b"* CAPABILITY IMAP4rev1 LOGINDISABLED\r\n"
    assert reader.check().code == "imap_mechanism"


def test_special_folders_are_asked_for_where_the_server_keeps_them_back(scripted, look):
    scripted.script["CAPABILITY"] = b"* CAPABILITY IMAP4rev1 AUTH=PLAIN SPECIAL-USE\r\n"
    scripted.script["LIST"] = b'* LIST () "/" Altro\r\n'
    assert look(scripted.port, trust=scripted.trust).check().code == "imap_no_sent_folder"
    assert any('LIST (SPECIAL-USE) "" *' in line for line in scripted.lines)


@pytest.mark.parametrize(("host", "port"), [("127.0.0.1", 993), ("127.0.0.1", 25)])
def test_a_host_that_may_not_be_dialled_is_told(host, port):
    reader = SentMail(ImapConfig(host=host, port=port, username="giulia"), Guard())
    assert reader.check().code == "imap_connect_forbidden_address"
    assert "secret" not in repr(ImapConfig(host=host, secret="geheim"))


# --- Names of folders ----------------------------------------------------------------------------------------------


def test_folders_are_read_as_servers_write_them():
    rows = [
        b'(\\HasNoChildren) "/" "Posta inviata"',
        b'(\\Noselect) "/" "[Gmail]"',
        (b'(\\HasNoChildren) "." {8}', b"Gesendet"),
        b"(\\HasNoChildren) NIL Sent",
        b'(\\Sent) "\\\\" "a\\"b"',
        b"nonsense",
        None,
    ]
    found = [read_folder(row) for row in rows]
    assert [folder.wire_name if folder else None for folder in found] == [
        "Posta inviata",
        None,
        "Gesendet",
        "Sent",
        'a"b',
        None,
        None,
    ]
    assert sent_folder([folder for folder in found if folder]) == found[4], "the mark decides"
    assert sent_folder([folder for folder in found[:4] if folder]) == found[3], "then the usual order of names"
    assert sent_folder([]) is None


@pytest.mark.parametrize(
    ("wire_name", "name"),
    [("Envoy&AOk-s", "Envoyés"), ("A &- B", "A & B"), ("&!!-", "&!!-"), ("&Jjo-", "☺")],
)
def test_names_in_modified_utf_7_are_read(wire_name, name):
    assert decoded(wire_name) == name
