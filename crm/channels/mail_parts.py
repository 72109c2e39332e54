"""Reads the pieces of a mail that strangers wrote: headers, charsets, parts; tolerant of lies, firm about size."""

import email
import hashlib
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from email.errors import HeaderParseError, MessageError
from email.header import decode_header
from email.message import Message
from email.policy import compat32
from email.utils import parseaddr, parsedate_to_datetime
from typing import Final

from charset_normalizer import from_bytes

MAX_BYTES: Final = 50 * 1024 * 1024
_MAX_LINES: Final = 1_500_000
_MAX_MULTIPARTS: Final = 60
_MAX_PARTS: Final = 500
_MAX_PARAMETERS: Final = 16_384
_MAX_HEADER_BLOCK: Final = 4 * 1024 * 1024
_MAX_DECODED: Final = 8_192
_ENOUGH_TO_GUESS: Final = 400

_PARAMETERISED = re.compile(rb"(?im)^content-(?:type|disposition):[^\n]*(?:\n[ \t][^\n]*)*")
_MULTIPART = re.compile(rb"(?i)content-type:\s*multipart/")
_MESSAGE_ID = re.compile(r"<[^<>\s@]{1,500}@[^<>\s@]{1,250}>")
_ADDRESS = re.compile(r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}@[A-Za-z0-9.-]{1,253}")
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]+")
_EARLIEST: Final = datetime(1990, 1, 1, tzinfo=UTC)


class InboundError(ValueError):
    """A payload that is not read: `too_big`, `too_many_lines`, `too_nested`, `header_too_long` or `unreadable`."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


def read_message(raw: bytes) -> Message:
    """Parse raw bytes as RFC 5322, after refusing what would cost the parser too much. Raises `InboundError`."""
    if len(raw) > MAX_BYTES:
        raise InboundError("too_big")
    if raw.count(b"\n") > _MAX_LINES:
        raise InboundError("too_many_lines")
    if len(_MULTIPART.findall(raw)) > _MAX_MULTIPARTS:
        raise InboundError("too_nested")
    end = re.search(rb"\r?\n\r?\n", raw)
    if (end.start() if end else len(raw)) > _MAX_HEADER_BLOCK:
        raise InboundError("header_too_long")
    if any(found.end() - found.start() > _MAX_PARAMETERS for found in _PARAMETERISED.finditer(raw)):
        raise InboundError("header_too_long")
    try:
        # The older policy keeps headers as they came; the newer one parses each and is slow with 10,000 recipients.
        return email.message_from_bytes(raw, policy=compat32)
    except (MessageError, RecursionError, LookupError, ValueError) as error:
        raise InboundError("unreadable") from error


def header(message: Message, name: str) -> str:
    """The first header of that name, decoded and on one line; empty when there is none."""
    wanted = name.lower()
    for key, value in message.raw_items():
        if key.lower() == wanted:
            return _decoded(str(value))
    return ""


def headers(message: Message, *names: str) -> str:
    """All headers of those names as they came, joined by spaces: for looking addresses and ids up."""
    wanted = {name.lower() for name in names}
    return " ".join(_text(str(value)) for key, value in message.raw_items() if key.lower() in wanted)


def message_ids(text: str) -> tuple[str, ...]:
    """The Message-IDs in a header or text, in order, without repeats, 200 at most (the last ones)."""
    return tuple(dict.fromkeys(_MESSAGE_ID.findall(text)))[-200:]


def addresses(text: str) -> tuple[str, ...]:
    """The plain addresses in a header, lower-case, without repeats; display names are skipped over."""
    return tuple(dict.fromkeys(found.lower() for found in _ADDRESS.findall(text)))


def sender(message: Message) -> tuple[str, str]:
    """Name and address of the author; both empty when the header holds no address."""
    value = header(message, "From")[:2_000]
    name, address = parseaddr(value)
    if not _ADDRESS.fullmatch(address):
        found = addresses(value)
        name, address = "", found[-1] if found else ""
    return _CONTROL.sub(" ", name).strip()[:200], address.lower()


def fingerprint(raw: bytes) -> str:
    """Names a mail by what its author wrote, so that one that came by two ways, or twice, is known as the same.

    The way it came (Received, Delivered-To and the like) differs each time. A Message-ID alone would let a stranger
    make us overlook somebody else's mail.
    """
    end = re.search(rb"\r?\n\r?\n", raw[:_MAX_HEADER_BLOCK])
    if end is None:
        return f"sha256:{hashlib.sha256(raw).hexdigest()}"
    head = email.message_from_bytes(raw[: end.end()], policy=compat32)
    digest = hashlib.sha256(raw[end.end() :])
    for name in ("Message-ID", "From", "Date", "Subject"):
        digest.update(f"\n{name}: {' '.join(headers(head, name).split())}".encode("utf-8", "replace"))
    return f"mail:{digest.hexdigest()}"


def event_id(message: Message, raw: bytes) -> str:
    """The Message-ID, or a digest of the bytes where it is missing or no id."""
    found = message_ids(headers(message, "Message-ID"))
    return found[0] if found else f"sha256:{hashlib.sha256(raw).hexdigest()}"


def sent_at(message: Message) -> datetime | None:
    """What the Date header claims, in UTC; None when it can't be read."""
    try:
        value = parsedate_to_datetime(header(message, "Date")[:200])
        moment = value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)
    except (ValueError, TypeError, OverflowError, IndexError):
        return None
    return moment if moment > _EARLIEST else None


