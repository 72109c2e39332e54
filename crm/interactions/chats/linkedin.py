"""Reads messages.csv of the data that LinkedIn hands out."""

import csv
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from typing import Final

from crm.channels.html import html_to_text
from crm.interactions.chats.item import MAX_TEXT, Item, UnreadableHistoryError, key_of

NEEDED: Final = frozenset({"CONVERSATION ID", "FROM", "TO", "DATE", "CONTENT"})


def looks_right(lines: Iterable[str]) -> bool:
    """Whether one of the first lines names the columns."""
    return any({cell.strip().upper() for cell in next(csv.reader([line]), [])} >= NEEDED for line in lines)


def items(lines: Iterable[str]) -> Iterator[Item]:
    """The messages in the order of the file; rows without a date or an author are left out.

    Raises `UnreadableHistoryError` for a broken table.
    """
    rows = csv.reader(lines)
    try:
        columns = _columns(rows)
        for row in rows:
            item = _item(dict(zip(columns, row, strict=False)))
            if item is not None:
                yield item
    except csv.Error as error:
        raise UnreadableHistoryError("broken_table") from error


def _columns(rows: Iterator[list[str]]) -> list[str]:
    for row in rows:
        columns = [cell.strip().upper() for cell in row]
        if set(columns) >= NEEDED:
            return columns
    raise UnreadableHistoryError("no_columns")


def _item(row: dict[str, str]) -> Item | None:
    who, at = row.get("FROM", "").strip(), _moment(row.get("DATE", ""))
    text = row.get("CONTENT", "")
    text = (html_to_text(text) if "</" in text or "<br" in text else text).strip()[:MAX_TEXT]
    subject = row.get("SUBJECT", "").strip()[:200]
    if not who or at is None or not (text or subject):
        return None
    to = tuple(dict.fromkeys(name.strip() for name in row.get("TO", "").split(",") if name.strip()))
    return Item(
        key=key_of("linkedin", row["CONVERSATION ID"], row["DATE"], who, text),
        who=who,
        to=to,
        at=at,
        text=text,
        subject=subject,
    )


def _moment(text: str) -> datetime | None:
    try:
        return datetime.strptime(text.strip().removesuffix("UTC").strip(), "%Y-%m-%d %H:%M:%S").replace(tzinfo=UTC)
    except ValueError:
        return None
