"""The lists of accounts in Instagram's data export, as rows of a table.

`followers_1.json` holds a list, `following.json` an object with `relationships_following`; each entry names its account
in `string_list_data[0].value`, newer ones in `title`, all of them in the link (Instagram help centre, "Download your
information", JSON; the shape as exports of 2022 to 2025 have it).
"""

import json
from collections.abc import Iterator
from typing import Any, BinaryIO, Final

from crm.channels.addresses import AddressError, normalise
from crm.channels.base import ChannelKind
from crm.errors import worded
from crm.lifecycle.rules.reading import UnreadableFileError

_FOLLOWERS: Final = "relationships_followers"
_FOLLOWING: Final = "relationships_following"


def accounts(file: BinaryIO) -> tuple[list[str], bool]:
    """The names of the accounts, and whether they follow us; raises `UnreadableFileError` for any other JSON."""
    file.seek(0)
    try:
        found: Any = json.load(file)
    except (ValueError, RecursionError) as error:
        raise _strange() from error
    follow_us = not (isinstance(found, dict) and _FOLLOWING in found)
    entries = found.get(_FOLLOWING, found.get(_FOLLOWERS)) if isinstance(found, dict) else found
    if not isinstance(entries, list):
        raise _strange()
    names = [name for entry in entries if (name := next(_names(entry), ""))]
    if entries and not names:
        raise _strange()
    return names, follow_us


def _names(entry: Any) -> Iterator[str]:
    if not isinstance(entry, dict):
        return
    data = entry.get("string_list_data")
    links = [link for link in data if isinstance(link, dict)] if isinstance(data, list) else []
    for text in (*(link.get("value") for link in links), entry.get("title"), *(link.get("href") for link in links)):
        if isinstance(text, str) and text:
            try:
                yield normalise(ChannelKind.INSTAGRAM, text.replace("/_u/", "/")).address
            except AddressError:
                continue


def _strange() -> UnreadableFileError:
    return UnreadableFileError(
        worded("This JSON file is no list of accounts from Instagram’s data export."), code="strange_json"
    )
