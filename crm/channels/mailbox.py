"""Reads a mailbox folder by folder: heads in pages, bodies up to a limit; nothing is ever marked as read."""

import re
import ssl
from array import array
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from email import message_from_bytes
from email.message import Message
from email.policy import compat32
from typing import Final

from crm.channels.base import OutcomeKind
from crm.channels.imap import all_folders
from crm.channels.imap_names import Folder
from crm.channels.imap_session import ImapConfig, ImapError, ImapSession, quoted
from crm.channels.imap_wire import ImapWire
from crm.net.guard import Guard

#: What tells a mail's kind, author and thread; apart from whom it went to, so that 10,000 recipients hide nothing.
_IDENTITY: Final = (
    "FROM SUBJECT DATE MESSAGE-ID IN-REPLY-TO REFERENCES AUTO-SUBMITTED PRECEDENCE LIST-ID LIST-POST LIST-UNSUBSCRIBE"
    " CONTENT-TYPE RETURN-PATH X-AUTOREPLY X-AUTORESPOND X-FAILED-RECIPIENTS"
)
_RECIPIENTS: Final = "TO CC BCC DELIVERED-TO X-ORIGINAL-TO ENVELOPE-TO"
_IDENTITY_BYTES: Final = 32 * 1024
RECIPIENT_BYTES: Final = 16 * 1024
_HEADS: Final = (
    f"(UID INTERNALDATE RFC822.SIZE BODY.PEEK[HEADER.FIELDS ({_IDENTITY})]<0.{_IDENTITY_BYTES}>"
    f" BODY.PEEK[HEADER.FIELDS ({_RECIPIENTS})]<0.{RECIPIENT_BYTES}>)"
)
#: A search answers with one line: two million numbers fit.
_LONGEST_LINE: Final = 16 * 1024 * 1024
_PIECE: Final = 4 * 1024 * 1024
_MARGIN: Final = 64 * 1024
_NUMBER = re.compile(rb"\d+")
_BEGIN = re.compile(rb"^\d+ \(")
_UID = re.compile(rb"\bUID (\d+)")
_SIZE = re.compile(rb"\bRFC822\.SIZE (\d+)")
_DATE = re.compile(rb'\bINTERNALDATE "([^"]{1,40})"')
#: English in every country (RFC 9051, date-month), whatever the language of the machine.
_MONTHS: Final = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_MOMENT = re.compile(r"\s*(\d{1,2})-([A-Za-z]{3})-(\d{4}) (\d\d:\d\d:\d\d) ([+-]\d{4})$")
#: The folder can't be opened: renamed, deleted, or closed to us.
FOLDER_GONE: Final = "imap_folder_gone"


@dataclass(frozen=True, slots=True)
class Opened:
    """A folder as it is now: its numbers count only together with `uidvalidity`."""

    uidvalidity: int
    next_uid: int
    count: int


@dataclass(frozen=True, slots=True)
class Head:
    """What is known of a mail before its body: `arrived_at` by the server's clock, `size` in bytes.

    `recipients` is the text of those headers, cut at `RECIPIENT_BYTES`.
    """

    uid: int
    size: int
    arrived_at: datetime | None
    fields: Message
    recipients: str
    is_cut: bool


