"""Looks into a packed export as people download it: finds what was said in it and hands its files out, bounded.

Nothing is ever unpacked to a path: names in the archive are looked up and shown, never opened on the disk.
"""

import re
import zlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import IO, BinaryIO, Final
from zipfile import ZIP_DEFLATED, ZIP_STORED, BadZipFile, LargeZipFile, ZipFile, ZipInfo

from crm.interactions.chats import linkedin, whatsapp
from crm.interactions.chats.item import UnreadableHistoryError
from crm.interactions.kinds import HistoryFormat

#: Entries of an archive; the messages of a whole account are some thousands.
MAX_PARTS: Final = 20_000
#: What the chats of an archive may hold once they are unpacked, each and together.
MAX_CHAT: Final = 100 * 1024 * 1024
MAX_CHATS: Final = 200 * 1024 * 1024
#: JSON and calendars lie in memory whole; Instagram begins another file after 10,000 messages.
MAX_WHOLE: Final = 25 * 1024 * 1024
#: A file beside a message that is larger than this is left where it is.
MAX_FILE: Final = 10 * 1024 * 1024
_ENTRY: Final = b"PK\x01\x02"
_CHUNK: Final = 256 * 1024
_HEAD: Final = 64 * 1024
_MOST_TEXTS: Final = 50
_LOCKED: Final = 1
_OWN_NAME: Final = re.compile(r"_chat\.txt|.*whatsapp.*\.txt", re.IGNORECASE)
_THREAD: Final = re.compile(r"message_(\d{1,6})\.json", re.IGNORECASE)
_PAGE: Final = re.compile(r"(?:.*/)?messages/.*message_\d+\.html|(?:.*/)?message_\d+\.html", re.IGNORECASE)
#: What reading a damaged or lying archive raises.
BROKEN: Final = (BadZipFile, LargeZipFile, NotImplementedError, zlib.error, EOFError, ValueError, OSError, RuntimeError)


@dataclass(frozen=True, slots=True)
class Found:
    """A file of the archive that a message names: the name for the reader and its bytes."""

    name: str
    size: int
    stream: IO[bytes]


class Pack:
    """An opened archive: the format of its `chats`, in their order, and the files beside them.

    Raises `UnreadableHistoryError` for what is none of ours, broken, locked or unpacks to a flood.
    """

    def __init__(self, file: BinaryIO) -> None:
        _count(file)
        try:
            self._zip = ZipFile(file)
        except BROKEN as error:
            raise UnreadableHistoryError("broken_pack") from error
        parts = [part for part in self._zip.infolist() if _is_plain(part)]
        self.format, self._chats = self._found(parts)
        _check(self._chats, self.format)
        #: By the whole name, and by the last part of it where only one file is called so.
        self._files = {part.filename: part for part in parts}
        self._files |= _unique(parts)

    def chats(self) -> Iterator[IO[bytes]]:
        """What was said, one file after the other; raises `UnreadableHistoryError` for a damaged one."""
        for part in self._chats:
            with self._open(part) as stream:
                yield stream

    def find(self, name: str) -> Found | None:
        """The file with this name or path; None when it isn't in the archive or can't be taken out."""
        part = self._files.get(name)
        if part is None or part.flag_bits & _LOCKED or part.compress_type not in {ZIP_STORED, ZIP_DEFLATED}:
            return None
        try:
            return Found(_base(part.filename), part.file_size, self._zip.open(part))
        except BROKEN:
            return None

    def _open(self, part: ZipInfo) -> IO[bytes]:
        try:
            return self._zip.open(part)
        except BROKEN as error:
            raise UnreadableHistoryError("broken_pack") from error

    def _found(self, parts: Sequence[ZipInfo]) -> tuple[HistoryFormat, list[ZipInfo]]:
        """What is in it, the surest kind first; a stranger's document among the files is no chat."""
        tables = [part for part in parts if _base(part.filename).lower() == "messages.csv"]
        tables = [part for part in tables if linkedin.looks_right(self._lines(part))]
        if tables:
            return HistoryFormat.LINKEDIN, _shallowest(tables)[:1]
        threads = [part for part in parts if _THREAD.fullmatch(_base(part.filename))]
        if threads:
            return HistoryFormat.INSTAGRAM, sorted(threads, key=_thread_order)
        texts = [part for part in parts if part.filename.lower().endswith(".txt")]
        named = [part for part in texts if _OWN_NAME.fullmatch(_base(part.filename))]
        chats = [part for part in (named or texts)[:_MOST_TEXTS] if whatsapp.looks_right(self._lines(part))]
        if len(chats) > 1:
            raise UnreadableHistoryError("several_chats")
        if chats:
            return HistoryFormat.WHATSAPP, chats
        calendars = [part for part in parts if part.filename.lower().endswith(".ics")]
        if calendars:
            return HistoryFormat.CALENDAR, sorted(calendars, key=lambda part: part.filename)
        is_page = any(_PAGE.fullmatch(part.filename) for part in parts)
        raise UnreadableHistoryError("pages" if is_page else "no_chat")

    def _lines(self, part: ZipInfo) -> list[str]:
        if part.flag_bits & _LOCKED:
            raise UnreadableHistoryError("locked_pack")
        try:
            with self._open(part) as stream:
                return stream.read(_HEAD).decode("utf-8", "replace").lstrip("\ufeff").splitlines()[:60]
        except BROKEN as error:
            raise UnreadableHistoryError("broken_pack") from error


