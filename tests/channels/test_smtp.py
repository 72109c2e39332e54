"""Handing over to a server: nothing twice, nothing lost, and honest about what can't be known."""

import email
import ssl
from dataclasses import replace
from email import policy
from pathlib import Path

import pytest
from aiosmtpd.smtp import AuthResult

from crm.channels.base import OutcomeKind
from crm.channels.mime import build
from crm.channels.smtp import EmailConnection, Mechanism, Security, SmtpConfig, Timeouts
from crm.chaos.certificates import self_signed
from crm.net.guard import Guard

DROP, HANG = b"drop", b"hang"
PIPELINING = {"ehlo": b"250-mail.example\r\n250-SIZE 1000000\r\n250 PIPELINING\r\n"}
RETRY, PERMANENT, POLICY = OutcomeKind.RETRY_LATER, OutcomeKind.PERMANENT, OutcomeKind.POLICY
SHORT = Timeouts(greeting=0.8, command=0.8, content=0.8, final=0.8)
CONTENT, AUTH, UNKNOWN = OutcomeKind.CONTENT, OutcomeKind.AUTH, OutcomeKind.UNKNOWN


@pytest.fixture(scope="module")
def pem(tmp_path_factory) -> Path:
    """A self-signed certificate for 127.0.0.1 with its key."""
    path = tmp_path_factory.mktemp("tls") / "mail.pem"
    path.write_bytes(self_signed())
    return path


@pytest.fixture
def server_tls(pem) -> ssl.SSLContext:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(pem)
    return context


@pytest.fixture
def trusting(pem) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=str(pem))


def signs_in(kept):
    def check(server, session, envelope, mechanism, data):
        kept.append((mechanism, bytes(data.login), bytes(data.password)))
        return AuthResult(success=data.password == b"geheim", handled=False)

    return check


# --- A real server -----------------------------------------------------------------------------------------------


def test_a_real_server_receives_the_very_bytes(real_server, connection_to, outbound):
    kept, port = real_server()
    outcome = connection_to(port).send(outbound)
    assert (outcome.kind, outcome.code, outcome.detail) == (OutcomeKind.ACCEPTED, "accepted", "2.0.0")
    ((sender, recipients, content),) = kept.envelopes
    assert (sender, recipients) == ("vendite@studio.example", ["anna.rossi@cliente.example"])
    assert content == build(outbound)
    message = email.message_from_bytes(content, policy=policy.default)
    assert message["Message-ID"] == outbound.reference
    assert message.get_content().replace("\r\n", "\n") == outbound.text + "\n"


def test_one_connection_carries_many_messages(scripted, connection_to, outbound):
    connection = connection_to(scripted.port)
    for number in range(5):
        assert connection.send(replace(outbound, attempt_no=number)).kind is OutcomeKind.ACCEPTED
    assert scripted.connections == 1
    assert len(scripted.messages) == 5
    assert len(set(scripted.messages)) == 1, "the Message-ID and every other byte stay the same over attempts"


def test_the_envelope_sender_can_carry_a_token(real_server, connection_to, outbound):
    kept, port = real_server()
    connection_to(port).send(replace(outbound, envelope_from="bounce+k3j9@studio.example"))
    assert kept.envelopes[0][0] == "bounce+k3j9@studio.example"


@pytest.mark.parametrize("security", [Security.STARTTLS, Security.TLS])
def test_an_encrypted_connection_signs_in_and_sends(
    real_server, connection_to, outbound, server_tls, trusting, security
):
    sign_ins: list = []
    if security is Security.TLS:
        options = {"ssl_context": server_tls, "auth_require_tls": False}
    else:
        options = {"tls_context": server_tls, "require_starttls": True, "auth_required": True}
    kept, port = real_server(authenticator=signs_in(sign_ins), **options)
    connection = connection_to(port, security=security, username="giulia", secret="geheim", tls=trusting)
    assert connection.send(outbound).kind is OutcomeKind.ACCEPTED
    assert len(kept.envelopes) == 1
    assert sign_ins == [("PLAIN", b"giulia", b"geheim")]


def test_a_wrong_password_holds_the_account(real_server, connection_to, outbound, server_tls, trusting):
    kept, port = real_server(authenticator=signs_in([]), auth_required=True, tls_context=server_tls)
    connection = connection_to(port, security=Security.STARTTLS, username="giulia", secret="no", tls=trusting)
    outcome = connection.send(outbound)
    assert (outcome.kind, outcome.code) == (AUTH, "auth_535")
    assert not connection.check().ok
    assert kept.envelopes == []


