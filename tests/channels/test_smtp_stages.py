"""The handshake of STARTTLS at its worst, and the time that each stage has for itself."""

import socket
import threading
import time

import pytest

from crm.channels.base import OutcomeKind
from crm.channels.smtp import Security, Timeouts
from crm.hub import Hub
from crm.net.guard import Guard

DROP, HANG = b"drop", b"hang"
RETRY, AUTH, UNKNOWN = OutcomeKind.RETRY_LATER, OutcomeKind.AUTH, OutcomeKind.UNKNOWN
STARTTLS = b"250-mail.example\r\n250 STARTTLS\r\n"


@pytest.mark.parametrize(
    ("answer", "kind", "code"),
    [
        (DROP, RETRY, "starttls_hang_up"),
        (HANG, RETRY, "starttls_timeout"),
        (b"454 4.7.0 TLS not available due to temporary reason\r\n", RETRY, "starttls_454"),
        (b"502 5.5.1 not implemented\r\n", AUTH, "starttls_502"),
        (b"220 go on\r\nno handshake at all", RETRY, "starttls_"),
    ],
)
def test_trouble_before_the_encryption_sends_nothing_in_clear(scripted, connection_to, outbound, answer, kind, code):
    scripted.script = {"ehlo": STARTTLS, "starttls": answer}
    timeouts = Timeouts(connect=0.8, greeting=5, command=0.8, content=5, final=5)
    outcome = connection_to(scripted.port, security=Security.STARTTLS, timeouts=timeouts).send(outbound)
    assert outcome.kind is kind
    assert outcome.code.startswith(code)
    assert not any("MAIL" in line or "AUTH" in line for line in scripted.lines)


@pytest.mark.parametrize(("stage", "field"), [("greeting", "greeting"), ("rcpt", "command"), ("final", "final")])
def test_each_stage_has_its_own_time(scripted, connection_to, outbound, stage, field):
    scripted.script = {stage: HANG}
    patient = {"connect": 20.0, "greeting": 20.0, "command": 20.0, "content": 20.0, "final": 20.0}
    begun = time.monotonic()
    outcome = connection_to(scripted.port, timeouts=Timeouts(**{**patient, field: 0.3})).send(outbound)
    assert outcome.code == f"{stage}_timeout"
    assert outcome.kind is (UNKNOWN if stage == "final" else RETRY)
    assert time.monotonic() - begun < 15


class Handshake:
    """Stands in for the encryption, in whose middle its line is ended."""

    def __init__(self) -> None:
        self.begun, self.may_go_on, self.ended = threading.Event(), threading.Event(), threading.Event()
        self.descriptors: list[int] = []

    def wrap_socket(self, connection: socket.socket, *, server_hostname: str) -> socket.socket:
        self.begun.set()
        assert self.may_go_on.wait(30)
        # A closed one is -1, or by now a connection of somebody else's.
        self.descriptors.append(connection.fileno())
        self.ended.set()
        raise OSError(server_hostname)


def test_a_handshake_keeps_its_connection_also_when_its_line_is_ended(scripted, connection_to):
    handshake, hub = Handshake(), Hub()
    connection = connection_to(scripted.port, security=Security.TLS, tls=handshake)
    hub.spawn(lambda: connection.check() and None)
    until = time.monotonic() + 30.0
    while not handshake.begun.is_set() and time.monotonic() < until:
        hub.turn(time.monotonic() + 0.01)
    hub.close()
    handshake.may_go_on.set()
    assert handshake.ended.wait(30)
    assert min(handshake.descriptors) >= 0


@pytest.mark.parametrize("trouble", [RuntimeError("can't start new thread"), OSError(24, "Too many open files")])
def test_a_machine_without_threads_or_descriptors_sends_nothing_and_tries_later(
    scripted, connection_to, outbound, monkeypatch, trouble
):
    def dial(*_given, **_named):
        raise trouble

    monkeypatch.setattr(Guard, "dial", dial)
    outcome = connection_to(scripted.port).send(outbound)
    assert (outcome.kind, outcome.code) == (RETRY, "connect_connect")
