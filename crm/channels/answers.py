"""What people and mail servers answer, written as real mail: the sandbox hands it to the inbound path."""

from datetime import datetime
from email.message import EmailMessage, Message
from email.mime.base import MIMEBase
from email.mime.message import MIMEMessage
from email.mime.multipart import MIMEMultipart
from email.mime.text import MIMEText
from email.policy import SMTP
from email.utils import format_datetime, formataddr
from enum import StrEnum
from typing import Final

from uuid_utils.compat import uuid7

from crm.channels.html import html_to_text
from crm.channels.mail_parts import addresses, header, headers, leaves, message_ids, payload_text, read_message, sender

DOMAIN: Final = "sandbox.invalid"
_POLICY: Final = SMTP.clone(max_line_length=998)


class AnswerKind(StrEnum):
    """Who answers how."""

    REPLY = "reply"
    OUT_OF_OFFICE = "out_of_office"
    BOUNCE = "bounce"
    COMPLAINT = "complaint"


def compose(
    original: bytes, *, kind: AnswerKind, address: str, name: str, envelope_sender: str, text: str, now: datetime
) -> bytes:
    """Write the answer of `address` to a mail it received, as its own program or server would.

    `text` is what the person wrote (also in the out-of-office note). Raises `InboundError` for an original that can't
    be read and `ValueError` for a text or name that can't stand in a mail.
    """
    read = read_message(original)
    if kind is AnswerKind.BOUNCE:
        return _bounce(read, address=address, to=envelope_sender, now=now)
    if kind is AnswerKind.COMPLAINT:
        return _complaint(read, address=address, to=envelope_sender, now=now)
    subject = header(read, "Subject")
    answer = EmailMessage(policy=_POLICY)
    answer["From"] = formataddr((name, address))
    answer["To"] = (addresses(headers(read, "Reply-To")) or addresses(headers(read, "From")))[0]
    own = message_ids(headers(read, "Message-ID"))
    if own:
        answer["In-Reply-To"] = own[0]
        answer["References"] = " ".join([*message_ids(headers(read, "References"))[-20:], own[0]])
    _stamp(answer, now)
    if kind is AnswerKind.OUT_OF_OFFICE:
        answer["Subject"] = f"Risposta automatica: {subject}"
        answer["Auto-Submitted"] = "auto-replied"
        answer.set_content(text)
    else:
        answer["Subject"] = subject if subject.lower().startswith("re:") else f"Re: {subject}"
        answer.set_content(f"{text}\n\n{_quoted(read, now)}")
    return answer.as_bytes()


def _stamp(message: Message, now: datetime) -> None:
    message["Date"] = format_datetime(now)
    message["Message-ID"] = f"<{uuid7()}@{DOMAIN}>"


def _quoted(original: Message, now: datetime) -> str:
    """The history as an Italian mail program adds it below."""
    texts = {part.get_content_type(): payload_text(part) for part in leaves(original)}
    plain = texts.get("text/plain") or html_to_text(texts.get("text/html", ""))
    name, address = sender(original)
    lines = [f"> {line}".rstrip() for line in plain.strip().split("\n")]
    head = f"Il giorno {now:%d/%m/%Y} alle ore {now:%H:%M} {name} <{address}> ha scritto:".replace("  ", " ")
    return "\n".join([head, *lines])


def _report(
    kind: str, original: Message, middle: Message, *, author: str, to: str, subject: str, now: datetime
) -> bytes:
    report = MIMEMultipart("report", policy=_POLICY, report_type=kind)
    report["From"], report["To"], report["Subject"] = author, to, subject
    report["Auto-Submitted"] = "auto-generated"
    report["Return-Path"] = "<>"
    _stamp(report, now)
    report.attach(MIMEText(subject, "plain", "utf-8"))
    report.attach(middle)
    report.attach(MIMEMessage(original))
    return report.as_bytes()


def _bounce(original: Message, *, address: str, to: str, now: datetime) -> bytes:
    """RFC 3464: no such mailbox."""
    status = MIMEBase("message", "delivery-status")
    for block in (
        {"Reporting-MTA": f"dns; {DOMAIN}"},
        {
            "Final-Recipient": f"rfc822; {address}",
            "Action": "failed",
            "Status": "5.1.1",
            "Diagnostic-Code": "smtp; 550 5.1.1 No such user",
        },
    ):
        part = Message()
        for name, value in block.items():
            part[name] = value
        status.attach(part)
    author = f"Mail Delivery System <mailer-daemon@{DOMAIN}>"
    subject = "Undelivered Mail Returned to Sender"
    return _report("delivery-status", original, status, author=author, to=to, subject=subject, now=now)


def _complaint(original: Message, *, address: str, to: str, now: datetime) -> bytes:
    """RFC 5965: the person pressed "this is spam"."""
    fields = Message()
    for name, value in (
        ("Feedback-Type", "abuse"),
        ("User-Agent", "Filodiretto-Sandbox"),
        ("Version", "1"),
        ("Original-Rcpt-To", address),
    ):
        fields[name] = value
    middle = MIMEBase("message", "feedback-report")
    middle.attach(fields)
    author = f"feedback@{DOMAIN}"
    return _report("feedback-report", original, middle, author=author, to=to, subject="Abuse report", now=now)
