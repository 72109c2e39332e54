"""A signed webhook to a program of one's own (Standard Webhooks): what leaves goes there as one POST, and is proven.

A tool such as Make, n8n or Zapier, or a script, takes it on to whatever network it speaks to.
"""

import json
from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from typing import Any, Final
from urllib.parse import urlsplit
from uuid import uuid4

from crm.channels.addresses import AddressError, normalise
from crm.channels.base import (
    ChannelKind,
    CheckResult,
    Inbound,
    Limits,
    Outbound,
    Outcome,
    OutcomeKind,
    Resolved,
    SignatureError,
)
from crm.channels.sentences import N_
from crm.channels.setup import ChannelSetup, ConfigError, Setting
from crm.channels.webhook_events import parse_webhook, signature
from crm.net.client import HttpClient, Response
from crm.net.errors import NetError
from crm.net.guard import Guard
from crm.net.retry_after import pause

#: Standard Webhooks: who takes longer than this to say that it has it, does too much before saying so.
TOTAL_SECONDS: Final = 15.0
MAX_TEXT: Final = 20_000
SECRET_PATTERN: Final = r"whsec_[A-Za-z0-9+/=]{32,120}"
_SECRETS_PATTERN: Final = rf"{SECRET_PATTERN}(?:\s+{SECRET_PATTERN})?"
_GONE: Final = 410
_LATER: Final = frozenset({408, 429})
#: What an endpoint answers that can't use this text or form.
_CONTENT: Final = frozenset({400, 413, 414, 415, 422})
_SUCCESS: Final = 2
_SERVER_ERROR: Final = 5


class WebhookAdapter:
    """One endpoint. Every call is a connection of its own, so there is nothing to close."""

    def __init__(self, config: Mapping[str, Any], guard: Guard, *, secret: str) -> None:
        url = config.get("url")
        if not isinstance(url, str) or not _is_allowed(url, guard):
            raise ConfigError(["url"])
        try:
            signature(secret, name="x", seconds=0, body=b"")
        except SignatureError as error:
            raise ConfigError(["send_secret"]) from error
        self._url, self._secret = url, secret
        self._client = HttpClient(guard, version=_version(), total_seconds=TOTAL_SECONDS)

    @property
    def kind(self) -> ChannelKind:
        return ChannelKind.WEBHOOK

    @property
    def limits(self) -> Limits:
        return Limits(max_text=MAX_TEXT, has_subject=True)

    def check(self) -> CheckResult:
        """Sends a `ping`, which an endpoint answers with any 2xx and forgets."""
        try:
            answer = self._post(f"ping_{uuid4().hex}", "ping", {}, at=datetime.now(UTC))
        except NetError as error:
            return CheckResult(ok=False, code=f"api_{error.code.value}")
        outcome = _outcome(answer, at=None)
        if outcome.kind is OutcomeKind.ACCEPTED:
            return CheckResult(ok=True)
        return CheckResult(ok=False, code=outcome.code, detail=outcome.detail)

    def resolve(self, address: str) -> Resolved:
        try:
            return Resolved(address=normalise(ChannelKind.WEBHOOK, address).address_norm)
        except AddressError as error:
            return Resolved(address=address, reachable=False, code=error.code)

    def send(self, outbound: Outbound) -> Outcome:
        """One POST; `message_id` is the same at every try, and so is `webhook-id`, by which the endpoint knows it."""
        if len(outbound.text) > MAX_TEXT:
            return Outcome(kind=OutcomeKind.CONTENT, code="webhook_content")
        message_id = str(outbound.message_id)
        data = {
            "message_id": message_id,
            "to": {"address": outbound.to_address, "id": outbound.to_platform_id, "name": outbound.to_name},
            "subject": outbound.subject,
            "text": outbound.text,
            "in_reply_to": outbound.in_reply_to,
        }
        try:
            answer = self._post(f"msg_{outbound.message_id.hex}", "message.send", data, at=outbound.date)
        except NetError as error:
            return _unanswered(error)
        outcome = _outcome(answer, at=outbound.date)
        if outcome.kind is not OutcomeKind.ACCEPTED:
            return outcome
        return Outcome(kind=OutcomeKind.ACCEPTED, code=outcome.code, remote_id=message_id)

    def find_sent(self, reference: str) -> Outcome | None:  # noqa: ARG002 - nobody keeps what was posted
        return None

    def parse(self, raw: bytes) -> Sequence[Inbound]:
        return parse_webhook(raw)

    def close(self) -> None:
        """There is no connection."""

    def _post(self, name: str, what: str, data: Mapping[str, Any], *, at: datetime) -> Response:
        """Send one signed envelope. Raises `NetError`."""
        body = json.dumps({"type": what, "timestamp": at.isoformat(), "data": data}, ensure_ascii=False).encode()
        # The moment of this try: an endpoint refuses what was signed more than five minutes ago.
        seconds = int(datetime.now(UTC).timestamp())
        headers = {
            "content-type": "application/json",
            "webhook-id": name,
            "webhook-timestamp": str(seconds),
            "webhook-signature": signature(self._secret, name=name, seconds=seconds, body=body),
        }
        return self._client.post(self._url, content=body, headers=headers)


