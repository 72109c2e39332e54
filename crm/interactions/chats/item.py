"""Owns the shape of one thing that an export tells, whatever its format."""

import hashlib
from dataclasses import dataclass
from datetime import datetime
from typing import Final

#: A text beyond this many characters is cut: nobody chats a book.
MAX_TEXT: Final = 20_000
#: So many files of one message are taken.
MAX_FILES: Final = 10
#: Stands for everybody in the chat but the one who wrote.
EVERYBODY: Final = ("*",)


class UnreadableHistoryError(ValueError):
    """The file is not what it should be; `code` says why."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """One message or meeting: who wrote to whom and when (with its zone); `key` names it however often it is read.

    `who` is empty for a meeting, where `to` names everybody who was there. `files` are the names, in the export, of
    what was sent with it.
    """

    key: str
    who: str
    at: datetime
    text: str = ""
    subject: str = ""
    to: tuple[str, ...] = EVERYBODY
    minutes: int | None = None
    files: tuple[str, ...] = ()


def key_of(*parts: object) -> str:
    """A name for something that its format gives none, from what does not change when it is exported again."""
    return hashlib.sha256("\x1f".join(map(str, parts)).encode("utf-8", "replace")).hexdigest()[:40]
