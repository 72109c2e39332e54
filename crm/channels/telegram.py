"""Telegram through a bot of one's own (Bot API 10): sends plain text, asks for updates, sets and removes the webhook.

A bot may write only to people who pressed Start. The token is part of every address that is called, so no address and
no cause of an error leaves this module.
"""

import re
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from crm.channels.addresses import AddressError, normalise
from crm.channels.base import (
    ChannelKind,
    CheckResult,
    Inbound,
    Limits,
    Outbound,
    Outcome,
    OutcomeKind,
    Polled,
    PollError,
    Resolved,
)
from crm.channels.lengths import MAX_TEXT, text_length
from crm.channels.platform import Answer, NoAnswerError, Platform, number_of, part, parts, text_of
from crm.channels.sentences import N_
from crm.channels.setup import ChannelSetup, ConfigError, Setting
from crm.channels.telegram_events import ALLOWED_UPDATES, parse_telegram, piece_of, remote_id
from crm.net.guard import Guard
from crm.net.retry_after import LONGEST, pause
from crm.numbers import whole

HOME: Final = "https://api.telegram.org"
TOKEN_PATTERN: Final = r"[0-9]{5,20}:[A-Za-z0-9_-]{20,80}"
START_LINK: Final = "https://t.me/{bot}?start={token}"
#: About 30 messages a second in all (the limits are not published to the letter); our counters know minutes.
PER_MINUTE: Final = 1800
#: Updates in one answer, at most (Bot API, getUpdates).
POLL_LIMIT: Final = 100

#: What `sendMessage` answers, by HTTP status and the words of its `description` without "Bad Request: " or "Forbidden:
#: " (tdlib/telegram-bot-api, Client.cpp). What is not here proves nothing and is unknown.
_OUTCOMES: Final[Mapping[tuple[int, str], tuple[OutcomeKind, str]]] = {
    (403, "bot was blocked by the user"): (OutcomeKind.PERMANENT, "blocked"),
    (403, "user is deactivated"): (OutcomeKind.PERMANENT, "telegram_deactivated"),
    (403, "bot can't initiate conversation with a user"): (OutcomeKind.POLICY, "needs_start"),
    (400, "chat not found"): (OutcomeKind.PERMANENT, "telegram_no_chat"),
    (400, "private chat not found"): (OutcomeKind.PERMANENT, "telegram_no_chat"),
    (400, "message is too long"): (OutcomeKind.CONTENT, "telegram_too_long"),
    (400, "text is too long"): (OutcomeKind.CONTENT, "telegram_too_long"),
    (400, "message text is empty"): (OutcomeKind.CONTENT, "telegram_empty"),
    (401, "unauthorized"): (OutcomeKind.AUTH, "telegram_token"),
    (404, "not found"): (OutcomeKind.AUTH, "telegram_token"),
}
#: The same for descriptions that go on with a detail.
_BEGINNINGS: Final[Sequence[tuple[int, str, OutcomeKind, str]]] = (
    (400, "can't parse entities", OutcomeKind.CONTENT, "telegram_entities"),
)
_PREFIX: Final = re.compile(r"(?:bad request|forbidden|conflict|too many requests):\s*")
_TOO_MANY: Final = 429
_CONFLICT: Final = 409
_OK: Final = 200


