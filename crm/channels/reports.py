"""Delivery reports (RFC 3464, its imitations, receipts of Italian certified mail) and feedback reports (RFC 5965)."""

import email
import re
from email.message import Message
from typing import Final

from crm.channels.base import Bounce, BounceAction, BouncedRecipient, Complaint, OutcomeKind
from crm.channels.mail_parts import (
    addresses,
    event_id,
    header,
    headers,
    inner_messages,
    leaves,
    message_ids,
    payload_bytes,
    payload_text,
    sender,
    sent_at,
)
from crm.channels.smtp_replies import Reply, Stage, outcome_of_reply

_MAX_TEXT: Final = 200_000
_MAX_RECIPIENTS: Final = 20_000
_STATUS = re.compile(r"\b([245]\.\d{1,3}\.\d{1,3})\b")
_BASIC = re.compile(r"\b([45]\d\d)\b")
_DAEMON = re.compile(r"(?:mailer-daemon|postmaster|mail-daemon|mdaemon)@", re.IGNORECASE)
_SUBJECT = re.compile(
    r"(?:undeliver|returned mail|mail delivery (?:failed|subsystem)|delivery (?:status|has failed|failure)|"
    r"failure notice|warning: message .{1,100} delayed|mancato recapito|mancata consegna|impossibile recapitare|"
    r"non recapitabile|"
    r"notifica (?:di )?(?:stato|mancat)|messaggio non recapitato)",
    re.IGNORECASE,
)
_QUOTED = re.compile(
    r"^(?:-{3,}|_{3,}).{0,80}(?:original|copy|copia|returned)|^Received:|^[> \t]{0,9}message-id:",
    re.IGNORECASE | re.MULTILINE,
)
_DELAY = re.compile(r"(?:delay|warning|ritard|still (?:being )?(?:trying|retried)|in coda)", re.IGNORECASE)


#: What a provider of certified mail (PEC, DM 2 November 2005) says with its header; acceptance by the sender's own
#: provider says nothing about the recipient.
_CERTIFIED: Final = {
    "accettazione": BounceAction.RELAYED,
    "presa-in-carico": BounceAction.RELAYED,
    "avvenuta-consegna": BounceAction.DELIVERED,
    "preavviso-errore-consegna": BounceAction.DELAYED,
    "errore-consegna": BounceAction.FAILED,
    "non-accettazione": BounceAction.FAILED,
    "rilevazione-virus": BounceAction.FAILED,
}


def read_complaint(message: Message, raw: bytes) -> Complaint | None:
    """Read a feedback report, or give None when the mail is none."""
    if message.get_content_type() != "multipart/report":
        return None
    fields: Message | None = None
    for part in leaves(message):
        if part.get_content_type() == "message/feedback-report":
            fields = _first_block(part)
    if fields is None:
        return None
    original = _original(message)
    recipients = addresses(headers(fields, "Original-Rcpt-To"))
    return Complaint(
        event_id=event_id(message, raw),
        occurred_at=sent_at(message),
        feedback_type=re.sub(r"[^a-z-]", "", header(fields, "Feedback-Type").lower())[:32] or "abuse",
        original_reference=_reference(original),
        original_recipient=recipients[0] if recipients else None,
    )


def read_bounce(message: Message, raw: bytes, *, token: str | None) -> Bounce | None:
    """Read a delivery report, structured or free-form, or give None when the mail is none."""
    recipients = _structured(message)
    if recipients is None:
        recipients = _certified(message)
    if recipients is None and _looks_like_bounce(message):
        recipients = _free_form(message)
    if recipients is None:
        return None
    return Bounce(
        event_id=event_id(message, raw),
        occurred_at=sent_at(message),
        recipients=tuple(recipients),
        original_reference=_reference(_original(message)) or _quoted_reference(message),
        token=token,
    )


def _structured(message: Message) -> list[BouncedRecipient] | None:
    """The recipients of a `message/delivery-status` part; None when there is no such part."""
    for part in leaves(message):
        if part.get_content_type() in {"message/delivery-status", "message/global-delivery-status"}:
            found = [_recipient(block) for block in _blocks(part)]
            return [recipient for recipient in found if recipient is not None][:_MAX_RECIPIENTS]
    return None


def _recipient(block: Message) -> BouncedRecipient | None:
    address = addresses(headers(block, "Original-Recipient")) or addresses(headers(block, "Final-Recipient"))
    action_text = header(block, "Action").lower()
    if not address or not action_text:
        return None
    try:
        action = BounceAction(action_text.split()[0])
    except ValueError:
        return None
    found = _STATUS.search(header(block, "Status")) or _STATUS.search(header(block, "Diagnostic-Code"))
    status = found[1] if found else ""
    # Many servers give 5.0.0 as the status and the real code in the diagnosis.
    diagnosis = _STATUS.search(header(block, "Diagnostic-Code"))
    if diagnosis and status.endswith(".0.0"):
        status = diagnosis[1]
    return BouncedRecipient(address=address[0], action=action, status=status, outcome=_outcome(action, status))