def _is_allowed(url: str, guard: Guard) -> bool:
    """Encrypted, unless the operator exempted the host."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return False
    host = parts.hostname or ""
    return bool(host) and (parts.scheme == "https" or (parts.scheme == "http" and guard.is_exempt(host)))


def _outcome(answer: Response, *, at: datetime | None) -> Outcome:
    """What a status means. A redirect is not followed: the text would go where nobody agreed to."""
    status, detail = answer.status, str(answer.status)
    if status // 100 == _SUCCESS:
        return Outcome(kind=OutcomeKind.ACCEPTED, code="accepted_by_platform", detail=detail)
    if status in _LATER or status // 100 == _SERVER_ERROR:
        wait = pause(answer.headers)
        return Outcome(
            kind=OutcomeKind.RETRY_LATER,
            code="webhook_later",
            detail=detail,
            not_before=at + wait if at is not None and wait is not None else None,
        )
    if status == _GONE:
        return Outcome(kind=OutcomeKind.AUTH, code="webhook_gone", detail=detail)
    if status in _CONTENT:
        return Outcome(kind=OutcomeKind.CONTENT, code="webhook_content", detail=detail)
    return Outcome(kind=OutcomeKind.POLICY, code="webhook_refused", detail=detail)


def _unanswered(error: NetError) -> Outcome:
    """No answer: nothing left for sure, or nobody knows; an address that is not allowed is the account's fault."""
    if error.has_begun:
        return Outcome(kind=OutcomeKind.UNKNOWN, code="api_no_answer", detail=error.code.value)
    kind = OutcomeKind.RETRY_LATER if error.may_pass else OutcomeKind.AUTH
    return Outcome(kind=kind, code=f"api_{error.code.value}")


def _version() -> str:
    with suppress(PackageNotFoundError):
        return version("filodiretto")
    return "0"


SETUP: Final = ChannelSetup(
    channel=ChannelKind.WEBHOOK,
    steps=(
        N_("In Make, n8n, Zapier or your own program, make a trigger that takes a webhook and copy its address here."),
        N_(
            "Choose the secrets: “whsec_” and the base64 of at least 24 random bytes. The guide shows a command for it."
        ),
        N_("For what comes in, let your program call the address below, signed with the secret for what comes in."),
    ),
    address_label=N_("Name of the other side"),
    address_where=N_("What you call it; people read it where they choose the account to write from."),
    settings=(
        Setting(
            name="url",
            label=N_("Address that gets your messages"),
            where=N_("It begins with https://. What you send leaves as one signed POST to it."),
            pattern=r"https?://\S+",
            max_length=1000,
        ),
        Setting(
            name="send_secret",
            label=N_("Secret for what leaves"),
            where=N_("Your program checks with it that a message really comes from here."),
            is_secret=True,
            pattern=SECRET_PATTERN,
            max_length=140,
        ),
        Setting(
            name="secret",
            label=N_("Secret for what comes in"),
            where=N_("Your program signs with it. To change it, write the new and the old one with a space between."),
            is_secret=True,
            pattern=_SECRETS_PATTERN,
            max_length=280,
        ),
    ),
    has_webhook=True,
)