class TelegramConfig(BaseModel):
    """What a bot's account keeps in clear."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    base_url: str = Field("", max_length=300)


class TelegramAdapter:
    """One bot. Every call is a connection of its own, so there is nothing to close."""

    def __init__(self, config: Mapping[str, Any], guard: Guard, *, token: str) -> None:
        try:
            read = TelegramConfig.model_validate(dict(config))
        except ValidationError as error:
            raise ConfigError(["base_url"]) from error
        if not re.fullmatch(TOKEN_PATTERN, token):
            # Anything else could lead to another address.
            raise ConfigError(["token"])
        self._path = f"/bot{token}/"
        self._platform = Platform(HOME, guard, base_url=read.base_url)

    @property
    def kind(self) -> ChannelKind:
        return ChannelKind.TELEGRAM

    @property
    def limits(self) -> Limits:
        return Limits(max_text=MAX_TEXT[ChannelKind.TELEGRAM], per_minute=PER_MINUTE)

    def check(self) -> CheckResult:
        try:
            answer = self._platform.post(f"{self._path}getMe", {})
        except NoAnswerError as error:
            return CheckResult(ok=False, code=f"api_{error.code.value}")
        if _is_ok(answer):
            return CheckResult(ok=True, detail=text_of(part(answer.body, "result"), "username")[:64])
        return CheckResult(ok=False, code=_outcome(answer).code)

    def resolve(self, address: str) -> Resolved:
        """A bot can't look anybody up: who pressed Start is known by their number, from then on."""
        if address.startswith("id:") and whole(address[3:]):
            return Resolved(address=address, platform_id=address[3:])
        try:
            known = normalise(ChannelKind.TELEGRAM, address).address_norm
        except AddressError as error:
            return Resolved(address=address, reachable=False, code=error.code)
        return Resolved(address=known, reachable=False, code="needs_start")

    def send(self, outbound: Outbound) -> Outcome:
        chat = whole(outbound.to_platform_id)
        if chat is None:
            return Outcome(kind=OutcomeKind.POLICY, code="needs_start")
        if text_length(ChannelKind.TELEGRAM, outbound.text) > MAX_TEXT[ChannelKind.TELEGRAM]:
            return Outcome(kind=OutcomeKind.CONTENT, code="telegram_too_long")
        data = {"chat_id": chat, "text": outbound.text, "link_preview_options": {"is_disabled": True}}
        try:
            answer = self._platform.post(f"{self._path}sendMessage", data)
        except NoAnswerError as error:
            return error.outcome
        if not _is_ok(answer):
            return _outcome(answer, at=outbound.date)
        number = number_of(part(answer.body, "result"), "message_id")
        if number is None:
            return Outcome(kind=OutcomeKind.UNKNOWN, code="api_unreadable", detail="200")
        return Outcome(kind=OutcomeKind.ACCEPTED, code="accepted_by_platform", remote_id=remote_id(str(chat), number))

    def find_sent(self, reference: str) -> Outcome | None:  # noqa: ARG002 - a bot can't read its own chats
        return None

    def parse(self, raw: bytes) -> Sequence[Inbound]:
        return parse_telegram(raw)

    def poll(self, cursor: str) -> Polled:
        """`cursor` is the number after the last kept update; asking with it tells Telegram to forget those before."""
        data: dict[str, Any] = {"limit": POLL_LIMIT, "timeout": 0, "allowed_updates": ALLOWED_UPDATES}
        after = whole(cursor)
        if after is not None:
            data["offset"] = after
        try:
            answer = self._platform.post(f"{self._path}getUpdates", data)
        except NoAnswerError as error:
            raise PollError(f"api_{error.code.value}") from None
        if not _is_ok(answer):
            raise _poll_error(answer)
        updates = parts(answer.body, "result")
        numbers = [number for number in (number_of(update, "update_id") for update in updates) if number is not None]
        following = max([number + 1 for number in numbers], default=after)
        return Polled(
            pieces=[piece_of(update) for update in updates], cursor="" if following is None else str(following)
        )

    def set_webhook(self, url: str, *, secret: str) -> CheckResult:
        """Let Telegram call `url` with `secret` (1 to 256 of A-Z, a-z, 0-9, _ and -), also for what waited."""
        data = {"url": url, "secret_token": secret, "allowed_updates": ALLOWED_UPDATES, "max_connections": 4}
        return self._told("setWebhook", data)

    def delete_webhook(self) -> CheckResult:
        """Go back to asking; nothing that waits is dropped."""
        return self._told("deleteWebhook", {"drop_pending_updates": False})

    def _told(self, method: str, data: Mapping[str, Any]) -> CheckResult:
        try:
            answer = self._platform.post(self._path + method, data)
        except NoAnswerError as error:
            return CheckResult(ok=False, code=f"api_{error.code.value}")
        if _is_ok(answer):
            return CheckResult(ok=True)
        code = _outcome(answer).code
        return CheckResult(ok=False, code="telegram_webhook" if code == "api_unknown" else code)

    def close(self) -> None:
        """There is no connection."""


def _is_ok(answer: Answer) -> bool:
    return answer.status == _OK and answer.body.get("ok") is True


def _outcome(answer: Answer, *, at: datetime | None = None) -> Outcome:
    """What a refusal means; `detail` is its number, never its words."""
    status, detail = answer.status, str(answer.status)
    words = _PREFIX.sub("", text_of(answer.body, "description").lower(), count=1).strip()
    if status == _TOO_MANY:
        return Outcome(
            kind=OutcomeKind.RETRY_LATER, code="telegram_flood", detail=detail, not_before=_not_before(answer, at)
        )
    known = _OUTCOMES.get((status, words))
    if known is None:
        known = next(
            ((kind, code) for number, start, kind, code in _BEGINNINGS if number == status and words.startswith(start)),
            None,
        )
    if known is not None and answer.is_theirs:
        return Outcome(kind=known[0], code=known[1], detail=detail)
    if answer.is_server_error and answer.body.get("ok") is False:
        # The API itself says that it could not; a proxy before it knows nothing of what became of the message.
        return Outcome(kind=OutcomeKind.RETRY_LATER, code="api_server_error", detail=detail)
    return Outcome(kind=OutcomeKind.UNKNOWN, code="api_unknown", detail=detail)


def _not_before(answer: Answer, at: datetime | None) -> datetime | None:
    """When a flood is over: by the body, or by the header where a proxy took the body away."""
    if at is None:
        return None
    seconds = number_of(part(answer.body, "parameters"), "retry_after")
    wait = timedelta(seconds=min(seconds, LONGEST.total_seconds())) if seconds is not None else pause(answer.headers)
    return None if wait is None else at + wait


def _poll_error(answer: Answer) -> PollError:
    if answer.status == _CONFLICT:
        # Another program asks for the same updates, or a webhook is set: asking faster makes it worse.
        return PollError("telegram_conflict")
    outcome = _outcome(answer)
    if outcome.kind is OutcomeKind.AUTH:
        return PollError(outcome.code, OutcomeKind.AUTH)
    return PollError(outcome.code)


def start_link(bot: str, token: str) -> str:
    """The address that opens the bot and, once the person pressed Start, tells us `token` (64 of A-Za-z0-9_-)."""
    return START_LINK.format(bot=bot.strip().removeprefix("@"), token=token)


SETUP: Final = ChannelSetup(
    channel=ChannelKind.TELEGRAM,
    steps=(
        N_("In Telegram, open the chat with @BotFather and send /newbot."),
        N_("Choose a name that people recognise, then a user name that ends in “bot”."),
        N_("BotFather answers with a token. Copy it here: whoever has it can write as your bot."),
        N_("A bot can’t write first: send people the start link, and once they press Start you can write to them."),
    ),
    address_label=N_("User name of the bot"),
    address_where=N_("The one that ends in “bot”, without @: it is in the link t.me/… that BotFather gave you."),
    settings=(
        Setting(
            name="token",
            label=N_("Token of the bot"),
            where=N_("From @BotFather: /mybots, your bot, API Token."),
            is_secret=True,
            pattern=TOKEN_PATTERN,
            max_length=120,
        ),
    ),
    has_webhook=True,
    polls=True,
    per_minute=PER_MINUTE,
)
