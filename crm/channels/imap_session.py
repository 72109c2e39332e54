"""A signed-in connection to a mailbox: dialled with care, encrypted, and every failure with its code."""

import imaplib
import re
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Final

from crm.channels.base import OutcomeKind
from crm.channels.imap_names import Folder, read_folder
from crm.channels.imap_wire import ImapWire
from crm.channels.smtp import Mechanism, Security
from crm.net.errors import NetCode, NetError
from crm.net.guard import Guard

#: With and without encryption from the first byte; the operator's NET_ALLOW exempts a host from this list.
IMAP_PORTS: Final = frozenset({143, 993})
_MAX_FOLDERS: Final = 5_000
_UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f]")
#: Answers to a sign-in that say nothing about the password (RFC 5530).
_PASSING = re.compile(rb"\[(?:UNAVAILABLE|INUSE|SERVERBUG|LIMIT)", re.IGNORECASE)


@dataclass(frozen=True, slots=True, kw_only=True)
class ImapTimeouts:
    """Seconds for each step altogether; a search in a large folder without an index takes long."""

    connect: float = 10.0
    command: float = 30.0
    search: float = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class ImapConfig:
    """One mailbox and how to sign in; `folder` is the sent folder's name where it can't be told by itself."""

    host: str
    port: int = 993
    security: Security = Security.TLS
    username: str = ""
    secret: str = field(default="", repr=False)
    mechanism: Mechanism = Mechanism.PASSWORD
    folder: str = ""
    timeouts: ImapTimeouts = field(default_factory=ImapTimeouts)


class ImapError(Exception):
    """The mailbox could not be read: `code` says at which step, `kind` whether the account is at fault."""

    def __init__(self, code: str, kind: OutcomeKind = OutcomeKind.RETRY_LATER) -> None:
        super().__init__(code)
        self.code = code
        self.kind = kind


class ImapSession:
    """One connection, kept between questions and made anew after trouble. Used by one thread at a time."""

    def __init__(self, config: ImapConfig, guard: Guard, *, tls: ssl.SSLContext | None = None) -> None:
        self.config = config
        self._guard = guard
        self._tls = tls
        self.wire: ImapWire | None = None

    def sign_in(self) -> ImapWire:
        """Dial, encrypt, and say who we are. Raises `ImapError`."""
        self.drop()
        config = self.config
        if config.security is Security.NONE or not config.username:
            raise ImapError("imap_needs_tls" if config.username else "imap_config", OutcomeKind.AUTH)
        with self.step("connect"):
            wire = self.wire = self._connected()
            if config.security is Security.STARTTLS:
                self._encrypt(wire)
        with self.step("sign_in"):
            wire.allow(config.timeouts.command)
            self._sign_in(wire)
        return wire

    def close(self) -> None:
        """Say goodbye and close; safe to call twice."""
        wire, self.wire = self.wire, None
        if wire is None:
            return
        try:
            wire.allow(1.0)
            wire.logout()
        except (OSError, imaplib.IMAP4.error):
            pass
        finally:
            wire.shutdown()

    def drop(self) -> None:
        """Leave a connection that nobody can rely on."""
        if self.wire is not None:
            self.wire.shutdown()
            self.wire = None

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        """Turn what goes wrong in a step into its code, and leave a connection that nobody can rely on."""
        try:
            yield
        except ImapError:
            self.drop()
            raise
        except ssl.SSLCertVerificationError as error:
            self.drop()
            raise ImapError("imap_certificate", OutcomeKind.AUTH) from error
        except TimeoutError as error:
            self.drop()
            raise ImapError(f"imap_{name}_timeout") from error
        except (OSError, imaplib.IMAP4.error, ValueError, AttributeError, LookupError) as error:
            # The library raises its bare kinds on answers that are no IMAP.
            self.drop()
            raise ImapError(f"imap_{name}_hang_up") from error

    def _connected(self) -> ImapWire:
        """A connection that was greeted, encrypted unless STARTTLS is to follow."""
        config, seconds = self.config, self.config.timeouts.connect
        try:
            connection = self._guard.dial(config.host, config.port, seconds=seconds, ports=IMAP_PORTS)
        except NetError as error:
            is_refused = error.code in {NetCode.FORBIDDEN_ADDRESS, NetCode.PORT}
            kind = OutcomeKind.AUTH if is_refused else OutcomeKind.RETRY_LATER
            raise ImapError(f"imap_connect_{error.code}", kind) from error
        try:
            if config.security is Security.TLS:
                connection.settimeout(seconds)
                connection = self._context().wrap_socket(connection, server_hostname=config.host)
            wire = ImapWire(connection, config.host, seconds=config.timeouts.command)
        except BaseException:
            connection.close()
            raise
        if wire.state != "NONAUTH":
            # Signed in before we said who we are: somebody stands between (RFC 9051, 11.3).
            wire.shutdown()
            raise ImapError("imap_connect_hang_up")
        return wire

    def _encrypt(self, wire: ImapWire) -> None:
        if "STARTTLS" not in wire.capabilities:
            raise ImapError("imap_starttls_missing", OutcomeKind.AUTH)
        wire.encrypt(self._context())

    def _context(self) -> ssl.SSLContext:
        return self._tls or ssl.create_default_context()

    def _sign_in(self, wire: ImapWire) -> None:
        config = self.config
        if _UNPRINTABLE.search(config.username + config.secret):
            raise ImapError("imap_refused", OutcomeKind.AUTH)
        offered = wire.capabilities
        bearer = f"user={config.username}\x01auth=Bearer {config.secret}\x01\x01".encode()
        plain = f"\0{config.username}\0{config.secret}".encode()
        try:
            if config.mechanism is Mechanism.XOAUTH2:
                if "AUTH=XOAUTH2" not in offered:
                    raise ImapError("imap_mechanism", OutcomeKind.AUTH)
                # A refusal is explained first, and ends with an empty answer of ours.
                answers = iter((bearer,))
                wire.authenticate("XOAUTH2", lambda _challenge: next(answers, b""))
            elif "AUTH=PLAIN" in offered:
                wire.authenticate("PLAIN", lambda _challenge: plain)
            elif "LOGINDISABLED" in offered or not (config.username + config.secret).isascii():
                raise ImapError("imap_mechanism", OutcomeKind.AUTH)
            else:
                wire.login(quoted(config.username), config.secret)
        except imaplib.IMAP4.abort:
            raise
        except imaplib.IMAP4.error as error:
            if _PASSING.search(str(error).encode()):
                raise ImapError("imap_busy") from error
            raise ImapError("imap_refused", OutcomeKind.AUTH) from error
        wire.learn()


def listed(wire: ImapWire, directory: str, pattern: str) -> list[Folder]:
    """The folders that a LIST names and that can be opened. Raises `ImapError`."""
    answer, rows = wire.list(directory, pattern)
    if answer != "OK":
        raise ImapError("imap_no_sent_folder", OutcomeKind.AUTH)
    read = [read_folder(row) for row in rows[:_MAX_FOLDERS] if row]
    return [folder for folder in read if folder is not None]


def quoted(text: str) -> str:
    """An IMAP quoted string; whoever calls has made sure that there is no line end in it."""
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
