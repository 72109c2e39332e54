"""Reads what a program of one's own tells over a signed webhook: the proof of a delivery, and the event in it.

The proof follows Standard Webhooks: `webhook-id`, `webhook-timestamp` (Unix seconds) and `webhook-signature` (one or
more of `v1,<base64>`, separated by spaces), HMAC-SHA256 over `id.timestamp.body`. docs/webhook.md has the envelope.
"""

import base64
import binascii
import hashlib
import hmac
import re
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from crm.channels.base import (
    Inbound,
    OutcomeKind,
    Piece,
    PublicPost,
    Reachability,
    Receipt,
    ReceiptKind,
    Reply,
    SignatureError,
    Started,
    Unread,
)
from crm.channels.mail_parts import InboundError
from crm.channels.platform import part, read_object, text_of
from crm.channels.quotes import is_stop_word

#: How old or early a delivery may be (Standard Webhooks): enough for clocks, too little to replay one of yesterday.
TOLERANCE_SECONDS: Final = 300
SECRET_PREFIX: Final = "whsec_"
VERSION: Final = "v1"
#: A point would make `id.timestamp.body` ambiguous.
_ID: Final = re.compile(r"[A-Za-z0-9_:+=/-]{1,200}", re.ASCII)
_SECONDS: Final = re.compile(r"[0-9]{1,12}", re.ASCII)
_MAX_SIGNATURES: Final = 10
_MAX_TEXT: Final = 20_000
_URL: Final = re.compile(r"https?://[^\s<>\"'\\]{1,1990}")
_RECEIPTS: Final = {
    "message.delivered": ReceiptKind.DELIVERED,
    "message.read": ReceiptKind.READ,
    "message.failed": ReceiptKind.FAILED,
}
#: What `message.failed` may give as its reason; anything else counts as a refusal that says nothing of the person.
_REASONS: Final = {
    "unreachable": OutcomeKind.PERMANENT,
    "not_allowed": OutcomeKind.POLICY,
    "content": OutcomeKind.CONTENT,
    "account": OutcomeKind.AUTH,
}
_CODE: Final = re.compile(r"[A-Za-z0-9_.:-]{1,60}", re.ASCII)


def signature(secret: str, *, name: str, seconds: int, body: bytes) -> str:
    """The signature `v1,<base64>` of one delivery. Raises `SignatureError` for a secret that can't be read."""
    content = f"{name}.{seconds}.".encode() + body
    return f"{VERSION},{base64.b64encode(hmac.new(_key(secret), content, hashlib.sha256).digest()).decode()}"


def _key(secret: str) -> bytes:
    try:
        key = base64.b64decode(secret.removeprefix(SECRET_PREFIX), validate=True)
    except (binascii.Error, ValueError) as error:
        raise SignatureError("no_secret") from error
    if not key:
        raise SignatureError("no_secret")
    return key


class WebhookDoor:
    """Deliveries in the form of Standard Webhooks. `secret` may name two keys with a space between, to change them."""

    def challenge(self, query: Mapping[str, str], *, secret: Mapping[str, str]) -> str | None:  # noqa: ARG002 - part of the interface
        return None

    def verify(self, body: bytes, headers: Mapping[str, str], *, secret: Mapping[str, str], now: datetime) -> None:
        name, at = headers.get("webhook-id", ""), headers.get("webhook-timestamp", "")
        given = headers.get("webhook-signature", "").split(" ")[:_MAX_SIGNATURES]
        keys = secret.get("secret", "").split()
        if not keys:
            raise SignatureError("no_secret")
        if not _ID.fullmatch(name) or not _SECONDS.fullmatch(at):
            raise SignatureError("missing")
        if abs(int(at) - now.timestamp()) > TOLERANCE_SECONDS:
            raise SignatureError("out_of_time")
        expected = [signature(key, name=name, seconds=int(at), body=body).encode() for key in keys]
        # Every pair is compared, so that the time it takes says nothing.
        matches = [hmac.compare_digest(one.encode("utf-8", "replace"), own) for one in given for own in expected]
        if not any(matches):
            raise SignatureError("mismatch")

    def split(self, body: bytes, headers: Mapping[str, str], *, config: Mapping[str, Any]) -> Sequence[Piece]:  # noqa: ARG002 - part of the interface
        name = headers.get("webhook-id", "") or hashlib.sha256(body).hexdigest()[:40]
        return (Piece(f"w:{name}", body),)


