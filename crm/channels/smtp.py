"""Hands e-mail to an SMTP server over kept connections, telling apart what surely did not leave and what may have."""

import base64
import re
import smtplib
import socket
import ssl
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import Final

from crm.channels.base import CheckResult, Outbound, Outcome, OutcomeKind
from crm.channels.mime import MimeCode, MimeError, build, is_address
from crm.channels.smtp_replies import Reply, Stage, outcome_of_loss, outcome_of_reply
from crm.channels.smtp_wire import Wire
from crm.failpoints import Failpoint, reach
from crm.hub import apart
from crm.net.errors import NetCode, NetError
from crm.net.guard import Guard

#: Submission, relay and the usual alternative; the operator's NET_ALLOW exempts a host from this list.
SMTP_PORTS: Final = frozenset({25, 465, 587, 2525})
_HOST_NAME = re.compile(r"[A-Za-z0-9.-]{1,253}")


class Security(StrEnum):
    """How the connection is encrypted. There is no "if offered": a missing STARTTLS is an error."""

    STARTTLS = "starttls"
    TLS = "tls"
    NONE = "none"


class Mechanism(StrEnum):
    """How we sign in."""

    PASSWORD = "password"
    XOAUTH2 = "xoauth2"


@dataclass(frozen=True, slots=True, kw_only=True)
class Timeouts:
    """Seconds each stage may take altogether, however slowly the server drips.

    RFC 5321, 4.5.3.2 allows minutes; these are shorter because a claim is leased, and longer after the final dot
    because giving up there makes the message uncertain.
    """

    connect: float = 10.0
    greeting: float = 30.0
    command: float = 30.0
    content: float = 60.0
    final: float = 120.0

    def scaled(self, factor: float) -> "Timeouts":
        """All of them longer or shorter by the same factor."""
        return Timeouts(**{name: seconds * factor for name, seconds in asdict(self).items()})


@dataclass(frozen=True, slots=True, kw_only=True)
class SmtpConfig:
    """One server and how to sign in; `secret` is the password or the OAuth access token."""

    host: str
    port: int
    security: Security = Security.STARTTLS
    username: str = ""
    secret: str = field(default="", repr=False)
    mechanism: Mechanism = Mechanism.PASSWORD
    client_name: str = "localhost"
    timeouts: Timeouts = field(default_factory=Timeouts)
    idle_seconds: float = 20.0
    messages_per_connection: int = 100


class _StageError(Exception):
    """A stage ended without success: by a reply, or by a loss (time-out, hang-up, nonsense)."""

    def __init__(self, outcome: Outcome, *, lost: bool) -> None:
        super().__init__(outcome.code)
        self.outcome = outcome
        self.lost = lost


