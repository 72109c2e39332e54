"""Owns how long a text may be on each channel, for the counter beside what is being written."""

from typing import Final

from crm.channels.assisted import ASSISTED_CHANNELS, AssistedAdapter
from crm.channels.base import ChannelKind

#: Below a public post there is less room than between two people.
_PUBLIC: Final = {ChannelKind.BLUESKY: 300, ChannelKind.X: 280}


def text_limit(channel: ChannelKind, *, is_public: bool) -> int | None:
    """The longest text in characters as the platform counts them; None without a limit worth a counter."""
    if is_public and channel in _PUBLIC:
        return _PUBLIC[channel]
    return AssistedAdapter(channel).limits.max_text if channel in ASSISTED_CHANNELS else None
