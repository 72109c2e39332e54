"""Looks into a mailbox's folder of sent mail for one Message-ID: the only witness an uncertain e-mail may have."""

import imaplib
import re
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Final

from crm.channels.base import CheckResult, Outcome, OutcomeKind
from crm.channels.imap_names import Folder, read_folder, sent_folder
from crm.channels.imap_wire import ImapWire
from crm.channels.mail_parts import message_ids
from crm.channels.smtp import Mechanism, Security
from crm.net.errors import NetCode, NetError
from crm.net.guard import Guard

#: With and without encryption from the first byte; the operator's NET_ALLOW exempts a host from this list.
IMAP_PORTS: Final = frozenset({143, 993})
FOUND: Final = "found_in_sent"
ABSENT: Final = "not_in_sent"
_MAX_FOLDERS: Final = 5_000
#: Copies of one message that are compared; more than one is rare, and the search finds parts of ids as well.
_MAX_COPIES: Final = 10
_REFERENCE = re.compile(r"<[A-Za-z0-9.!#$%&'*+/=?^_`{|}~@-]{3,250}>")
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


class SentMail:
    """A connection to one mailbox that is kept between questions. Reads only, and nothing is ever marked as read.

    Used by one thread at a time. Every failure is an answer; nothing is raised.
    """

    def __init__(self, config: ImapConfig, guard: Guard, *, tls: ssl.SSLContext | None = None) -> None:
        self._config = config
        self._guard = guard
        self._tls = tls
        self._wire: ImapWire | None = None

    def check(self) -> CheckResult:
        """Sign in and open the folder of sent mail; `detail` is its name."""
        self.close()
        try:
            folder = self._open()
        except ImapError as error:
            return CheckResult(ok=False, code=error.code)
        finally:
            self.close()
        return CheckResult(ok=True, detail=folder.name)

    def find(self, reference: str) -> Outcome:
        """Accepted when a message with exactly this Message-ID lies there, unknown when it doesn't.

        That it is absent proves nothing: many servers file only what a mail program puts there. Any other kind says
        that nobody could look.
        """
        if not _REFERENCE.fullmatch(reference):
            return Outcome(kind=OutcomeKind.UNKNOWN, code=ABSENT)
        try:
            if self._wire is None:
                self._open()
            is_there = self._search(reference)
        except ImapError as error:
            self._drop()
            return Outcome(kind=error.kind, code=error.code)
        if is_there:
            return Outcome(kind=OutcomeKind.ACCEPTED, code=FOUND)
        return Outcome(kind=OutcomeKind.UNKNOWN, code=ABSENT)

    def close(self) -> None:
        """Say goodbye and close; safe to call twice."""
        wire, self._wire = self._wire, None
        if wire is None:
            return
        try:
            wire.allow(1.0)
            wire.logout()
        except (OSError, imaplib.IMAP4.error):
            pass
        finally:
            wire.shutdown()

    def _drop(self) -> None:
        if self._wire is not None:
            self._wire.shutdown()
            self._wire = None

    def _open(self) -> Folder:
        """Dial, encrypt, sign in, open the folder read-only. Raises `ImapError`."""
        self._drop()
        config = self._config
        if config.security is Security.NONE or not config.username:
            raise ImapError("imap_needs_tls" if config.username else "imap_config", OutcomeKind.AUTH)
        with self._step("connect"):
            wire = self._wire = self._connected()
            if config.security is Security.STARTTLS:
                self._encrypt(wire)
        with self._step("sign_in"):
            wire.allow(config.timeouts.command)
            self._sign_in(wire)
        with self._step("folders"):
            wire.allow(config.timeouts.command)
            folder = self._choose(wire)
        with self._step("open"):
            wire.allow(config.timeouts.command)
            # EXAMINE, so that looking changes nothing.
            answer, _ = wire.select(_quoted(folder.wire_name), readonly=True)
            if answer != "OK":
                raise ImapError("imap_no_sent_folder", OutcomeKind.AUTH)
        return folder

    @contextmanager
    def _step(self, name: str) -> Iterator[None]:
        """Turn what goes wrong in a step into its code, and leave a connection that nobody can rely on."""
        try:
            yield
        except ImapError:
            self._drop()
            raise
        except ssl.SSLCertVerificationError as error:
            self._drop()
            raise ImapError("imap_certificate", OutcomeKind.AUTH) from error
        except TimeoutError as error:
            self._drop()
            raise ImapError(f"imap_{name}_timeout") from error
        except (OSError, imaplib.IMAP4.error, ValueError, AttributeError, LookupError) as error:
            # The library raises its bare kinds on answers that are no IMAP.
            self._drop()
            raise ImapError(f"imap_{name}_hang_up") from error

    def _connected(self) -> ImapWire:
        """A connection that was greeted, encrypted unless STARTTLS is to follow."""
        config, seconds = self._config, self._config.timeouts.connect
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
        config = self._config
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
                wire.login(_quoted(config.username), config.secret)
        except imaplib.IMAP4.abort:
            raise
        except imaplib.IMAP4.error as error:
            if _PASSING.search(str(error).encode()):
                raise ImapError("imap_busy") from error
            raise ImapError("imap_refused", OutcomeKind.AUTH) from error
        wire.learn()

    def _choose(self, wire: ImapWire) -> Folder:
        """The folder of sent mail: the named one, else the one the server marks, else one with a usual name."""
        folders = _listed(wire, '""', "*")
        if self._config.folder:
            named = [folder for folder in folders if self._config.folder in {folder.name, folder.wire_name}]
        elif "SPECIAL-USE" in wire.capabilities and not any(folder.is_sent for folder in folders):
            # RFC 6154: some servers name the special folders only when they are asked for them.
            named = [*_listed(wire, '(SPECIAL-USE) ""', "*"), *folders]
        else:
            named = folders
        found = named[0] if self._config.folder and named else sent_folder(named)
        if found is None:
            raise ImapError("imap_no_sent_folder", OutcomeKind.AUTH)
        return found

    def _search(self, reference: str) -> bool:
        wire = self._wire
        if wire is None:
            raise ImapError("imap_search_hang_up")
        with self._step("search"):
            wire.allow(self._config.timeouts.search)
            wanted = _quoted(reference.strip("<>"))
            answer, data = wire.uid("SEARCH", "HEADER", "Message-ID", wanted)
            if answer != "OK":
                raise ImapError("imap_search_hang_up")
            found = [
                word for word in b" ".join(row for row in data if isinstance(row, bytes)).split() if word.isdigit()
            ]
            if not found:
                return False
            newest = b",".join(found[-_MAX_COPIES:]).decode("ascii")
            # Servers find parts of a header as well, so the whole of it is compared here.
            answer, rows = wire.uid("FETCH", newest, "(BODY.PEEK[HEADER.FIELDS (MESSAGE-ID)])")
            texts = [row[1].decode("ascii", "replace") for row in rows if isinstance(row, tuple)]
            return answer == "OK" and any(reference in message_ids(text) for text in texts)


def _listed(wire: ImapWire, directory: str, pattern: str) -> list[Folder]:
    answer, rows = wire.list(directory, pattern)
    if answer != "OK":
        raise ImapError("imap_no_sent_folder", OutcomeKind.AUTH)
    read = [read_folder(row) for row in rows[:_MAX_FOLDERS] if row]
    return [folder for folder in read if folder is not None]


def _quoted(text: str) -> str:
    """An IMAP quoted string; whoever calls has made sure that there is no line end in it."""
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
