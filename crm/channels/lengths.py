"""How long a text may be on each channel, counted as the platform counts it."""

from collections.abc import Mapping
from typing import Final

from crm.channels.base import ChannelKind

#: The longest message of each platform's API, in its own units (Telegram: UTF-16; WhatsApp: characters).
MAX_TEXT: Final[Mapping[ChannelKind, int]] = {ChannelKind.TELEGRAM: 4096, ChannelKind.WHATSAPP: 4096}
_BEYOND_BASE: Final = 0xFFFF


def text_length(channel: ChannelKind, text: str) -> int:
    """The length of `text` as `channel` counts it: an emoji is two on Telegram."""
    if channel is ChannelKind.TELEGRAM:
        return len(text) + sum(ord(character) > _BEYOND_BASE for character in text)
    return len(text)


def excess(channel: ChannelKind, text: str) -> int:
    """By how much `text` is too long for `channel`; 0 when it fits, or when nobody says how long it may be."""
    limit = MAX_TEXT.get(channel)
    return 0 if limit is None else max(0, text_length(channel, text) - limit)