def test_check_signs_in_and_sends_nothing(real_server, connection_to):
    kept, port = real_server()
    assert connection_to(port).check().ok
    assert kept.envelopes == []


# --- Encryption is never given up --------------------------------------------------------------------------------


def test_a_missing_starttls_sends_nothing_in_clear(scripted, connection_to, outbound):
    connection = connection_to(scripted.port, security=Security.STARTTLS, username="u", secret="s")
    outcome = connection.send(outbound)
    assert (outcome.kind, outcome.code) == (AUTH, "starttls_missing")
    assert not any(line.startswith(("AUTH", "MAIL")) for line in scripted.lines)


def test_a_password_never_travels_in_clear(scripted, connection_to, outbound):
    outcome = connection_to(scripted.port, username="u", secret="s").send(outbound)
    assert (outcome.kind, outcome.code) == (AUTH, "auth_needs_tls")
    assert scripted.connections == 0


def test_a_certificate_that_does_not_verify_holds_the_account(real_server, connection_to, outbound, server_tls):
    kept, port = real_server(tls_context=server_tls)
    outcome = connection_to(port, security=Security.STARTTLS).send(outbound)
    assert (outcome.kind, outcome.code) == (AUTH, "tls_certificate")
    assert kept.envelopes == []


def test_commands_smuggled_before_the_handshake_are_refused(scripted, connection_to, outbound):
    scripted.script = {
        "ehlo": b"250-mail.example\r\n250 STARTTLS\r\n",
        "starttls": b"220 go on\r\n250 smuggled\r\n",
    }
    outcome = connection_to(scripted.port, security=Security.STARTTLS).send(outbound)
    assert (outcome.kind, outcome.code) == (RETRY, "starttls_injection")


# --- Every stage, every misbehaviour -----------------------------------------------------------------------------

STAGES = ["greeting", "ehlo", "mail", "rcpt", "data", "final"]


@pytest.mark.parametrize("pipelining", [False, True], ids=["stepwise", "pipelined"])
@pytest.mark.parametrize("misbehaviour", [DROP, HANG], ids=["hang_up", "timeout"])
@pytest.mark.parametrize("stage", STAGES)
def test_a_loss_is_unknown_only_after_the_content(scripted, connection_to, outbound, stage, misbehaviour, pipelining):
    scripted.script = {**(PIPELINING if pipelining else {}), stage: misbehaviour}
    outcome = connection_to(scripted.port, timeouts=SHORT).send(outbound)
    assert outcome.kind is (UNKNOWN if stage == "final" else RETRY)
    assert outcome.code == f"{stage}_{'timeout' if misbehaviour == HANG else 'hang_up'}"
    assert len(scripted.messages) == (1 if stage == "final" else 0)


