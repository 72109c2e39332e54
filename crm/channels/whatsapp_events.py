"""Reads what WhatsApp (Cloud API) delivers: the proof of a delivery, its batches taken apart, messages and statuses.

A delivery holds entries of changes of messages and statuses, also of other numbers of the same business. Each message
and each status is stored as an event of its own.
"""

import hashlib
import hmac
import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from crm.channels.base import Inbound, Piece, Receipt, ReceiptKind, Reply, SignatureError, Unread
from crm.channels.mail_parts import InboundError
from crm.channels.platform import moment_of, part, parts, read_object, text_of
from crm.channels.quotes import is_stop_word
from crm.channels.whatsapp_errors import meaning_of
from crm.numbers import whole

SIGNATURE_HEADER: Final = "x-hub-signature-256"
_MAX_TEXT: Final = 20_000
_MAX_ID: Final = 250
#: What came instead of words, by the `type` of the message.
_WITHOUT_WORDS: Final[Mapping[str, Mapping[str, str]]] = {
    "image": {"en": "Photo", "it": "Foto"},
    "video": {"en": "Video", "it": "Video"},
    "audio": {"en": "Audio", "it": "Audio"},
    "voice": {"en": "Voice message", "it": "Messaggio vocale"},
    "document": {"en": "File", "it": "File"},
    "sticker": {"en": "Sticker", "it": "Sticker"},
    "location": {"en": "Position", "it": "Posizione"},
    "contacts": {"en": "Contact card", "it": "Biglietto da visita"},
    "order": {"en": "Order", "it": "Ordine"},
    "reaction": {"en": "Reaction", "it": "Reazione"},
    "unsupported": {"en": "Something WhatsApp doesn’t pass on", "it": "Qualcosa che WhatsApp non inoltra"},
}
_STATUSES: Final = {
    "sent": ReceiptKind.SENT,
    "delivered": ReceiptKind.DELIVERED,
    "read": ReceiptKind.READ,
    # A voice message that was played was read.
    "played": ReceiptKind.READ,
    "failed": ReceiptKind.FAILED,
}


class WhatsAppDoor:
    """Deliveries of Meta: a question with our verify token once, then a signature over the raw bytes."""

    def challenge(self, query: Mapping[str, str], *, secret: Mapping[str, str]) -> str | None:
        expected = secret.get("verify_token", "")
        given = query.get("hub.verify_token", "")
        if query.get("hub.mode") != "subscribe" or not expected:
            return None
        if not hmac.compare_digest(given.encode("utf-8", "replace"), expected.encode()):
            return None
        return query.get("hub.challenge")

    def verify(
        self,
        body: bytes,
        headers: Mapping[str, str],
        *,
        secret: Mapping[str, str],
        now: datetime,  # noqa: ARG002 - Meta signs no time
    ) -> None:
        key, given = secret.get("app_secret", ""), headers.get(SIGNATURE_HEADER, "")
        if not key:
            raise SignatureError("no_secret")
        if not given:
            raise SignatureError("missing")
        expected = f"sha256={hmac.new(key.encode(), body, hashlib.sha256).hexdigest()}"
        if not hmac.compare_digest(given.encode("utf-8", "replace"), expected.encode()):
            raise SignatureError("mismatch")

    def split(self, body: bytes, headers: Mapping[str, str], *, config: Mapping[str, Any]) -> Sequence[Piece]:  # noqa: ARG002 - part of the interface
        read = read_object(body)
        if not parts(read, "entry"):
            return (Piece(_hashed(body), body),)
        mine = text_of(config, "phone_number_id")
        return [piece for change in _changes(read) for piece in _pieces(change, mine)]


def _hashed(content: bytes) -> str:
    return f"x{hashlib.sha256(content).hexdigest()[:40]}"


