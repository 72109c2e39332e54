"""The handshake of STARTTLS at its worst, and the time that each stage has for itself."""

import time

import pytest

from crm.channels.base import OutcomeKind
from crm.channels.smtp import Security, Timeouts

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
