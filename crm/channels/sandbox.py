"""The built-in sandbox: a real mail server on loopback that keeps every message, and the reader of what it kept."""

import asyncio
import json
import os
import socket
import threading
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from email.parser import BytesHeaderParser
from email.policy import compat32
from pathlib import Path
from typing import Any, Final
from uuid import UUID

import structlog
from aiosmtpd.smtp import SMTP, Envelope, Session
from uuid_utils.compat import uuid7

from crm.channels.mail_parts import header, message_ids
from crm.settings import Settings

log = structlog.get_logger(__name__)

LOOPBACK: Final = "127.0.0.1"
MAX_MESSAGE: Final = 30 * 1024 * 1024
_GREETING_SUFFIX: Final = ".sandbox"
_HEADER_BYTES: Final = 65_536


@dataclass(frozen=True, slots=True, kw_only=True)
class Letter:
    """One received mail, without its content: which account sent it, to whom, and when."""

    id: str
    at: datetime
    account: UUID | None
    sender: str
    recipient: str
    recipient_name: str
    subject: str
    reference: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """One recipient with the newest letter they got."""

    address: str
    name: str
    count: int
    newest: Letter


class SandboxStore:
    """The folder of the sandbox: one .eml per mail and an index of one JSON line each.

    One process writes (the sandbox server), any number read. A reader keeps what it read and only looks at what was
    added since.
    """

    def __init__(self, home: Path) -> None:
        self._folder = home / "sandbox"
        self._index = self._folder / "index.jsonl"
        self._changes = self._folder / "changes"
        self._lock = threading.Lock()
        self._offset = 0
        self._changed = 0
        self._letters: list[Letter] = []

    def prepare(self) -> None:
        """Make the folder and cut off a line that a crash left half-written; called by the writer at its start."""
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        if self._index.exists():
            data = self._index.read_bytes()
            whole = data.rfind(b"\n") + 1
            if whole != len(data):
                os.truncate(self._index, whole)

    def keep(self, *, account: UUID | None, sender: str, recipients: Collection[str], content: bytes) -> None:
        """Store one mail so that it survives a crash; returns only when it is on the disk."""
        now = datetime.now(UTC)
        message = BytesHeaderParser(policy=compat32).parsebytes(content[:_HEADER_BYTES])
        ids = message_ids(header(message, "Message-ID"))
        name = header(message, "To").partition("<")[0].strip().strip('"')
        lines = []
        for recipient in recipients:
            identity = uuid7().hex
            with (self._folder / f"{identity}.eml").open("xb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            entry = {
                "id": identity,
                "at": now.isoformat(),
                "account": str(account) if account else None,
                "sender": sender,
                "recipient": recipient.lower(),
                "recipient_name": "" if "@" in name else name,
                "subject": header(message, "Subject"),
                "reference": ids[0] if ids else "",
            }
            lines.append(json.dumps(entry, ensure_ascii=True) + "\n")
        with self._index.open("ab") as index:
            index.write("".join(lines).encode("ascii"))
            index.flush()
            os.fsync(index.fileno())

    def forget(self, accounts: Collection[UUID], *, recipients: Collection[str]) -> int:
        """Remove what the given accounts sent to `recipients` (lower-case); returns how many letters went.

        The lines of the index are overwritten where they stand, so that the writer can go on at its end; a count of
        such changes tells readers to begin anew.
        """
        wanted, mine = frozenset(recipients), frozenset(map(str, accounts))
        gone = 0
        if not wanted or not self._index.exists():
            return 0
        with self._index.open("r+b") as index:
            at = 0
            for line in index.read().splitlines(keepends=True):
                entry = json.loads(line) if line.endswith(b"\n") else {}
                if entry.get("recipient") in wanted and entry.get("account") in mine:
                    (self._folder / f"{entry['id']}.eml").unlink(missing_ok=True)
                    empty = dict.fromkeys(("sender", "recipient", "recipient_name", "subject", "reference"), "")
                    kept = json.dumps({"id": entry["id"], "at": entry["at"], "account": None, **empty}).encode("ascii")
                    index.seek(at)
                    index.write(kept.ljust(len(line) - 1) + b"\n")
                    gone += 1
                at += len(line)
            index.flush()
            os.fsync(index.fileno())
        if gone:
            with self._changes.open("ab") as changes:
                changes.write(b".")
        return gone

    def letters(self, accounts: Collection[UUID], *, recipient: str | None = None) -> list[Letter]:
        """What the given accounts sent, newest first, to `recipient` alone when given (lower-case)."""
        wanted = frozenset(accounts)
        return [
            letter
            for letter in reversed(self._all())
            if letter.account in wanted and (recipient is None or letter.recipient == recipient)
        ]

    def people(self, accounts: Collection[UUID]) -> list[Person]:
        """Everybody who got something from the given accounts, the latest first."""
        found: dict[str, Person] = {}
        for letter in self.letters(accounts):
            known = found.get(letter.recipient)
            found[letter.recipient] = Person(
                address=letter.recipient,
                name=(known.name if known else "") or letter.recipient_name,
                count=known.count + 1 if known else 1,
                newest=known.newest if known else letter,
            )
        return list(found.values())

    def letter(self, accounts: Collection[UUID], letter_id: str) -> tuple[Letter, bytes] | None:
        """One letter with its bytes; None when it does not exist or another account sent it."""
        wanted = frozenset(accounts)
        for letter in self._all():
            if letter.id == letter_id and letter.account in wanted:
                return letter, (self._folder / f"{letter.id}.eml").read_bytes()
        return None

    def _all(self) -> list[Letter]:
        with self._lock:
            self._letters.extend(self._added())
            return list(self._letters)

    def _added(self) -> Iterator[Letter]:
        """Read the lines that came since the last look; a half-written one waits for the next."""
        try:
            size = self._index.stat().st_size
        except FileNotFoundError:
            size = 0
        changed = self._changes.stat().st_size if self._changes.exists() else 0
        if size < self._offset or changed != self._changed:
            # The folder was emptied or replaced by a restore, or somebody was erased.
            self._changed = changed
            self._offset = 0
            self._letters.clear()
        if size == self._offset:
            return
        with self._index.open("rb") as index:
            index.seek(self._offset)
            for line in index:
                if not line.endswith(b"\n"):
                    return
                self._offset += len(line)
                yield _letter(json.loads(line))