class Mailbox:
    """A connection to one mailbox, read only; used by one thread at a time. Every method raises `ImapError`."""

    def __init__(self, config: ImapConfig, guard: Guard, *, tls: ssl.SSLContext | None = None) -> None:
        self._seconds = config.timeouts
        self._session = ImapSession(config, guard, tls=tls)

    def folders(self) -> list[Folder]:
        """The folders that can be opened, each once."""
        wire = self._wire()
        with self._session.step("folders"):
            wire.allow(self._seconds.command)
            return list({folder.wire_name: folder for folder in reversed(all_folders(wire))}.values())[::-1]

    def open(self, wire_name: str) -> Opened:
        """Open a folder with EXAMINE. `FOLDER_GONE` when it isn't there."""
        wire = self._wire()
        with self._session.step("open"):
            wire.allow(self._seconds.search)
            answer, rows = wire.select(quoted(wire_name), readonly=True)
            if answer != "OK":
                raise _FolderGoneError
            validity, following = _said(wire, "UIDVALIDITY"), _said(wire, "UIDNEXT")
            if validity is None:
                # RFC 9051, 2.3.1.1: without it nothing that was read can be told from what was not.
                raise ImapError("imap_no_numbers", OutcomeKind.AUTH)
            if following is None:
                following = max(self._search("UID", "*"), default=0) + 1
            return Opened(validity, following, int(rows[0] or 0) if rows else 0)

    def newer(self, last_uid: int) -> Sequence[int]:
        """The numbers above `last_uid`, upwards."""
        with self._session.step("search"):
            # The range is never empty for the server: beyond the end it means the last mail (RFC 9051, 6.4.4).
            found = self._search("UID", f"{last_uid + 1}:*")
            return array("Q", sorted(uid for uid in found if uid > last_uid))

    def arrived(self, *, since: date, below: int) -> Sequence[int]:
        """The numbers below `below` of mail that arrived on `since` or later, downwards."""
        if below <= 1:
            return array("Q")
        day = f"{since.day}-{_MONTHS[since.month - 1]}-{since.year:04}"
        with self._session.step("search"):
            found = self._search("UID", f"1:{below - 1}", "SINCE", day)
            return array("Q", sorted((uid for uid in found if uid < below), reverse=True))

    def heads(self, uids: Sequence[int]) -> list[Head]:
        """The heads of these mails in the order of `uids`; those that are gone meanwhile are left out."""
        if not uids:
            return []
        wire = self._wire()
        with self._session.step("fetch"):
            most = len(uids) * (_IDENTITY_BYTES + RECIPIENT_BYTES + 1024) + _MARGIN
            wire.allow(self._seconds.search, literal=_IDENTITY_BYTES + _MARGIN, step=most)
            answer, rows = wire.uid("FETCH", ",".join(map(str, uids)), _HEADS)
            if answer != "OK":
                raise ImapError("imap_fetch_hang_up")
            found = {head.uid: head for head in map(_head, _groups(rows)) if head is not None}
        return [found[uid] for uid in uids if uid in found]

    def body(self, uid: int, *, most: int) -> bytes | None:
        """The mail as it was sent, its first `most` bytes when it is longer; None when it is gone."""
        pieces: list[bytes] = []
        read = 0
        while read < most:
            wanted = min(_PIECE, most - read)
            piece = self._piece(uid, read, wanted)
            if piece is None:
                return None
            pieces.append(piece)
            read += len(piece)
            if len(piece) < wanted:
                break
        return b"".join(pieces)

    def close(self) -> None:
        """Say goodbye and close; safe to call twice."""
        self._session.close()

    def _wire(self) -> ImapWire:
        return self._session.wire or self._session.sign_in()

    def _search(self, *words: str) -> Iterator[int]:
        wire = self._wire()
        wire.allow(self._seconds.search, line=_LONGEST_LINE, step=_LONGEST_LINE)
        answer, rows = wire.uid("SEARCH", *words)
        if answer != "OK":
            raise ImapError("imap_search_hang_up")
        return (int(found[0]) for row in rows if isinstance(row, bytes) for found in _NUMBER.finditer(row))

    def _piece(self, uid: int, offset: int, size: int) -> bytes | None:
        wire = self._wire()
        with self._session.step("fetch"):
            wire.allow(self._seconds.search, literal=size + _MARGIN, step=size + _MARGIN)
            answer, rows = wire.uid("FETCH", str(uid), f"(BODY.PEEK[]<{offset}.{size}>)")
            if answer != "OK":
                raise ImapError("imap_fetch_hang_up")
            for row in rows:
                if isinstance(row, tuple):
                    return bytes(row[1])
            # Behind the end some servers send an empty text instead of an empty literal.
            return b"" if any(isinstance(row, bytes) and b"BODY[" in row for row in rows) else None


class _FolderGoneError(ImapError):
    def __init__(self) -> None:
        super().__init__(FOLDER_GONE)


def _said(wire: ImapWire, word: str) -> int | None:
    _, rows = wire.response(word)
    values = [row for row in rows or () if isinstance(row, bytes) and row.isdigit()]
    return int(values[-1]) if values else None


def _groups(rows: Sequence[object]) -> Iterator[tuple[bytes, list[tuple[bytes, bytes]]]]:
    """What the server says of each mail: all it says outside of literals, and the (words before, literal) pairs."""
    said: bytearray = bytearray()
    literals: list[tuple[bytes, bytes]] = []
    for row in rows:
        before = row[0] if isinstance(row, tuple) else row
        if not isinstance(before, bytes):
            continue
        if _BEGIN.match(before) and said:
            yield bytes(said), literals
            said, literals = bytearray(), []
        said += before + b" "
        if isinstance(row, tuple):
            literals.append((before.upper(), row[1]))
    if said:
        yield bytes(said), literals


def _head(group: tuple[bytes, list[tuple[bytes, bytes]]]) -> Head | None:
    said, literals = group
    uid, size, at = _UID.search(said), _SIZE.search(said), _DATE.search(said)
    if uid is None:
        # News of a flag that somebody else changed.
        return None
    identity = next((text for before, text in literals if b"(FROM" in before), b"")
    recipients = next((text for before, text in literals if b"(TO" in before), b"")
    return Head(
        uid=int(uid[1]),
        size=int(size[1]) if size else 0,
        arrived_at=_moment(at[1].decode("ascii", "replace")) if at else None,
        fields=message_from_bytes(identity, policy=compat32),
        recipients=recipients.decode("utf-8", "replace"),
        is_cut=len(recipients) >= RECIPIENT_BYTES,
    )


def _moment(text: str) -> datetime | None:
    found = _MOMENT.match(text)
    try:
        month = _MONTHS.index(found[2].capitalize()) + 1 if found else 0
        written = f"{found[3]}-{month:02}-{int(found[1]):02} {found[4]} {found[5]}" if found else ""
        return datetime.strptime(written, "%Y-%m-%d %H:%M:%S %z").astimezone(UTC)
    except (ValueError, OverflowError):
        return None