def parse_webhook(raw: bytes) -> Sequence[Inbound]:
    """The event of one delivery; a type that nothing reads is `Unread`. Raises `InboundError` for a broken one."""
    envelope = read_object(raw)
    if not envelope:
        raise InboundError("unreadable")
    what, data = text_of(envelope, "type"), part(envelope, "data")
    if not what:
        raise InboundError("no_type")
    shared: dict[str, Any] = {"event_id": _event_id(data, raw), "occurred_at": _moment(text_of(envelope, "timestamp"))}
    reader = _READERS.get(what)
    return (reader(what, data, shared) if reader else Unread(what=what[:60], **shared),)


def _event_id(data: Mapping[str, Any], raw: bytes) -> str:
    return text_of(data, "id") or f"x{hashlib.sha256(raw).hexdigest()[:40]}"


def _moment(text: str) -> datetime | None:
    """A moment in ISO 8601 with its zone; None for anything else."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    return moment if moment.tzinfo is not None and moment.year > 2000 else None  # noqa: PLR2004 - nobody means it.


def _author(data: Mapping[str, Any]) -> dict[str, Any]:
    """Who wrote: an address, an immutable id, or both. Raises `InboundError` when there is neither."""
    author = part(data, "from")
    platform_id, address = text_of(author, "id"), text_of(author, "address").strip()
    if not platform_id and not address:
        raise InboundError("no_author")
    return {
        # A program may know people by its own ids alone; without a name the id is what they are called.
        "from_address": address or platform_id,
        "platform_id": platform_id or None,
        "from_name": text_of(author, "name")[:200],
    }


def _words(data: Mapping[str, Any]) -> dict[str, Any]:
    text = text_of(data, "text")[:_MAX_TEXT].strip()
    if not text:
        raise InboundError("no_text")
    return {"text": text, "full_text": text, "subject": text_of(data, "subject")[:500]}


def _message(_what: str, data: Mapping[str, Any], shared: dict[str, Any]) -> Inbound:
    words = _words(data)
    answered = text_of(data, "in_reply_to") or None
    return Reply(**shared, **_author(data), **words, in_reply_to=answered, opt_out=is_stop_word(words["text"]))


def _post(what: str, data: Mapping[str, Any], shared: dict[str, Any]) -> Inbound:
    post_url, parent_url = text_of(data, "post_url"), text_of(data, "parent_url")
    if not _URL.fullmatch(post_url) or (parent_url and not _URL.fullmatch(parent_url)):
        raise InboundError("no_post_url")
    if what == "comment.received":
        # A comment stands below something; one that doesn't say below what stands below itself.
        parent_url = parent_url or post_url
    return PublicPost(**shared, **_author(data), **_words(data), post_url=post_url, parent_url=parent_url)


def _started(_what: str, data: Mapping[str, Any], shared: dict[str, Any]) -> Inbound:
    return Started(**shared, **_author(data), text=text_of(data, "text")[:_MAX_TEXT], payload=text_of(data, "token"))


def _receipt(what: str, data: Mapping[str, Any], shared: dict[str, Any]) -> Inbound:
    kind, message_id = _RECEIPTS[what], text_of(data, "message_id")
    if not message_id:
        raise InboundError("no_message_id")
    code = text_of(data, "code")
    return Receipt(
        **shared,
        kind=kind,
        remote_id=message_id,
        code=code if _CODE.fullmatch(code) else "",
        outcome=_REASONS.get(text_of(data, "reason"), OutcomeKind.POLICY) if kind is ReceiptKind.FAILED else None,
    )


def _reachability(what: str, data: Mapping[str, Any], shared: dict[str, Any]) -> Inbound:
    platform_id = text_of(part(data, "from"), "id")
    if not platform_id:
        raise InboundError("no_author")
    is_reachable = what == "person.unblocked"
    return Reachability(
        **shared, platform_id=platform_id, reachable=is_reachable, code="" if is_reachable else "blocked"
    )


_READERS: Final[Mapping[str, Callable[[str, Mapping[str, Any], dict[str, Any]], Inbound]]] = {
    "message.received": _message,
    "comment.received": _post,
    "mention.received": _post,
    "person.started": _started,
    "person.blocked": _reachability,
    "person.unblocked": _reachability,
    **dict.fromkeys(_RECEIPTS, _receipt),
}
