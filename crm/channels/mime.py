"""Turns one outbound e-mail into bytes: a small fast serialiser, and the library's where files travel along."""

import binascii
import re
from collections.abc import Iterator
from datetime import datetime, timedelta
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime
from enum import StrEnum
from functools import lru_cache
from typing import Final

from crm.channels.base import Outbound

CRLF: Final = "\r\n"
#: A line of a message may have 998 octets without its CRLF (RFC 5322, 2.1.1).
MAX_LINE: Final = 998
#: The encoded part of one RFC 2047 word, so that the whole word stays below 75 characters.
MAX_WORD_BYTES: Final = 45

#: Long tokens must not become encoded words: that breaks threading and one-click unsubscription.
_POLICY: Final = SMTP.clone(max_line_length=MAX_LINE)
# C0, DEL, C1, the Unicode line ends and the marks that reorder text.
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]")
_BODY_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
_ADDRESS = re.compile(
    r"(?=.{3,254}\Z)[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]{1,64}(?:\.[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]{1,64})*"
    r"@[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?(?:\.[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?)*"
)
_MESSAGE_ID = re.compile(r"<[!-;=?-~]{3,250}>")
_ATOM_PHRASE = re.compile(r"[A-Za-z0-9!#$%&'*+/=^_`{|}~-]+(?: [A-Za-z0-9!#$%&'*+/=^_`{|}~-]+)*")
_HEADER_NAME = re.compile(r"[A-Za-z][A-Za-z0-9-]{0,75}")
_HEADER_VALUE = re.compile(r"[!-~](?:[ -~]{0,900}[!-~])?")
_PLAIN_SUBJECT = re.compile(r"[!-~](?:[ -~]{0,70}[!-~])?")
_MEDIA_TYPE = re.compile(r"[a-z0-9][a-z0-9!#$&^_.+-]{0,126}/[a-z0-9][a-z0-9!#$&^_.+-]{0,126}")
#: Headers that the serialiser writes itself, or that would change what the message is.
_OWN_HEADERS: Final = frozenset(
    {
        "bcc",
        "cc",
        "content-disposition",
        "content-transfer-encoding",
        "content-type",
        "date",
        "from",
        "in-reply-to",
        "message-id",
        "mime-version",
        "references",
        "reply-to",
        "return-path",
        "sender",
        "subject",
        "to",
    }
)


class MimeCode(StrEnum):
    """What is wrong with an outbound message."""

    FROM_ADDRESS = "from_address"
    TO_ADDRESS = "to_address"
    REPLY_TO = "reply_to"
    CONTROL_CHARACTER = "control_character"
    MESSAGE_ID = "message_id"
    HEADER = "header"
    TEXT = "text"
    DATE = "date"
    ATTACHMENT = "attachment"


class MimeError(ValueError):
    """A message that can't be written down safely; `code` says which part."""

    def __init__(self, code: MimeCode) -> None:
        super().__init__(code.value)
        self.code = code


def is_address(text: str) -> bool:
    """Whether `text` is a plain ASCII address that may stand in an envelope and in a header as it is."""
    return _ADDRESS.fullmatch(text) is not None


def build(outbound: Outbound) -> bytes:
    """Write `outbound` as an RFC 5322 message with CRLF line ends.

    The same outbound gives the same bytes. Raises `MimeError` for anything that could break out of its field.
    """
    headers = list(_headers(outbound))
    if outbound.attachments:
        return _with_attachments(outbound, headers)
    lines = [f"{name}: {value}" for name, value in headers]
    lines.append("MIME-Version: 1.0")
    if outbound.html is None:
        return _join(lines, _part("plain", outbound.text))
    plain, html = _part("plain", outbound.text), _part("html", outbound.html)
    boundary = f"=_{outbound.message_id.hex}"
    # Seven-bit text is written as it is and could hold the boundary; the other encodings can't hold "=_".
    while boundary.encode() in plain or boundary.encode() in html:
        boundary += "_"
    lines.append(f'Content-Type: multipart/alternative; boundary="{boundary}"')
    mark = f"--{boundary}".encode()
    body = b"\r\n".join((mark, plain, mark, html, mark + b"--", b""))
    return _join(lines, b"\r\n" + body)


def _join(lines: list[str], rest: bytes) -> bytes:
    return (CRLF.join(lines) + CRLF).encode("ascii") + rest


def _headers(outbound: Outbound) -> Iterator[tuple[str, str]]:
    """Every header but the MIME ones, checked and encoded, in the order of writing."""
    if outbound.date.tzinfo is None:
        raise MimeError(MimeCode.DATE)
    yield "From", _mailbox(outbound.from_name, outbound.from_address, MimeCode.FROM_ADDRESS)
    yield "To", _mailbox(outbound.to_name, outbound.to_address, MimeCode.TO_ADDRESS)
    if outbound.reply_to is not None:
        yield "Reply-To", _mailbox("", outbound.reply_to, MimeCode.REPLY_TO)
    yield "Subject", _unstructured(outbound.subject)
    yield "Date", _date(outbound.date.replace(microsecond=0), outbound.date.utcoffset())
    yield "Message-ID", _id(outbound.reference)
    if outbound.in_reply_to is not None:
        yield "In-Reply-To", _id(outbound.in_reply_to)
    if outbound.references:
        # One id a line: a long thread then never makes a long line.
        yield "References", f"{CRLF} ".join(_id(reference) for reference in outbound.references)
    for name, value in outbound.headers.items():
        if not _HEADER_NAME.fullmatch(name) or name.lower() in _OWN_HEADERS or not _HEADER_VALUE.fullmatch(value):
            raise MimeError(MimeCode.HEADER)
        yield name, value


