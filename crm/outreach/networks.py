"""Owns which network a link to a public post belongs to."""

import re
from typing import Final
from urllib.parse import urlsplit

from crm.channels.base import ChannelKind

#: Hosts of networks, without www and the like.
_HOSTS: Final = {
    "instagram.com": ChannelKind.INSTAGRAM,
    "facebook.com": ChannelKind.MESSENGER,
    "fb.com": ChannelKind.MESSENGER,
    "fb.watch": ChannelKind.MESSENGER,
    "x.com": ChannelKind.X,
    "twitter.com": ChannelKind.X,
    "linkedin.com": ChannelKind.LINKEDIN,
    "bsky.app": ChannelKind.BLUESKY,
    "t.me": ChannelKind.TELEGRAM,
}
#: The networks on which people speak in public.
PUBLIC: Final = (
    ChannelKind.INSTAGRAM,
    ChannelKind.MESSENGER,
    ChannelKind.X,
    ChannelKind.LINKEDIN,
    ChannelKind.MASTODON,
    ChannelKind.BLUESKY,
    ChannelKind.TELEGRAM,
)
_STATUS: Final = re.compile(r"/@[^/]+/\d+")
MAX_URL: Final = 2000


def network_of(url: str) -> ChannelKind | None:
    """The network of a public post; a Mastodon one is known by the form of its path, None for everything else."""
    try:
        parts = urlsplit(url.strip())
        host = (parts.hostname or "").lower()
    except ValueError:
        return None
    for known, channel in _HOSTS.items():
        if host == known or host.endswith(f".{known}"):
            return channel
    return ChannelKind.MASTODON if _STATUS.match(parts.path) else None


def is_post_url(url: str) -> bool:
    """Whether this is a web address that can be opened, without a password in it."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return False
    good = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.username is None and port != 0
    return good and len(url) <= MAX_URL and not any(letter.isspace() for letter in url)