def _outcome(action: BounceAction, status: str) -> OutcomeKind:
    if action is BounceAction.FAILED:
        code = 450 if status.startswith("4") else 550
        # A server that gave up for a temporary reason says nothing against the address.
        return outcome_of_reply(Stage.RCPT, Reply(code, status.encode("ascii"))).kind
    return OutcomeKind.RETRY_LATER if action is BounceAction.DELAYED else OutcomeKind.ACCEPTED


def _certified(message: Message) -> list[BouncedRecipient] | None:
    """The recipients that a receipt of certified mail is about; None for any other mail."""
    action = _CERTIFIED.get(header(message, "X-Ricevuta").strip().lower())
    if action is None:
        return None
    text = _body(message)
    found = _STATUS.search(text) if action is BounceAction.FAILED else None
    status = found[1] if found else ""
    # A refusal without a code may be a virus or a broken form: nothing that speaks against the address.
    outcome = OutcomeKind.POLICY if action is BounceAction.FAILED and not status else _outcome(action, status)
    return [
        BouncedRecipient(address=address, action=action, status=status, outcome=outcome)
        for address in _named_in(text)[:1]
    ]


def _looks_like_bounce(message: Message) -> bool:
    _, author = sender(message)
    from_daemon = bool(_DAEMON.match(author)) or header(message, "Return-Path").strip() == "<>"
    failed = bool(headers(message, "X-Failed-Recipients"))
    return failed or (from_daemon and bool(_SUBJECT.search(header(message, "Subject"))))


def _free_form(message: Message) -> list[BouncedRecipient]:
    """Take the recipients from the usual header, or from the first lines of the text that name one."""
    text = _body(message)
    failed = addresses(headers(message, "X-Failed-Recipients")) or _named_in(text)
    found = _STATUS.search(text)
    basic = _BASIC.search(text)
    status = found[1] if found else f"{basic[1][0]}.0.0" if basic else ""
    delayed = bool(_DELAY.search(header(message, "Subject")))
    action = BounceAction.DELAYED if delayed or status.startswith("4") else BounceAction.FAILED
    return [
        BouncedRecipient(address=address, action=action, status=status, outcome=_outcome(action, status))
        for address in failed[:_MAX_RECIPIENTS]
    ]


def _named_in(text: str) -> tuple[str, ...]:
    """The addresses before the quoted original, but for the daemon's own."""
    head = _QUOTED.split(text, maxsplit=1)[0]
    return tuple(address for address in addresses(head) if not _DAEMON.match(address))[:20]


def _body(message: Message) -> str:
    for part in leaves(message):
        if part.get_content_maintype() == "text":
            return payload_text(part)[:_MAX_TEXT]
    return ""


def _original(message: Message) -> Message | None:
    """The headers of the message that the report is about."""
    for part in leaves(message):
        kind = part.get_content_type()
        if kind in {"message/rfc822", "message/global"}:
            inner = inner_messages(part)
            return inner[0] if inner else email.message_from_bytes(payload_bytes(part))
        if kind in {"text/rfc822-headers", "message/rfc822-headers", "message/global-headers"}:
            return email.message_from_bytes(payload_bytes(part))
    return None


def _reference(original: Message | None) -> str | None:
    found = message_ids(headers(original, "Message-ID")) if original is not None else ()
    return found[0] if found else None


def _quoted_reference(message: Message) -> str | None:
    """A Message-ID quoted in the text, or the one this mail answers."""
    quoted = re.search(r"(?im)^[> \t]*message-id:\s*(<[^<>\s]{3,500}>)", _body(message))
    if quoted:
        return quoted[1]
    found = message_ids(headers(message, "X-Riferimento-Message-ID", "In-Reply-To", "References"))
    return found[-1] if found else None


def _blocks(part: Message) -> list[Message]:
    """The header blocks of a report part, which the parser gives as a list, or as text for newer types."""
    blocks = inner_messages(part)
    if blocks:
        # A newer type is parsed as one inner message: its first block as headers, the others as body.
        rest = "\n\n".join(payload_text(block) for block in blocks if not block.is_multipart())
        return blocks + _split_blocks(rest)
    return _split_blocks(payload_text(part))


def _split_blocks(text: str) -> list[Message]:
    return [email.message_from_string(block) for block in re.split(r"\r?\n\r?\n", text) if block.strip()]


def _first_block(part: Message) -> Message | None:
    blocks = _blocks(part)
    if not blocks:
        return None
    first = blocks[0]
    # The fields may come as the body of an inner message without headers of its own.
    return first if first.keys() else email.message_from_string(payload_text(first))