@lru_cache(maxsize=64)
def _date(moment: datetime, _offset: timedelta | None) -> str:
    """Remembered for the messages of a second; the offset is there because equal moments of two zones are equal."""
    return format_datetime(moment)


def _id(text: str) -> str:
    if not _MESSAGE_ID.fullmatch(text):
        raise MimeError(MimeCode.MESSAGE_ID)
    return text


def _mailbox(name: str, address: str, code: MimeCode) -> str:
    if not is_address(address):
        raise MimeError(code)
    if not name:
        return address
    if _CONTROL.search(name):
        raise MimeError(MimeCode.CONTROL_CHARACTER)
    if len(name) < MAX_WORD_BYTES and _ATOM_PHRASE.fullmatch(name) and "=?" not in name:
        return f"{name} <{address}>"
    return f"{_words(name)}{CRLF} <{address}>"


def _unstructured(text: str) -> str:
    if _CONTROL.search(text):
        raise MimeError(MimeCode.CONTROL_CHARACTER)
    if not text or (_PLAIN_SUBJECT.fullmatch(text) and "=?" not in text):
        return text
    return _words(text)


def _words(text: str) -> str:
    """RFC 2047 B-encoding, cut between characters, one word a line."""
    words: list[str] = []
    piece = bytearray()
    try:
        for character in text:
            encoded = character.encode("utf-8")
            if len(piece) + len(encoded) > MAX_WORD_BYTES:
                words.append(_word(piece))
                piece.clear()
            piece += encoded
    except UnicodeEncodeError as error:
        raise MimeError(MimeCode.TEXT) from error
    words.append(_word(piece))
    return f"{CRLF} ".join(words)


def _word(piece: bytes | bytearray) -> str:
    return f"=?utf-8?b?{binascii.b2a_base64(piece, newline=False).decode('ascii')}?="


def _part(subtype: str, text: str) -> bytes:
    """One text part with its headers: as it is where seven bits and short lines do, else encoded."""
    body = _normal(text)
    try:
        raw = body.encode("utf-8")
    except UnicodeEncodeError as error:
        raise MimeError(MimeCode.TEXT) from error
    if body.isascii():
        charset = "us-ascii"
        if max(map(len, body.split("\n"))) <= MAX_LINE:
            encoding, payload = "7bit", raw.replace(b"\n", b"\r\n")
        else:
            encoding, payload = "quoted-printable", _quoted_printable(raw)
    else:
        charset = "utf-8"
        # Base64 costs a third; quoted-printable three octets for each that is not ASCII.
        if len(raw) - len(body) > len(body) // 4:
            encoding, payload = "base64", _base64(raw)
        else:
            encoding, payload = "quoted-printable", _quoted_printable(raw)
    head = f"Content-Type: text/{subtype}; charset={charset}\r\nContent-Transfer-Encoding: {encoding}\r\n\r\n"
    return head.encode("ascii") + payload


def _normal(text: str) -> str:
    """LF line ends and one at the very end; control characters that no mail reader shows are refused."""
    body = text.replace("\r\n", "\n").replace("\r", "\n")
    if _BODY_CONTROL.search(body):
        raise MimeError(MimeCode.CONTROL_CHARACTER)
    return body if body.endswith("\n") else body + "\n"


def _quoted_printable(raw: bytes) -> bytes:
    return binascii.b2a_qp(raw, quotetabs=False, istext=True, header=False).replace(b"\n", b"\r\n")


def _base64(raw: bytes) -> bytes:
    # Text in base64 keeps the CRLF of its canonical form (RFC 2045, 6.8); 57 octets make a line of 76.
    canonical = raw.replace(b"\n", b"\r\n")
    pieces = (canonical[at : at + 57] for at in range(0, len(canonical), 57))
    return b"".join(binascii.b2a_base64(piece, newline=False) + b"\r\n" for piece in pieces)


def _with_attachments(outbound: Outbound, headers: list[tuple[str, str]]) -> bytes:
    """Let the standard library build the rare message with files, from the same checked headers."""
    message = EmailMessage(policy=_POLICY)
    message.set_content(_normal(outbound.text), cte="quoted-printable")
    if outbound.html is not None:
        message.add_alternative(_normal(outbound.html), subtype="html", cte="quoted-printable")
    for attachment in outbound.attachments:
        media_type = attachment.content_type.lower()
        name = attachment.filename
        if not _MEDIA_TYPE.fullmatch(media_type) or media_type.startswith(("multipart/", "message/")):
            raise MimeError(MimeCode.ATTACHMENT)
        if not name or len(name) > 200 or _CONTROL.search(name):  # noqa: PLR2004 - the length of a file name
            raise MimeError(MimeCode.ATTACHMENT)
        main, _, sub = media_type.partition("/")
        message.add_attachment(attachment.content, maintype=main, subtype=sub, filename=name)
    body = message.as_bytes(policy=_POLICY)
    # The headers are ours, already folded and encoded; the library's refolding is avoided on purpose.
    return "".join(f"{name}: {value}{CRLF}" for name, value in headers).encode("ascii") + body