def leaves(message: Message) -> Iterator[Message]:
    """The parts that hold content, in order; an attached message is one leaf. 500 at most."""
    stack = [message]
    count = 0
    while stack and count < _MAX_PARTS:
        part = stack.pop()
        if part.is_multipart() and part.get_content_maintype() == "multipart":
            stack.extend(reversed(inner_messages(part)))
            continue
        count += 1
        yield part


def inner_messages(part: Message) -> list[Message]:
    """The messages inside a part; none for one that holds text or bytes."""
    payload = part.get_payload() if part.is_multipart() else []
    return [inner for inner in payload if isinstance(inner, Message)]


def payload_bytes(part: Message) -> bytes:
    """The decoded bytes of one part; a broken encoding gives what can be had."""
    if part.is_multipart():
        return b"".join(as_bytes(inner) for inner in inner_messages(part))
    try:
        decoded = part.get_payload(decode=True)
    except (ValueError, LookupError, AssertionError):
        decoded = None
    return decoded if isinstance(decoded, bytes) else b""


def as_bytes(message: Message) -> bytes:
    """An inner message as bytes, whatever state it is in."""
    try:
        return message.as_bytes()
    except (MessageError, LookupError, ValueError, TypeError):
        return payload_bytes(message)


def payload_text(part: Message) -> str:
    """The text of one part with LF line ends; the declared charset is believed only when it fits."""
    data = payload_bytes(part)
    declared = str(part.get_content_charset() or "").lower()
    return _to_text(data, declared).replace("\r\n", "\n").replace("\r", "\n").replace("\x00", "")


def _to_text(data: bytes, declared: str) -> str:
    stateful = declared.startswith(("utf-16", "utf-32", "iso-2022", "hz"))
    # Bytes that are valid UTF-8 and not plain ASCII are UTF-8, whatever the label says.
    order = [declared, "utf-8"] if stateful else ["utf-8", declared]
    for charset in order:
        if charset:
            try:
                return data.decode(charset)
            except (UnicodeError, LookupError, ValueError):
                continue
    # Guessing needs some text; in a few words of eight-bit mail the Western code page is the likeliest.
    best = from_bytes(data[:100_000]).best() if len(data) > _ENOUGH_TO_GUESS else None
    return data.decode(best.encoding if best is not None else "cp1252", "replace")


def _text(raw: str) -> str:
    """A header value as text; eight-bit bytes come from the parser as surrogates."""
    if raw.isascii():
        return raw
    return _to_text(raw.encode("ascii", "surrogateescape"), "") if _is_raw(raw) else raw


def _is_raw(raw: str) -> bool:
    return all(character < "\x80" or "\udc80" <= character <= "\udcff" for character in raw)


def _decoded(raw: str) -> str:
    """RFC 2047 words decoded, white space on one line, no control characters."""
    text = _text(raw)[:_MAX_DECODED]
    if "=?" in text:
        try:
            pieces = decode_header(text)
        except (HeaderParseError, ValueError):
            pieces = []
        decoded = "".join(
            piece if isinstance(piece, str) else _to_text(piece, str(charset or "").lower())
            for piece, charset in pieces
        )
        text = decoded or text
    return " ".join(_CONTROL.sub(" ", text).split())