def _letter(entry: dict[str, Any]) -> Letter:
    account = entry.pop("account")
    at = datetime.fromisoformat(entry.pop("at"))
    return Letter(account=UUID(account) if account else None, at=at, **entry)


class _Keeper:
    """The hooks of the mail server: accept every recipient, answer 250 only when the mail is on the disk."""

    def __init__(self, store: SandboxStore) -> None:
        self._store = store

    async def handle_DATA(self, _server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802 - its name
        content = envelope.original_content or b""
        try:
            self._store.keep(
                account=_account_of(session.host_name),
                sender=envelope.mail_from or "",
                recipients=[str(recipient) for recipient in envelope.rcpt_tos],
                content=content,
            )
        except OSError as error:
            log.warning("sandbox_not_kept", error=type(error).__name__)
            return "452 4.3.1 not kept"
        return "250 2.0.0 kept"


def _account_of(greeting: str | None) -> UUID | None:
    """The account is told by the name it greets with: `<uuid>.sandbox`."""
    try:
        return UUID((greeting or "").removesuffix(_GREETING_SUFFIX))
    except ValueError:
        return None


def sandbox_port(settings: Settings) -> int:
    """Where the sandbox of this home listens: what it wrote when it started, else what the settings say."""
    try:
        return int(json.loads((settings.home / "sandbox.json").read_text())["port"])
    except (OSError, ValueError, KeyError, TypeError):
        return settings.sandbox_smtp_port


def run(settings: Settings, stop: threading.Event) -> None:
    """Serve until `stop` is set; says where in `sandbox.json` of the home."""
    store = SandboxStore(settings.home)
    store.prepare()
    with socket.create_server((LOOPBACK, settings.sandbox_smtp_port)) as listener:
        port = listener.getsockname()[1]
        place = settings.home / "sandbox.json"
        fresh = place.with_name(f".{place.name}.{os.getpid()}")
        fresh.write_text(json.dumps({"host": LOOPBACK, "port": port}))
        fresh.replace(place)
        log.info("sandbox_started", port=port)
        try:
            asyncio.run(_serve(listener, store, stop))
        finally:
            place.unlink(missing_ok=True)


async def _serve(listener: socket.socket, store: SandboxStore, stop: threading.Event) -> None:
    loop = asyncio.get_running_loop()
    keeper = _Keeper(store)

    def session() -> SMTP:
        return SMTP(
            keeper,
            data_size_limit=MAX_MESSAGE,
            hostname="sandbox.localhost",
            ident="Filodiretto sandbox",
            loop=loop,
        )

    server = await loop.create_server(session, sock=listener)
    try:
        await asyncio.to_thread(stop.wait)
    finally:
        server.close()
