"""Reads what a Telegram bot is told: the proof of a delivery, its updates, and the events in them.

The Bot API sends one update for each delivery; the answer to `getUpdates` holds a list of them. Both are stored update
by update, under the number that Telegram gives it.
"""

import hashlib
import hmac
import json
import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from crm.channels.base import Inbound, Piece, Reachability, Reply, SignatureError, Started, Unread
from crm.channels.mail_parts import InboundError
from crm.channels.platform import moment_of, number_of, part, read_object, text_of
from crm.channels.quotes import is_stop_word

SECRET_HEADER: Final = "x-telegram-bot-api-secret-token"
#: The kinds of updates that we ask for; the others would only be kept unread.
ALLOWED_UPDATES: Final = ("message", "edited_message", "my_chat_member")
#: What our start links carry (the Bot API allows 64 of these characters).
_START: Final = re.compile(r"/start(?:@\w+)?(?:\s+([A-Za-z0-9_-]{1,64}))?\s*")
_MAX_TEXT: Final = 20_000
#: What came instead of words, in the order in which it is looked for: a sticker has a thumbnail, a video note a length.
_WITHOUT_WORDS: Final[Mapping[str, Mapping[str, str]]] = {
    "photo": {"en": "Photo", "it": "Foto"},
    "voice": {"en": "Voice message", "it": "Messaggio vocale"},
    "audio": {"en": "Audio", "it": "Audio"},
    "video_note": {"en": "Video message", "it": "Videomessaggio"},
    "animation": {"en": "Animation", "it": "Animazione"},
    "video": {"en": "Video", "it": "Video"},
    "sticker": {"en": "Sticker", "it": "Sticker"},
    "document": {"en": "File", "it": "File"},
    "contact": {"en": "Contact card", "it": "Biglietto da visita"},
    "venue": {"en": "Place", "it": "Luogo"},
    "location": {"en": "Position", "it": "Posizione"},
    "poll": {"en": "Poll", "it": "Sondaggio"},
    "dice": {"en": "Dice", "it": "Dado"},
    "story": {"en": "Story", "it": "Storia"},
    "gift": {"en": "Gift", "it": "Regalo"},
}
_CHANGED: Final = {"en": "Changed", "it": "Modificato"}
_MESSAGES: Final = ("message", "edited_message")
#: Of `my_chat_member`: what the bot became in a chat with one person.
_REACHABLE: Final = {"kicked": False, "left": False, "member": True}


class TelegramDoor:
    """Deliveries of a webhook: a fixed token in a header, chosen by us when the webhook was set."""

    def challenge(self, query: Mapping[str, str], *, secret: Mapping[str, str]) -> str | None:  # noqa: ARG002 - part of the interface
        return None

    def verify(
        self,
        body: bytes,  # noqa: ARG002 - Telegram signs nothing
        headers: Mapping[str, str],
        *,
        secret: Mapping[str, str],
        now: datetime,  # noqa: ARG002 - part of the interface
    ) -> None:
        given, expected = headers.get(SECRET_HEADER, ""), secret.get("webhook_secret", "")
        if not expected:
            raise SignatureError("no_secret")
        if not given:
            raise SignatureError("missing")
        if not hmac.compare_digest(given.encode("utf-8", "replace"), expected.encode()):
            raise SignatureError("mismatch")

    def split(self, body: bytes, headers: Mapping[str, str], *, config: Mapping[str, Any]) -> Sequence[Piece]:  # noqa: ARG002 - part of the interface
        return (piece_of(read_object(body), raw=body),)


def piece_of(update: Mapping[str, Any], *, raw: bytes | None = None) -> Piece:
    """One update under its number; one without a number is told by its bytes."""
    content = raw if raw is not None else json.dumps(update, ensure_ascii=False).encode("utf-8", "replace")
    number = number_of(update, "update_id")
    name = f"u{number}" if number is not None else f"x{hashlib.sha256(content).hexdigest()[:40]}"
    return Piece(name, content)