EXPECTED = [
    ("greeting", b"421 4.3.2 busy", RETRY),
    ("greeting", b"554 5.7.1 go away", AUTH),
    ("greeting", b"SSH-2.0-x", RETRY),
    ("ehlo", b"451 later", RETRY),
    ("ehlo", b"550 no", AUTH),
    ("mail", b"451 4.7.1 greylisted", RETRY),
    ("mail", b"421 closing", RETRY),
    ("mail", b"550 5.7.1 sender refused", AUTH),
    ("mail", b"530 5.7.0 authentication required", AUTH),
    ("mail", b"552 5.3.4 too big", CONTENT),
    ("mail", b"552 too big", CONTENT),
    ("mail", b"550 5.7.30 Basic authentication is not supported", AUTH),
    ("rcpt", b"450 4.2.0 greylisted", RETRY),
    ("rcpt", b"450-4.2.0 greylisted\r\n450 4.2.0 come back", RETRY),
    ("rcpt", b"421 4.7.0 too many", RETRY),
    ("rcpt", b"550 5.1.1 no such user", PERMANENT),
    ("rcpt", b"550 no such user", PERMANENT),
    ("rcpt", b"553 bad", PERMANENT),
    ("rcpt", b"556 5.1.10 null mx", PERMANENT),
    ("rcpt", b"550 5.2.1 disabled", PERMANENT),
    ("rcpt", b"552 5.2.2 full", RETRY),
    ("rcpt", b"552 full", RETRY),
    ("rcpt", b"550 5.7.1 not allowed", POLICY),
    ("rcpt", b"554 refused", POLICY),
    ("rcpt", b"550 5.7.26 not authenticated", AUTH),
    ("rcpt", b"550 5.7.515 not authenticated", AUTH),
    ("rcpt", b"530 5.7.0 sign in", AUTH),
    ("rcpt", b"550 5.1.8 sender domain", AUTH),
    ("rcpt", b"550 5.1.90 You have reached your daily limit for message recipients", AUTH),
    ("rcpt", b"550 5.4.5 Daily user sending limit exceeded", AUTH),
    ("data", b"550 5.7.501 Access denied, spam abuse detected", AUTH),
    ("mail", b"550 5.7.705 Access denied, tenant has exceeded threshold", AUTH),
    ("rcpt", b"550 5.4.4 no route", PERMANENT),
    ("data", b"451 4.3.0 later", RETRY),
    ("data", b"554 no valid recipients", POLICY),
    ("data", b"250 what", RETRY),
    ("final", b"451 4.7.1 greylisted", RETRY),
    ("final", b"452 4.3.1 no room", RETRY),
    ("final", b"421 4.3.2 closing", UNKNOWN),
    ("final", b"451 4.4.2 lost the server behind", UNKNOWN),
    ("final", b"554 5.7.1 spam", POLICY),
    ("final", b"550 refused", POLICY),
    ("final", b"550 5.1.1 no such user after all", PERMANENT),
    ("final", b"552 5.3.4 too big", CONTENT),
    ("final", b"554 5.6.0 malformed", CONTENT),
    ("final", b"550 5.7.515 not authenticated", AUTH),
    ("final", b"354 again?", UNKNOWN),
    ("final", b"banana", UNKNOWN),
    ("final", b"", UNKNOWN),
]


@pytest.mark.parametrize("pipelining", [False, True], ids=["stepwise", "pipelined"])
@pytest.mark.parametrize(("stage", "answer", "kind"), EXPECTED, ids=str)
def test_a_reply_decides_the_outcome(scripted, connection_to, outbound, stage, answer, kind, pipelining):
    if pipelining and stage in {"greeting", "ehlo"}:
        scripted.script = {stage: answer + b"\r\n"}
    else:
        scripted.script = {**(PIPELINING if pipelining else {}), stage: answer + b"\r\n"}
    outcome = connection_to(scripted.port).send(outbound)
    assert outcome.kind is kind
    assert outcome.code.startswith(f"{stage}_")
    assert len(scripted.messages) == (1 if stage == "final" else 0)
    assert "@" not in outcome.code + outcome.detail, "codes are kept for ever and hold no address"


def test_a_refused_recipient_leaves_the_connection_usable(scripted, connection_to, outbound):
    scripted.script = {"rcpt": b"550 5.1.1 no\r\n"}
    connection = connection_to(scripted.port)
    assert connection.send(outbound).kind is PERMANENT
    scripted.script = {}
    assert connection.send(outbound).kind is OutcomeKind.ACCEPTED
    assert scripted.connections == 1
    assert "RSET" in scripted.lines


def test_a_pipelined_refusal_never_sends_content(scripted, connection_to, outbound):
    """Some servers answer 354 although every recipient was refused."""
    scripted.script = {**PIPELINING, "rcpt": b"550 5.1.1 no\r\n"}
    connection = connection_to(scripted.port)
    assert connection.send(outbound).kind is PERMANENT
    assert scripted.messages == []
    scripted.script = dict(PIPELINING)
    assert connection.send(outbound).kind is OutcomeKind.ACCEPTED


def test_pipelining_writes_the_envelope_at_once(scripted, connection_to, outbound):
    scripted.script = dict(PIPELINING)
    connection_to(scripted.port).send(outbound)
    size = len(build(outbound).replace(b"\r\n.", b"\r\n.."))
    envelope = (
        f"MAIL FROM:<vendite@studio.example> SIZE={size}\r\nRCPT TO:<anna.rossi@cliente.example>\r\nDATA\r\n".encode()
    )
    assert envelope in scripted.writes
    assert scripted.messages[0] == build(outbound).replace(b"\r\n.", b"\r\n..")