def _changes(delivery: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    for entry in parts(delivery, "entry"):
        yield from parts(entry, "changes")


def _pieces(change: Mapping[str, Any], mine: str) -> Iterator[Piece]:
    """The events of one change, each with what is needed to read it alone; none for another number."""
    value = part(change, "value")
    meta = part(value, "metadata")
    number = text_of(meta, "phone_number_id")
    if number and number != mine:
        return
    field, shared = text_of(change, "field"), {"metadata": meta}
    found = False
    for message in parts(value, "messages"):
        found = True
        alone = {**shared, "contacts": _authors(value, message), "messages": [message]}
        yield _piece(text_of(message, "id"), {"field": field, "value": alone})
    for status in parts(value, "statuses"):
        found = True
        name = text_of(status, "id")
        yield _piece(
            f"{name}:{text_of(status, 'status')}" if name else "",
            {"field": field, "value": {**shared, "statuses": [status]}},
        )
    if not found:
        yield _piece("", change)


def _piece(event_id: str, content: Mapping[str, Any]) -> Piece:
    raw = json.dumps(content, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace")
    return Piece(event_id if 0 < len(event_id) <= _MAX_ID else _hashed(raw), raw)


def _authors(value: Mapping[str, Any], message: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The profile of who wrote a message; with only one in the delivery it is theirs also without a number."""
    contacts = parts(value, "contacts")
    names = {text_of(message, "from"), text_of(message, "from_user_id")} - {""}
    mine = [each for each in contacts if names & {text_of(each, "wa_id"), text_of(each, "user_id")}]
    return mine or (contacts if len(contacts) == 1 else [])


def parse_whatsapp(raw: bytes) -> Sequence[Inbound]:
    """The events of one stored piece (or of a whole delivery). Raises `InboundError` for what can't be read at all."""
    read = read_object(raw)
    if not read:
        raise InboundError("unreadable")
    changes = [read] if "value" in read else list(_changes(read))
    events = [event for change in changes for event in _events(change)]
    return events or (Unread(event_id=_hashed(raw), what=_kind(changes)),)


def _kind(changes: Sequence[Mapping[str, Any]]) -> str:
    return next((text_of(change, "field") for change in changes), "")[:60] or "delivery"


def _events(change: Mapping[str, Any]) -> Iterator[Inbound]:
    if text_of(change, "field") != "messages":
        return
    value = part(change, "value")
    for message in parts(value, "messages"):
        yield _message(message, _authors(value, message))
    for status in parts(value, "statuses"):
        yield _status(status)


def _message(message: Mapping[str, Any], authors: Sequence[Mapping[str, Any]]) -> Inbound:
    """What one person wrote."""
    author = authors[0] if authors else {}
    event_id, at, kind = text_of(message, "id")[:_MAX_ID], moment_of(message, "timestamp"), text_of(message, "type")
    number = text_of(message, "from") or text_of(author, "wa_id")
    phone = f"+{number}" if whole(number) else ""
    user_id = (text_of(message, "from_user_id") or text_of(author, "user_id"))[:160]
    text = _words(message, kind, "it" if phone.startswith("+39") or user_id.startswith("IT.") else "en")
    if not text or not event_id or not (phone or user_id):
        return Unread(event_id=event_id or "message", occurred_at=at, what=kind[:60] or "message")
    profile = part(author, "profile")
    return Reply(
        event_id=event_id,
        occurred_at=at,
        from_address=phone,
        platform_id=user_id or None,
        from_name=(text_of(profile, "name") or text_of(profile, "username"))[:200],
        text=text,
        full_text=text,
        in_reply_to=(text_of(part(message, "context"), "id") or text_of(part(message, "reaction"), "message_id"))
        or None,
        opt_out=kind in {"text", "button", "interactive"} and is_stop_word(text),
    )


def _words(message: Mapping[str, Any], kind: str, language: str) -> str:
    """What was written or chosen, and in words what was sent beside or instead of it."""
    said = part(message, kind)
    label = f"[{_WITHOUT_WORDS[kind][language]}]" if kind in _WITHOUT_WORDS else ""
    match kind:
        case "text":
            told = [text_of(said, "body")]
        case "button":
            told = [text_of(said, "text")]
        case "interactive":
            told = [text_of(part(said, text_of(said, "type")), "title")]
        case "reaction":
            emoji = text_of(said, "emoji")
            told = [label, emoji] if emoji else []
        case "location":
            told = [label, text_of(said, "name"), text_of(said, "address")]
        case "contacts":
            cards = [text_of(part(card, "name"), "formatted_name") for card in parts(message, "contacts")]
            told = [label, ", ".join(filter(None, cards))]
        case "document":
            told = [label, text_of(said, "filename"), text_of(said, "caption")]
        case _:
            told = [label, text_of(said, "caption")]
    return " ".join(filter(None, (each.strip() for each in told)))[:_MAX_TEXT]


def _status(status: Mapping[str, Any]) -> Inbound:
    """News of a message of ours; why it failed often comes only here."""
    name, at, word = text_of(status, "id")[:_MAX_ID], moment_of(status, "timestamp"), text_of(status, "status")
    kind = _STATUSES.get(word)
    if kind is None or not name:
        return Unread(event_id=f"{name}:{word}"[:_MAX_ID] or "status", occurred_at=at, what=word[:60] or "status")
    errors = parts(status, "errors")
    meaning = meaning_of(errors[0] if errors else {}) if kind is ReceiptKind.FAILED else None
    return Receipt(
        event_id=f"{name}:{word}"[:_MAX_ID],
        occurred_at=at,
        kind=kind,
        remote_id=name,
        reference=text_of(status, "biz_opaque_callback_data")[:_MAX_ID] or None,
        code=meaning.code if meaning else "",
        outcome=meaning.kind if meaning else None,
    )