def _count(file: BinaryIO) -> None:
    """Refuse a flood of entries before a list of them is made: each one has this mark in the directory."""
    file.seek(0)
    count, tail = 0, b""
    while chunk := file.read(_CHUNK):
        seen = tail + chunk
        count += seen.count(_ENTRY)
        tail = seen[-len(_ENTRY) + 1 :]
        if count > MAX_PARTS:
            raise UnreadableHistoryError("too_many_parts")
    file.seek(0)


def _is_plain(part: ZipInfo) -> bool:
    """Whether it is a file with an honest name; others, and what macOS puts beside files, are passed over."""
    pieces = part.filename.replace("\\", "/").split("/")
    return not part.is_dir() and ".." not in pieces and pieces[0] not in {"", "__MACOSX"} and ":" not in pieces[0]


def _check(chats: Iterable[ZipInfo], kind: HistoryFormat) -> None:
    """What is read is never more than what the directory says, so its figures can be believed."""
    most = MAX_CHAT if kind in {HistoryFormat.WHATSAPP, HistoryFormat.LINKEDIN} else MAX_WHOLE
    left = MAX_CHATS
    for part in chats:
        if part.flag_bits & _LOCKED:
            raise UnreadableHistoryError("locked_pack")
        if part.compress_type not in {ZIP_STORED, ZIP_DEFLATED}:
            raise UnreadableHistoryError("broken_pack")
        left -= part.file_size
        if part.file_size > most or left < 0:
            raise UnreadableHistoryError("too_large_pack")


def _base(name: str) -> str:
    return PurePosixPath(name.replace("\\", "/")).name


def _shallowest(parts: Iterable[ZipInfo]) -> list[ZipInfo]:
    return sorted(parts, key=lambda part: (part.filename.count("/"), part.filename))


def _thread_order(part: ZipInfo) -> tuple[str, int]:
    """By conversation, and in it the oldest first: the highest number holds the oldest messages."""
    name = _THREAD.fullmatch(_base(part.filename))
    return part.filename.rpartition("/")[0], -int(name[1]) if name else 0


def _unique(parts: Iterable[ZipInfo]) -> dict[str, ZipInfo]:
    found: dict[str, ZipInfo | None] = {}
    for part in parts:
        name = _base(part.filename)
        found[name] = None if name in found else part
    return {name: part for name, part in found.items() if part is not None}
