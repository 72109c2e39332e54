"""Turns raw inbound mail into events: a reply, an automatic answer, a bounce or a complaint."""

import re
from email.message import Message
from typing import Final

from crm.channels.base import Attachment, AutoReply, Bounce, Complaint, Reply
from crm.channels.html import html_to_text
from crm.channels.letters import clean_letter
from crm.channels.mail_parts import (
    InboundError,
    addresses,
    event_id,
    header,
    headers,
    leaves,
    message_ids,
    payload_bytes,
    payload_text,
    read_message,
    sender,
    sent_at,
)
from crm.channels.quotes import is_stop_word, strip_quotes
from crm.channels.reports import read_bounce, read_complaint

__all__ = ["InboundError", "parse_email"]

MAX_TEXT: Final = 500_000
_MAX_ATTACHMENTS: Final = 100
#: The library's parser has corners that only a mail made on purpose reaches; one such mail must not stop a mailbox.
_PARSER_ERRORS: Final = (
    ArithmeticError,
    AssertionError,
    AttributeError,
    LookupError,
    RecursionError,
    TypeError,
    ValueError,
)
_TOKEN = re.compile(r"[a-z0-9.!#$%&'*/=?^_`{|}~-]{1,64}\+([A-Za-z0-9_-]{4,64})@")
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069/\\]+")
_AUTO_SUBJECT = re.compile(
    r"(?:out of (?:the )?office|automatic reply|auto(?:matic)?[- ]?(?:reply|response)|risposta automatica|"
    r"fuori (?:sede|ufficio)|in ferie\b.{0,40}\bre:|assente (?:dall['’]ufficio|fino al|dal)|assenza dall['’]ufficio|"
    r"sono in ferie|abwesenheit|automatische antwort)\b",
    re.IGNORECASE,
)


def parse_email(raw: bytes) -> Reply | AutoReply | Bounce | Complaint:
    """Read one raw RFC 5322 message. Raises `InboundError` with a code for what is too big or broken to read."""
    message = read_message(raw)
    try:
        return _event(message, raw)
    except _PARSER_ERRORS as error:
        raise InboundError("unreadable") from error


def _event(message: Message, raw: bytes) -> Reply | AutoReply | Bounce | Complaint:
    """Tell the kinds apart, the most telling structure first."""
    complaint = read_complaint(message, raw)
    if complaint is not None:
        return complaint
    recipients = headers(message, "To", "Cc", "Delivered-To", "X-Original-To", "Envelope-To")
    found = _TOKEN.search(recipients.lower())
    token = _as_written(recipients, found) if found else None
    bounce = read_bounce(message, raw, token=token)
    if bounce is not None:
        return bounce
    return _reply(message, raw, to_addresses=addresses(recipients), token=token)


def _as_written(recipients: str, found: re.Match[str]) -> str:
    """The token in the letters it was sent with: case counts in it, though mail servers may fold it."""
    return recipients[found.start(1) : found.end(1)]


def _reply(message: Message, raw: bytes, *, to_addresses: tuple[str, ...], token: str | None) -> Reply:
    plain, html, attachments = _contents(message)
    full_text = (plain if plain.strip() else html_to_text(html))[:MAX_TEXT].strip()
    name, address = sender(message)
    subject = header(message, "Subject")
    answered = message_ids(headers(message, "In-Reply-To"))
    kind = AutoReply if _is_automatic(message, subject) else Reply
    return kind(
        event_id=event_id(message, raw),
        occurred_at=sent_at(message),
        from_address=address,
        from_name=name,
        to_addresses=to_addresses,
        subject=subject,
        text=strip_quotes(full_text),
        full_text=full_text,
        html=clean_letter(html) if html.strip() else None,
        in_reply_to=answered[0] if answered else None,
        references=message_ids(headers(message, "References")),
        token=token,
        opt_out=kind is Reply and (is_stop_word(full_text) if full_text else is_stop_word(subject)),
        attachments=attachments,
    )


def _contents(message: Message) -> tuple[str, str, tuple[Attachment, ...]]:
    """Plain text, HTML, and the files. Several text parts of a kind follow each other."""
    plain: list[str] = []
    html: list[str] = []
    attachments: list[Attachment] = []
    for part in leaves(message):
        kind = part.get_content_type()
        filename = _filename(part)
        is_file = bool(filename) or part.get_content_disposition() == "attachment"
        if kind == "text/plain" and not is_file:
            plain.append(payload_text(part)[:MAX_TEXT])
        elif kind == "text/html" and not is_file:
            html.append(payload_text(part))
        elif len(attachments) < _MAX_ATTACHMENTS:
            content = payload_bytes(part)
            if content:
                attachments.append(
                    Attachment(
                        filename=filename or _default_name(kind),
                        content_type=kind,
                        content=content,
                        is_inline=_is_inline(part),
                        content_id=header(part, "Content-ID").strip("<> ")[:200] if _is_inline(part) else "",
                    )
                )
    return "\n".join(plain), "\n".join(html), tuple(attachments)


def _filename(part: Message) -> str:
    """The name the sender gave, as data only: no path, no control characters."""
    try:
        name = part.get_filename() or ""
    except (ValueError, LookupError, TypeError):
        return ""
    if "=?" in name:
        holder = Message()
        holder["X-Name"] = name
        name = header(holder, "X-Name")
    return _CONTROL.sub("_", name).strip(" ._")[:150]


def _is_inline(part: Message) -> bool:
    """A picture that the text names by its Content-ID (RFC 2392), unless its author calls it an attachment."""
    is_named = bool(header(part, "Content-ID")) and part.get_content_maintype() == "image"
    return is_named and part.get_content_disposition() != "attachment"


def _default_name(kind: str) -> str:
    return "message.eml" if kind == "message/rfc822" else "file"


def _is_automatic(message: Message, subject: str) -> bool:
    """RFC 3834 and the older habits."""
    submitted = header(message, "Auto-Submitted").partition(";")[0].strip().lower()
    if submitted and submitted != "no":
        return True
    if header(message, "Precedence").lower() in {"bulk", "auto_reply", "junk", "list"}:
        return True
    if any(header(message, name) for name in ("X-Autoreply", "X-Autorespond", "X-Autoresponder")):
        return True
    suppressed = header(message, "X-Auto-Response-Suppress").lower()
    if any(word in suppressed for word in ("all", "oof", "autoreply")):
        return True
    return header(message, "Return-Path").strip() == "<>" or bool(_AUTO_SUBJECT.match(subject))