class EmailConnection:
    """A connection to one SMTP server that is kept between messages and replaced when it went stale.

    Used by one thread at a time. Every failure is an `Outcome`; nothing is raised.
    """

    def __init__(self, config: SmtpConfig, guard: Guard, *, tls: ssl.SSLContext | None = None) -> None:
        self._config = config
        self._guard = guard
        self._tls = tls
        self._wire: Wire | None = None
        self._used_at = 0.0
        self._handed_over = 0

    def check(self) -> CheckResult:
        """Connect and sign in, send nothing."""
        self.close()
        try:
            self._connect()
        except _StageError as error:
            return CheckResult(ok=False, code=error.outcome.code, detail=error.outcome.detail)
        self.close()
        return CheckResult(ok=True)

    def send(self, outbound: Outbound) -> Outcome:
        """Hand over one message. The Message-ID is `outbound.reference`, whatever the number of the attempt."""
        try:
            content = build(outbound)
        except MimeError as error:
            return _refused_before(error.code)
        sender = outbound.envelope_from or outbound.from_address
        if not is_address(sender):
            return _refused_before(MimeCode.FROM_ADDRESS)
        try:
            kept = self._ready()
            try:
                return self._transaction(sender, outbound, content)
            except _StageError as error:
                # A kept connection may have been closed since the last message; before any content that costs nothing.
                if not (kept and error.lost and error.outcome.kind is OutcomeKind.RETRY_LATER):
                    raise
                self._connect()
                return self._transaction(sender, outbound, content)
        except _StageError as error:
            return error.outcome
        except BaseException:
            # Whoever waits here can be ended; nobody could make sense of the rest of the conversation.
            self._drop()
            raise

    def close(self) -> None:
        """Say goodbye and close; safe to call twice."""
        wire, self._wire = self._wire, None
        if wire is None:
            return
        try:
            wire.allow(1.0)
            wire.docmd("QUIT")
        except (OSError, smtplib.SMTPException):
            pass
        finally:
            wire.close()

    def _drop(self) -> None:
        """Close without a word: the server may be in the middle of anything."""
        if self._wire is not None:
            self._wire.close()
            self._wire = None

    def _ready(self) -> bool:
        """Make sure of a connection; True when it is a kept one."""
        if self._wire is not None:
            if self._handed_over >= self._config.messages_per_connection:
                self.close()
            elif time.monotonic() - self._used_at < self._config.idle_seconds or self._is_alive():
                return True
        self._connect()
        return False

    def _is_alive(self) -> bool:
        try:
            return self._command(Stage.EHLO, "NOOP", self._config.timeouts.connect).code == 250  # noqa: PLR2004
        except _StageError:
            return False

    def _connect(self) -> None:
        """Dial, greet, encrypt, sign in. Raises `_StageError`."""
        self._drop()
        config, timeouts = self._config, self._config.timeouts
        if config.username and config.security is Security.NONE:
            raise _StageError(Outcome(kind=OutcomeKind.AUTH, code="auth_needs_tls"), lost=False)
        try:
            connection = apart(
                lambda: self._guard.dial(config.host, config.port, seconds=timeouts.connect, ports=SMTP_PORTS)
            )
        except NetError as error:
            raise _StageError(_outcome_of_dial(error.code), lost=True) from error
        except (OSError, RuntimeError) as error:
            # This machine has no descriptor or no thread left for it.
            raise _StageError(_outcome_of_dial(NetCode.CONNECT), lost=True) from error
        if config.security is Security.TLS:
            connection = self._encrypt(connection)
        self._wire = wire = Wire(connection, config.host)
        self._expect(Stage.GREETING, self._read(Stage.GREETING, timeouts.greeting), 220)
        self._hello()
        if config.security is Security.STARTTLS:
            if not wire.has_extn("starttls"):
                self.close()
                raise _StageError(Outcome(kind=OutcomeKind.AUTH, code="starttls_missing"), lost=False)
            self._expect(Stage.STARTTLS, self._command(Stage.STARTTLS, "STARTTLS", timeouts.command), 220)
            # Anything that came after the reply in clear text was smuggled in (CVE-2011-0411 and its kin).
            if wire.has_unread():
                self._drop()
                raise _StageError(outcome_of_loss(Stage.STARTTLS, "injection"), lost=True)
            self._wire = wire = Wire(self._encrypt(connection), config.host)
            self._hello()
        if config.username:
            self._sign_in(wire)
        self._handed_over = 0
        self._used_at = time.monotonic()

    def _encrypt(self, connection: socket.socket) -> ssl.SSLSocket:
        connection.settimeout(self._config.timeouts.connect)

        def shake_hands() -> ssl.SSLSocket:
            try:
                tls = self._tls or ssl.create_default_context()
                return tls.wrap_socket(connection, server_hostname=self._config.host)
            finally:
                # wrap_socket moves the descriptor into the new object; after a failure this closes it. In here, because
                # the line may be ended meanwhile, and nobody else may close what a thread still reads from.
                connection.close()

        try:
            return apart(shake_hands)
        except ssl.SSLCertVerificationError as error:
            outcome = Outcome(kind=OutcomeKind.AUTH, code="tls_certificate")
            raise _StageError(outcome, lost=True) from error
        except (OSError, ValueError) as error:
            raise _StageError(outcome_of_loss(Stage.STARTTLS, "handshake"), lost=True) from error

    def _hello(self) -> None:
        wire = self._wire
        if wire is None:
            return
        name = self._config.client_name if _HOST_NAME.fullmatch(self._config.client_name) else "localhost"
        wire.allow(self._config.timeouts.command)
        try:
            code, text = wire.ehlo(name)
        except (OSError, smtplib.SMTPException) as error:
            raise self._lost(Stage.EHLO, error) from error
        self._expect(Stage.EHLO, Reply(code, text), 250)

    def _sign_in(self, wire: Wire) -> None:
        offered = wire.esmtp_features.get("auth", "").upper().replace("=", " ").split()
        config = self._config
        seconds = config.timeouts.command
        secret = f"\0{config.username}\0{config.secret}".encode()
        if config.mechanism is Mechanism.XOAUTH2:
            if "XOAUTH2" not in offered:
                raise self._no_mechanism()
            bearer = f"user={config.username}\x01auth=Bearer {config.secret}\x01\x01".encode()
            reply = self._command(Stage.AUTH, f"AUTH XOAUTH2 {_base64(bearer)}", seconds)
            if reply.code == 334:  # noqa: PLR2004 - the server explains its refusal and waits for an empty line
                reply = self._command(Stage.AUTH, "", seconds)
        elif "PLAIN" in offered:
            reply = self._command(Stage.AUTH, f"AUTH PLAIN {_base64(secret)}", seconds)
        elif "LOGIN" in offered:
            self._expect(Stage.AUTH, self._command(Stage.AUTH, "AUTH LOGIN", seconds), 334)
            user = self._command(Stage.AUTH, _base64(config.username.encode()), seconds)
            self._expect(Stage.AUTH, user, 334)
            reply = self._command(Stage.AUTH, _base64(config.secret.encode()), seconds)
        else:
            raise self._no_mechanism()
        self._expect(Stage.AUTH, reply, 235)

    def _no_mechanism(self) -> _StageError:
        self.close()
        return _StageError(Outcome(kind=OutcomeKind.AUTH, code="auth_mechanism"), lost=False)

    def _transaction(self, sender: str, outbound: Outbound, content: bytes) -> Outcome:
        """MAIL, RCPT, DATA and the content. Raises `_StageError` for all but acceptance."""
        wire = self._wire
        if wire is None:
            raise _StageError(outcome_of_loss(Stage.MAIL, "closed"), lost=True)
        stuffed = _stuffed(content)
        size = ""
        if wire.has_extn("size"):
            limit = wire.esmtp_features["size"].strip()
            if limit.isdigit() and 0 < int(limit) < len(stuffed):
                raise _StageError(Outcome(kind=OutcomeKind.CONTENT, code="too_big"), lost=False)
            size = f" SIZE={len(stuffed)}"
        mail, rcpt = f"MAIL FROM:<{sender}>{size}", f"RCPT TO:<{outbound.to_address}>"
        if wire.has_extn("pipelining"):
            self._pipelined(mail, rcpt)
        else:
            self._stepwise(mail, rcpt)
        reach(Failpoint.MID_REQUEST)
        reply = self._content(stuffed, outbound.may_leave)
        self._expect(Stage.FINAL, reply, 250)
        self._used_at = time.monotonic()
        self._handed_over += 1
        # Only the code of the reply is kept: its text is the server's and may repeat an address.
        return Outcome(kind=OutcomeKind.ACCEPTED, code="accepted", detail=reply.enhanced)

    def _stepwise(self, mail: str, rcpt: str) -> None:
        seconds = self._config.timeouts.command
        for stage, line, expected in (
            (Stage.MAIL, mail, 250),
            (Stage.RCPT, rcpt, 250),
            (Stage.DATA, "DATA", 354),
        ):
            self._expect(stage, self._command(stage, line, seconds), expected)

    def _pipelined(self, mail: str, rcpt: str) -> None:
        """MAIL, RCPT and DATA in one write (RFC 2920); the answers come in order."""
        self._write(Stage.MAIL, f"{mail}\r\n{rcpt}\r\nDATA\r\n".encode("ascii"), self._config.timeouts.command)
        replies = [self._read(stage, None) for stage in (Stage.MAIL, Stage.RCPT, Stage.DATA)]
        refused = replies[0].code != 250 or replies[1].code not in {250, 251}  # noqa: PLR2004 - RFC 5321, 4.3.2
        if refused and replies[2].code == 354:  # noqa: PLR2004
            # The server waits for content although nobody is to receive it: leave rather than send anything.
            self._drop()
        for stage, reply, expected in zip((Stage.MAIL, Stage.RCPT, Stage.DATA), replies, (250, 250, 354), strict=True):
            self._expect(stage, reply, expected)

    def _content(self, stuffed: bytes, may_leave: Callable[[], bool]) -> Reply:
        """Write the content with its final dot and wait for the verdict; any loss from here on is unknown."""
        end = b".\r\n" if stuffed.endswith(b"\r\n") else b"\r\n.\r\n"
        if not self._write(Stage.FINAL, stuffed + end, self._config.timeouts.content, may_leave):
            self._drop()
            raise _StageError(Outcome(kind=OutcomeKind.RETRY_LATER, code="lease_over"), lost=False)
        reach(Failpoint.AFTER_REQUEST)
        return self._read(Stage.FINAL, self._config.timeouts.final)

    def _command(self, stage: Stage, line: str, seconds: float) -> Reply:
        self._write(stage, f"{line}\r\n".encode(), seconds)
        return self._read(stage, None)

    def _write(self, stage: Stage, data: bytes, seconds: float, may_leave: Callable[[], bool] | None = None) -> bool:
        """Write all of `data`; False when `may_leave` forbade it before its end."""
        wire = self._wire
        try:
            if wire is None:
                raise smtplib.SMTPServerDisconnected("closed")
            wire.allow(seconds)
            if may_leave is not None:
                return wire.send_while(may_leave, data)
            wire.send(data)
        except (OSError, smtplib.SMTPException) as error:
            raise self._lost(stage, error) from error
        return True

    def _read(self, stage: Stage, seconds: float | None) -> Reply:
        """Read one reply within `seconds`, or within what is left of the command's time."""
        wire = self._wire
        try:
            if wire is None:
                raise smtplib.SMTPServerDisconnected("closed")
            if seconds is not None:
                wire.allow(seconds)
            return Reply(*wire.getreply())
        except (OSError, smtplib.SMTPException) as error:
            raise self._lost(stage, error) from error

    def _expect(self, stage: Stage, reply: Reply, expected: int) -> None:
        """Pass the expected reply; turn any other into the outcome of its stage and clean up."""
        if reply.code == expected or (reply.code == 251 and stage is Stage.RCPT):  # noqa: PLR2004
            return
        outcome = outcome_of_reply(stage, reply)
        # After 421 or nonsense nothing can be said about the connection; before MAIL there is none worth keeping.
        if reply.code in {421, -1} or stage not in {Stage.MAIL, Stage.RCPT, Stage.DATA, Stage.FINAL}:
            self._drop()
            raise _StageError(outcome, lost=True)
        self._reset()
        raise _StageError(outcome, lost=False)

    def _reset(self) -> None:
        """Leave the failed transaction so that the connection can carry the next one."""
        if self._wire is None:
            return
        try:
            reply = self._command(Stage.EHLO, "RSET", self._config.timeouts.connect)
        except _StageError:
            return
        if reply.code != 250:  # noqa: PLR2004
            self._drop()
        self._used_at = time.monotonic()

    def _lost(self, stage: Stage, error: Exception) -> _StageError:
        self._drop()
        reason = "timeout" if isinstance(error, TimeoutError) else "hang_up"
        return _StageError(outcome_of_loss(stage, reason), lost=True)


def _stuffed(content: bytes) -> bytes:
    """Double the dot at the beginning of a line (RFC 5321, 4.5.2); most messages have none."""
    return re.sub(rb"(?m)^\.", b"..", content) if content.startswith(b".") or b"\n." in content else content


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")


def _refused_before(code: MimeCode) -> Outcome:
    """What a message that could not be written down comes to; nothing was sent."""
    kinds = {MimeCode.TO_ADDRESS: OutcomeKind.PERMANENT, MimeCode.FROM_ADDRESS: OutcomeKind.AUTH}
    return Outcome(kind=kinds.get(code, OutcomeKind.CONTENT), code="unwritable", detail=code.value)


def _outcome_of_dial(code: NetCode) -> Outcome:
    """A refused address is the account's fault; everything else may pass."""
    refused = code in {NetCode.FORBIDDEN_ADDRESS, NetCode.PORT}
    return Outcome(kind=OutcomeKind.AUTH if refused else OutcomeKind.RETRY_LATER, code=f"connect_{code}")
