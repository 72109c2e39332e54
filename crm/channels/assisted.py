"""Channels on which a person sends by hand: the text is ready, the chat opens, they say whether it is done."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final
from urllib.parse import quote

from crm.channels.addresses import BY_ID, AddressError, normalise, profile_url
from crm.channels.base import ChannelKind, CheckResult, Inbound, Limits, Outbound, Outcome, OutcomeKind, Resolved

#: Longer links are cut or refused by browsers and phones, so the text is then only copied.
MAX_LINK: Final = 2_000

#: What each network allows, as codes of `RULE_SENTENCES`; shown beside the ready text.
RULES: Final = {
    ChannelKind.WHATSAPP: ("whatsapp_opt_in", "by_hand"),
    ChannelKind.INSTAGRAM: ("instagram_request", "by_hand"),
    ChannelKind.MESSENGER: ("messenger_request", "by_hand"),
    ChannelKind.LINKEDIN: ("linkedin_by_hand", "linkedin_connection"),
    ChannelKind.X: ("x_open_messages", "by_hand"),
    ChannelKind.TELEGRAM: ("telegram_username", "by_hand"),
    ChannelKind.MASTODON: ("mastodon_mention", "by_hand"),
    ChannelKind.BLUESKY: ("bluesky_followers", "by_hand"),
    ChannelKind.PHONE: ("phone_register",),
    ChannelKind.SMS: ("sms_own_phone",),
}

_LIMITS: Final = {
    ChannelKind.WHATSAPP: Limits(max_text=4096, assisted=True),
    ChannelKind.INSTAGRAM: Limits(max_bytes=1000, assisted=True),
    ChannelKind.MESSENGER: Limits(max_text=2000, assisted=True),
    ChannelKind.LINKEDIN: Limits(max_text=8000, assisted=True),
    ChannelKind.X: Limits(max_text=10_000, assisted=True),
    ChannelKind.TELEGRAM: Limits(max_text=4096, assisted=True),
    ChannelKind.MASTODON: Limits(max_text=500, assisted=True),
    ChannelKind.BLUESKY: Limits(max_text=1000, assisted=True),
    ChannelKind.PHONE: Limits(assisted=True),
    ChannelKind.SMS: Limits(max_text=1600, assisted=True),
}

ASSISTED_CHANNELS: Final = frozenset(_LIMITS)


@dataclass(frozen=True, slots=True, kw_only=True)
class AssistedStep:
    """What a person needs to send by hand.

    `url` opens the chat, profile or dialler; `is_prefilled` says that the text is in it already; `copy_text` goes to
    the clipboard in any case; `rules` are codes of `RULE_SENTENCES`.
    """

    url: str | None
    copy_text: str
    is_prefilled: bool
    rules: tuple[str, ...]


def prepare(channel: ChannelKind, *, address_norm: str, text: str, platform_id: str | None = None) -> AssistedStep:
    """Build the deep link of a normalised address with the text in it where the network allows that.

    `platform_id` is the immutable id where known; X opens a message only by it.
    """
    url = _with_text(channel, address_norm, text, platform_id)
    is_prefilled = url is not None and len(url) <= MAX_LINK
    if not is_prefilled:
        url = _without_text(channel, address_norm)
    return AssistedStep(url=url, copy_text=text, is_prefilled=is_prefilled, rules=RULES.get(channel, ()))


def _with_text(channel: ChannelKind, address: str, text: str, platform_id: str | None) -> str | None:
    words = quote(text, safe="")
    if address.startswith(BY_ID) and channel is not ChannelKind.X:
        return None
    if channel is ChannelKind.WHATSAPP:
        return f"https://wa.me/{address.removeprefix('+')}?text={words}"
    if channel is ChannelKind.TELEGRAM:
        return f"https://t.me/{quote(address, safe='')}?text={words}"
    if channel is ChannelKind.SMS:
        return f"sms:{address}?body={words}"
    if channel is ChannelKind.X and platform_id and platform_id.isdigit():
        return f"https://x.com/messages/compose?recipient_id={platform_id}&text={words}"
    return None


def _without_text(channel: ChannelKind, address: str) -> str | None:
    if address.startswith(BY_ID):
        return None
    if channel is ChannelKind.PHONE:
        return f"tel:{address}"
    if channel is ChannelKind.SMS:
        return f"sms:{address}"
    if channel is ChannelKind.INSTAGRAM:
        return f"https://ig.me/m/{quote(address, safe='')}"
    if channel is ChannelKind.MESSENGER:
        return f"https://m.me/{quote(address, safe='')}"
    return profile_url(channel, address)


class AssistedAdapter:
    """The adapter of a channel without a machine behind it: it prepares, checks and never sends."""

    def __init__(self, kind: ChannelKind) -> None:
        self._kind = kind

    @property
    def kind(self) -> ChannelKind:
        return self._kind

    @property
    def limits(self) -> Limits:
        return _LIMITS[self._kind]

    def check(self) -> CheckResult:
        return CheckResult(ok=True, code="assisted")

    def resolve(self, address: str) -> Resolved:
        try:
            return Resolved(address=normalise(self._kind, address).address_norm)
        except AddressError as error:
            return Resolved(address=address, reachable=False, code=error.code)

    def send(self, outbound: Outbound) -> Outcome:  # noqa: ARG002 - part of the interface
        return Outcome(kind=OutcomeKind.POLICY, code="assisted_only")

    def find_sent(self, reference: str) -> Outcome | None:  # noqa: ARG002 - part of the interface
        return None

    def parse(self, raw: bytes) -> Sequence[Inbound]:  # noqa: ARG002 - part of the interface
        return ()

    def close(self) -> None:
        """There is no connection."""
