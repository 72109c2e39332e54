"""Tells the formats of brought-in history apart, reads each in a bounded way, and says what is in it."""

import codecs
import io
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import BinaryIO, Final
from zoneinfo import ZoneInfo

from crm.interactions.chats import calendar, instagram, linkedin, whatsapp
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
    if head[:2] == b"PK":
        raise UnreadableHistoryError("packed")
    text = head.decode(_encoding(head), "replace").lstrip("\ufeff \r\n\t")
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


def _encoding(head: bytes) -> str:
    return "utf-16" if head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)) else "utf-8-sig"


def survey(file: BinaryIO, *, zone: ZoneInfo, now: datetime) -> Survey:
    """Read the file once and tell what is in it; raises `UnreadableHistoryError` when there is nothing."""
    head = file.read(_HEAD)
    kind = detect(head)
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
    for line in _lines(file):
        found = whatsapp.head_of(line)
        if found is not None:
            order.see(found)
            if order.day_first + order.month_first >= _SURE:
                break
    return order.guess()


def items(file: BinaryIO, kind: HistoryFormat, *, zone: ZoneInfo, day_first: bool, now: datetime) -> Iterator[Item]:
    """What the file tells, always in the same order; raises `UnreadableHistoryError`."""
    match kind:
        case HistoryFormat.WHATSAPP:
            return whatsapp.items(_lines(file), zone=zone, day_first=day_first)
        case HistoryFormat.LINKEDIN:
            return linkedin.items(_lines(file, newline=""))
        case HistoryFormat.INSTAGRAM:
            file.seek(0)
            return instagram.items(file.read())
        case HistoryFormat.CALENDAR:
            file.seek(0)
            return calendar.items(file.read(), zone=zone, now=now)


def _lines(file: BinaryIO, newline: str | None = None) -> Iterator[str]:
    file.seek(0)
    encoding = _encoding(file.read(4))
    file.seek(0)
    text = io.TextIOWrapper(file, encoding=encoding, errors="replace", newline=newline)
    try:
        while line := text.readline(_MAX_LINE):
            # The database keeps no NUL.
            yield line.replace("\x00", "")
    finally:
        # Else the reader would close the file when it goes; what is closed already can't be left.
        if not file.closed:
            text.detach()