def parse_telegram(raw: bytes) -> Sequence[Inbound]:
    """The event of one update; a kind that nothing reads is `Unread`. Raises `InboundError` for what is no update."""
    update = read_object(raw)
    if not update:
        raise InboundError("unreadable")
    event_id = piece_of(update, raw=raw).event_id
    for name in _MESSAGES:
        if name in update:
            return (_message(part(update, name), event_id=event_id, is_edited=name == "edited_message"),)
    if "my_chat_member" in update:
        return (_membership(part(update, "my_chat_member"), event_id=event_id),)
    what = next((name for name in update if name != "update_id"), "update")
    return (Unread(event_id=event_id, what=what[:60]),)


def _message(message: Mapping[str, Any], *, event_id: str, is_edited: bool) -> Inbound:
    """What one person wrote to the bot."""
    chat, author, at = part(message, "chat"), part(message, "from"), moment_of(message, "date")
    number, platform_id = number_of(message, "message_id"), _id(author)
    if text_of(chat, "type") != "private" or author.get("is_bot") is True:
        return Unread(event_id=event_id, occurred_at=at, what="group" if not author.get("is_bot") else "bot")
    if not platform_id or number is None:
        return Unread(event_id=event_id, occurred_at=at, what="message")
    language = "it" if text_of(author, "language_code").startswith("it") else "en"
    text = _words(message, language)
    if not text:
        return Unread(event_id=event_id, occurred_at=at, what="service_message")
    shared: dict[str, Any] = {
        # An edit is a message of its own: what was read before it stays as it was.
        "event_id": f"{platform_id}:{number}" if not is_edited else event_id,
        "occurred_at": moment_of(message, "edit_date") or at if is_edited else at,
        "from_address": text_of(author, "username")[:64],
        "platform_id": platform_id,
        "from_name": " ".join(filter(None, (text_of(author, "first_name"), text_of(author, "last_name"))))[:200],
        "in_reply_to": _answered(message, platform_id),
    }
    started = _START.fullmatch(text) if not is_edited else None
    if started is not None:
        return Started(text=text, full_text=text, payload=started[1] or "", **shared)
    shown = f"[{_CHANGED[language]}] {text}" if is_edited else text
    return Reply(text=shown, full_text=shown, opt_out=_is_stop(text), **shared)


def _is_stop(text: str) -> bool:
    """Bots are also left by their own command."""
    return is_stop_word(text.removeprefix("/"))


def _id(author: Mapping[str, Any]) -> str:
    number = number_of(author, "id")
    return str(number) if number else ""


def _answered(message: Mapping[str, Any], platform_id: str) -> str | None:
    number = number_of(part(message, "reply_to_message"), "message_id")
    return None if number is None else remote_id(platform_id, number)


def remote_id(chat_id: str, message_id: int) -> str:
    """The name of a message: its number counts within its chat alone."""
    return f"{chat_id}:{message_id}"


def _words(message: Mapping[str, Any], language: str) -> str:
    """What was written, and in words what was sent beside or instead of it; empty when the chat itself speaks."""
    found = [f"[{words[language]}]" for name, words in _WITHOUT_WORDS.items() if name in message][:1]
    name = text_of(part(message, "document"), "file_name") if "document" in message else ""
    told = [text_of(message, "text"), *found, name, text_of(message, "caption")]
    if "contact" in message:
        card = part(message, "contact")
        told += [text_of(card, "first_name"), text_of(card, "last_name"), text_of(card, "phone_number")]
    if "venue" in message:
        told += [text_of(part(message, "venue"), "title"), text_of(part(message, "venue"), "address")]
    return " ".join(filter(None, (each.strip() for each in told)))[:_MAX_TEXT]


def _membership(member: Mapping[str, Any], *, event_id: str) -> Inbound:
    """The person stopped the bot, or let it in again."""
    chat, at = part(member, "chat"), moment_of(member, "date")
    status = text_of(part(member, "new_chat_member"), "status")
    platform_id = _id(chat)
    if text_of(chat, "type") != "private" or status not in _REACHABLE or not platform_id:
        return Unread(event_id=event_id, occurred_at=at, what="my_chat_member")
    reachable = _REACHABLE[status]
    return Reachability(
        event_id=event_id,
        occurred_at=at,
        platform_id=platform_id,
        reachable=reachable,
        code="" if reachable else "blocked",
    )