def test_a_kept_connection_that_died_is_replaced_without_an_attempt(scripted, connection_to, outbound):
    scripted.script = {"mail": lambda number: DROP if number == 1 and len(scripted.messages) == 1 else b"250 ok\r\n"}
    connection = connection_to(scripted.port)
    assert connection.send(outbound).kind is OutcomeKind.ACCEPTED
    assert connection.send(outbound).kind is OutcomeKind.ACCEPTED
    assert scripted.connections == 2
    assert len(scripted.messages) == 2


def test_an_idle_connection_is_asked_before_it_is_used(scripted, connection_to, outbound):
    connection = connection_to(scripted.port, idle_seconds=0.0)
    connection.send(outbound)
    connection.send(outbound)
    assert "NOOP" in scripted.lines
    assert scripted.connections == 1
    scripted.script = {"noop": DROP}
    assert connection.send(outbound).kind is OutcomeKind.ACCEPTED
    assert scripted.connections == 2


def test_a_lost_answer_is_never_tried_again_by_itself(scripted, connection_to, outbound):
    connection = connection_to(scripted.port)
    assert connection.send(outbound).kind is OutcomeKind.ACCEPTED
    scripted.script = {"final": DROP}
    assert connection.send(outbound).kind is UNKNOWN
    assert len(scripted.messages) == 2


def test_a_connection_is_renewed_after_its_share_of_messages(scripted, connection_to, outbound):
    connection = connection_to(scripted.port, messages_per_connection=2)
    for _ in range(4):
        assert connection.send(outbound).kind is OutcomeKind.ACCEPTED
    assert scripted.connections == 2
    assert scripted.lines.count("QUIT") == 1


def test_a_message_above_the_announced_size_is_not_begun(scripted, connection_to, outbound):
    scripted.script = {"ehlo": b"250-mail.example\r\n250 SIZE 100\r\n"}
    outcome = connection_to(scripted.port).send(outbound)
    assert (outcome.kind, outcome.code) == (CONTENT, "too_big")
    assert not any(line.startswith("MAIL") for line in scripted.lines)


def test_an_endless_reply_is_cut(scripted, connection_to, outbound):
    scripted.script = {"rcpt": b"250-more\r\n" * 200}
    assert connection_to(scripted.port).send(outbound).kind is RETRY
    scripted.script = {"rcpt": b"250 " + b"x" * 100_000}
    assert connection_to(scripted.port).send(outbound).kind is RETRY


@pytest.mark.parametrize(
    ("change", "kind"),
    [
        ({"to_address": "a@b>\r\nRCPT TO:<c@d"}, PERMANENT),
        ({"from_address": "nobody"}, AUTH),
        ({"envelope_from": "a b@c"}, AUTH),
        ({"subject": "a\nBcc: b@c"}, CONTENT),
    ],
)
def test_what_can_not_be_written_is_refused_without_a_connection(scripted, connection_to, outbound, change, kind):
    assert connection_to(scripted.port).send(replace(outbound, **change)).kind is kind
    assert scripted.connections == 0


# --- Signing in --------------------------------------------------------------------------------------------------


def signed_in(scripted, connection_to, outbound, monkeypatch, **options):
    """Sign in over a connection that counts as encrypted, to see the lines a server would see."""
    monkeypatch.setattr(EmailConnection, "_encrypt", lambda _self, connection: connection)
    connection = connection_to(
        scripted.port, security=Security.TLS, username="giulia@studio.example", secret="geheim", **options
    )
    return connection.send(outbound)


def test_xoauth2_sends_the_token_and_ends_the_explanation(scripted, connection_to, outbound, monkeypatch):
    scripted.script = {"ehlo": b"250-m\r\n250 AUTH PLAIN XOAUTH2\r\n"}
    options = {"mechanism": Mechanism.XOAUTH2}
    assert signed_in(scripted, connection_to, outbound, monkeypatch, **options).kind is OutcomeKind.ACCEPTED
    # base64 of "user=giulia@studio.example^Aauth=Bearer geheim^A^A"
    assert "AUTH XOAUTH2 dXNlcj1naXVsaWFAc3R1ZGlvLmV4YW1wbGUBYXV0aD1CZWFyZXIgZ2VoZWltAQE=" in scripted.lines
    answers = iter([b"334 eyJzdGF0dXMiOiI0MDAifQ==\r\n", b"535 5.7.8 expired\r\n"])
    scripted.script["auth"] = lambda _number: next(answers)
    assert signed_in(scripted, connection_to, outbound, monkeypatch, **options).kind is AUTH


