"""Tells the formats of brought-in history apart, reads each in a bounded way, and says what is in it."""

import io
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import IO, BinaryIO, Final, cast
from zoneinfo import ZoneInfo

from crm.files.encodings import UnknownEncodingError, encoding_of
from crm.interactions.chats import calendar, instagram, linkedin, packed, whatsapp
from crm.interactions.chats.item import Item, UnreadableHistoryError
from crm.interactions.kinds import HistoryFormat

#: So many names of a file are told; a list of contacts is no chat.
MAX_NAMES: Final = 500
#: A line longer than this is none that a chat program wrote.
_MAX_LINE: Final = 200_000
_HEAD: Final = 64 * 1024
#: So many dates that fit one order only are enough to know it.
_SURE: Final = 50


@dataclass(frozen=True, slots=True)
class Survey:
    """What is in a file: the names with how often they write or were there, and how many things it tells."""

    format: HistoryFormat
    day_first: bool
    names: list[tuple[str, int]]
    total: int


def detect(head: bytes) -> HistoryFormat:
    """The format by its first bytes; raises `UnreadableHistoryError`."""
    text = head.decode(_encoding(io.BytesIO(head)), "replace").lstrip("\ufeff \r\n\t")
    if text[:15].upper().startswith("BEGIN:VCALENDAR"):
        return HistoryFormat.CALENDAR
    if text.startswith("{"):
        return HistoryFormat.INSTAGRAM
    lines = text.splitlines()[:60]
    if linkedin.looks_right(lines):
        return HistoryFormat.LINKEDIN
    if whatsapp.looks_right(lines):
        return HistoryFormat.WHATSAPP
    raise UnreadableHistoryError("unknown_format")


def is_packed(head: bytes) -> bool:
    """Whether a file that begins so is an archive."""
    return head[:2] == b"PK"


def _encoding(file: BinaryIO) -> str:
    """How its letters are written; a text with a few broken bytes is read as what it mostly is."""
    try:
        return encoding_of(file)
    except UnknownEncodingError:
        return "utf-8-sig"


def survey(file: BinaryIO, *, zone: ZoneInfo, now: datetime) -> Survey:
    """Read the file once and tell what is in it; raises `UnreadableHistoryError` when there is nothing."""
    file.seek(0)
    head = file.read(_HEAD)
    kind = packed.Pack(file).format if is_packed(head) else detect(head)
    day_first = _order(file) if kind is HistoryFormat.WHATSAPP else True
    names: Counter[str] = Counter()
    total = 0
    for item in items(file, kind, zone=zone, day_first=day_first, now=now):
        total += 1
        for name in (item.who, *item.to):
            if name and name != "*" and (name in names or len(names) < 20 * MAX_NAMES):
                names[name[:200]] += 1
    if not total:
        raise UnreadableHistoryError("empty")
    return Survey(kind, day_first, names.most_common(MAX_NAMES), total)


def _order(file: BinaryIO) -> bool:
    """Whether its days come first; the dates themselves say it after a month at the latest."""
    order = whatsapp.Order()
    for stream in _streams(file):
        for line in _lines(stream):
            found = whatsapp.head_of(line)
            if found is not None:
                order.see(found)
                if order.day_first + order.month_first >= _SURE:
                    return order.guess()
    return order.guess()


def items(file: BinaryIO, kind: HistoryFormat, *, zone: ZoneInfo, day_first: bool, now: datetime) -> Iterator[Item]:
    """What the file tells, or all the files of its kind in an archive; always in the same order.

    Raises `UnreadableHistoryError`; one broken conversation of many in an archive doesn't keep the others out.
    """
    told = parts = 0
    broken: UnreadableHistoryError | None = None
    for stream in _streams(file):
        parts += 1
        try:
            for item in _items(stream, kind, zone=zone, day_first=day_first, now=now):
                told += 1
                yield item
        except UnreadableHistoryError as error:
            broken = error
        except packed.BROKEN as error:
            broken = UnreadableHistoryError("broken_pack")
            broken.__cause__ = error
    if broken is not None and (not told or parts == 1):
        raise broken


def _streams(file: BinaryIO) -> Iterator[IO[bytes]]:
    file.seek(0)
    head = file.read(2)
    file.seek(0)
    if is_packed(head):
        yield from packed.Pack(file).chats()
    else:
        yield file


def _items(file: IO[bytes], kind: HistoryFormat, *, zone: ZoneInfo, day_first: bool, now: datetime) -> Iterator[Item]:
    match kind:
        case HistoryFormat.WHATSAPP:
            return whatsapp.items(_lines(file), zone=zone, day_first=day_first)
        case HistoryFormat.LINKEDIN:
            return linkedin.items(_lines(file, newline=""))
        case HistoryFormat.INSTAGRAM:
            return instagram.items(_whole(file))
        case HistoryFormat.CALENDAR:
            return calendar.items(_whole(file), zone=zone, now=now)


def _whole(file: IO[bytes]) -> str:
    """The text of a file that is read at once, without the NULs that the database keeps not."""
    encoding = _encoding(cast("BinaryIO", file))
    file.seek(0)
    return file.read().decode(encoding, "replace").replace("\x00", "")


def _lines(file: IO[bytes], newline: str | None = None) -> Iterator[str]:
    encoding = _encoding(cast("BinaryIO", file))
    file.seek(0)
    text = io.TextIOWrapper(cast("BinaryIO", file), encoding=encoding, errors="replace", newline=newline)
    try:
        while line := text.readline(_MAX_LINE):
            yield line.replace("\x00", "")
    finally:
        # Else the reader would close the file when it goes; what is closed already can't be left.
        if not file.closed:
            text.detach()
