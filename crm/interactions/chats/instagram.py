"""Reads the JSON of one conversation that Instagram hands out, and repairs its letters."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any, Final

from crm.interactions.chats.item import EVERYBODY, MAX_FILES, MAX_TEXT, Item, UnreadableHistoryError, key_of

MAX_PEOPLE: Final = 200
_MEDIA: Final = ("photos", "videos", "audio_files")


def repaired(text: str) -> str:
    """`text` as it was typed: the export writes each byte of its UTF-8 as a character of its own ("Ã¨" for "è")."""
    try:
        return text.encode("latin-1").decode("utf-8")
    except UnicodeError:
        return text


def _typed(text: str) -> str:
    """The same without what escapes can stand for and no database takes: NUL and halves of characters."""
    return repaired(text).replace("\0", "").encode(errors="replace").decode()


def items(raw: str) -> Iterator[Item]:
    """The messages, oldest first; what has no words but a photo or a link says which.

    Raises `UnreadableHistoryError`.
    """
    try:
        data = json.loads(raw)
    except (ValueError, RecursionError) as error:
        raise UnreadableHistoryError("no_json") from error
    if not isinstance(data, dict) or not isinstance(data.get("messages"), list):
        raise UnreadableHistoryError("no_messages")
    thread = str(data.get("thread_path") or data.get("title") or "")
    people = _people(data)
    found = (_item(message, thread, people) for message in reversed(data["messages"]) if isinstance(message, dict))
    return (item for item in found if item is not None)


def _people(data: dict[str, Any]) -> tuple[str, ...]:
    """Everybody in the conversation: who is said to be in it, and who wrote."""
    members = data.get("participants")
    told = [one.get("name") for one in members if isinstance(one, dict)] if isinstance(members, list) else []
    wrote = [message.get("sender_name") for message in data["messages"] if isinstance(message, dict)]
    names = (_typed(name).strip() for name in (*told, *wrote) if isinstance(name, str))
    return tuple(dict.fromkeys(name for name in names if name))[:MAX_PEOPLE]


def _item(message: dict[str, Any], thread: str, people: tuple[str, ...]) -> Item | None:
    who, stamp = message.get("sender_name"), message.get("timestamp_ms")
    name = _typed(who).strip() if isinstance(who, str) else ""
    if not name or not isinstance(stamp, int) or message.get("is_unsent"):
        return None
    try:
        at = datetime.fromtimestamp(stamp / 1000, tz=UTC)
    except (ValueError, OverflowError, OSError):
        return None
    text = _words(message)[:MAX_TEXT]
    if not text:
        return None
    return Item(
        key=key_of("instagram", thread, stamp, name, text),
        who=name,
        to=tuple(one for one in people if one != name) or EVERYBODY,
        at=at,
        text=text,
        files=tuple(_files(message))[:MAX_FILES],
    )


def _files(message: dict[str, Any]) -> Iterator[str]:
    for kind in _MEDIA:
        given = message.get(kind)
        for one in given if isinstance(given, list) else ():
            uri = one.get("uri") if isinstance(one, dict) else None
            if isinstance(uri, str) and uri:
                yield _typed(uri)


def _words(message: dict[str, Any]) -> str:
    said = message.get("content")
    text = _typed(said).strip() if isinstance(said, str) else ""
    share = message.get("share")
    link = share.get("link") if isinstance(share, dict) else None
    if isinstance(link, str) and link.startswith(("http://", "https://")) and link not in text:
        text = f"{text}\n{_typed(link)}".strip()
    media = [name for name in _MEDIA if message.get(name)]
    return text or " ".join(f"<{name.partition('_')[0]}>" for name in media)