def test_login_is_used_where_plain_is_not_offered(scripted, connection_to, outbound, monkeypatch):
    answers = iter([b"334 VXNlcm5hbWU6\r\n", b"334 UGFzc3dvcmQ6\r\n", b"235 ok\r\n"])
    scripted.script = {"ehlo": b"250-m\r\n250 AUTH=LOGIN CRAM-MD5\r\n", "auth": lambda _number: next(answers)}
    assert signed_in(scripted, connection_to, outbound, monkeypatch).kind is OutcomeKind.ACCEPTED


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (b"535 5.7.8 no\r\n", AUTH),
        (b"534 use the web\r\n", AUTH),
        (b"454 4.7.0 later\r\n", RETRY),
        (b"421 later\r\n", RETRY),
        (DROP, RETRY),
        (HANG, RETRY),
    ],
)
def test_a_refused_sign_in(scripted, connection_to, outbound, monkeypatch, answer, kind):
    scripted.script = {"ehlo": b"250-m\r\n250 AUTH PLAIN\r\n", "auth": answer}
    assert signed_in(scripted, connection_to, outbound, monkeypatch, timeouts=SHORT).kind is kind


def test_a_server_without_a_common_mechanism_holds_the_account(scripted, connection_to, outbound, monkeypatch):
    scripted.script = {"ehlo": b"250-m\r\n250 AUTH NTLM\r\n"}
    outcome = signed_in(scripted, connection_to, outbound, monkeypatch)
    assert (outcome.kind, outcome.code) == (AUTH, "auth_mechanism")


# --- Dialling ----------------------------------------------------------------------------------------------------


def test_a_closed_port_is_tried_again_later(scripted, connection_to, outbound):
    outcome = connection_to(1).send(outbound)
    assert (outcome.kind, outcome.code) == (RETRY, "connect_connect")


@pytest.mark.parametrize(("host", "port", "code"), [("127.0.0.1", 25, "forbidden_address"), ("8.8.8.8", 22, "port")])
def test_a_host_that_may_not_be_dialled_holds_the_account(outbound, host, port, code):
    guard = Guard(resolver=lambda name, _port: [name])
    outcome = EmailConnection(SmtpConfig(host=host, port=port), guard).send(outbound)
    assert (outcome.kind, outcome.code) == (AUTH, f"connect_{code}")


def test_a_host_without_an_address_is_tried_again_later(outbound):
    guard = Guard(resolver=lambda _name, _port: [])
    outcome = EmailConnection(SmtpConfig(host="mail.example", port=587), guard).send(outbound)
    assert (outcome.kind, outcome.code) == (RETRY, "connect_dns")


def test_the_secret_is_not_in_the_representation():
    assert "geheim" not in repr(SmtpConfig(host="h", port=25, username="u", secret="geheim"))


# --- A lease that is over ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("offer", [{}, PIPELINING], ids=["stepwise", "pipelined"])
def test_nothing_leaves_once_the_lease_is_over_also_when_the_server_waits_for_the_content(
    scripted, connection_to, outbound, offer
):
    scripted.script = dict(offer)
    connection = connection_to(scripted.port)
    outcome = connection.send(replace(outbound, may_leave=lambda: False))
    assert (outcome.kind, outcome.code) == (RETRY, "lease_over")
    assert scripted.messages == []
    assert connection.send(outbound).kind is OutcomeKind.ACCEPTED, "on a connection of its own"
    assert len(scripted.messages) == 1


@pytest.mark.parametrize("security", [Security.NONE, Security.STARTTLS])
def test_a_lease_that_ends_while_a_long_content_leaves_takes_it_back(
    real_server, connection_to, outbound, server_tls, trusting, security
):
    kept, port = real_server(**({} if security is Security.NONE else {"tls_context": server_tls}))
    long = replace(outbound, text="Molte parole.\n" * 700_000)
    connection = connection_to(port, security=security, tls=trusting)
    asked: list[bool] = []
    outcome = connection.send(replace(long, may_leave=lambda: asked.append(True) or len(asked) < 2))
    assert (outcome.kind, outcome.code) == (RETRY, "lease_over")
    assert kept.envelopes == []
    assert connection.send(long).kind is OutcomeKind.ACCEPTED
    assert len(kept.envelopes) == 1
