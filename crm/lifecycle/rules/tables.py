"""What kind of file somebody brought, and how each kind becomes the one table that an import works on.

A CSV file is that table already. A workbook, cards and account lists are written out as one, so that mapping, preview,
resuming and the report of refused rows are the same for all.
"""

import csv
import io
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from itertools import chain, islice
from typing import BinaryIO, Final

from crm.errors import worded
from crm.lifecycle.rules import cards, followers, reading, vcard, workbook
from crm.lifecycle.rules.columns import Meaning, Target
from crm.lifecycle.rules.formulas import safe

SAMPLE_BYTES: Final = 4096
#: How the tables that we write ourselves are written.
OWN: Final = reading.Dialect("utf-8", ",")
#: How many lines a title above the header has at most.
MAX_TITLE: Final = 5
#: The largest table that a file may become.
MAX_TABLE: Final = 300 * 1024 * 1024


class FileKind(StrEnum):
    """What a file is, by its first bytes; its name says nothing."""

    CSV = "csv"
    XLSX = "xlsx"
    VCARD = "vcard"
    FOLLOWERS = "followers"
    FOLLOWING = "following"


@dataclass(frozen=True, slots=True)
class Table:
    """A file as a table: what it was, the names of its columns, what they mean where that is certain, its rows."""

    kind: FileKind
    columns: list[str]
    meanings: dict[str, Meaning]
    rows: Iterator[list[str]]


def is_csv(file: BinaryIO) -> bool:
    """Whether the file is to be read as text with delimiters, if as anything; left at its start."""
    return _sniffed(file) is FileKind.CSV


def open_table(file: BinaryIO) -> Table:
    """The table in a workbook, in cards or in a list of accounts; raises `UnreadableFileError`."""
    kind = _sniffed(file)
    if kind is FileKind.XLSX:
        return _workbook(file)
    if kind is FileKind.VCARD:
        return _cards(file)
    names, follow_us = followers.accounts(file)
    if not names:
        raise _no_rows()
    kind = FileKind.FOLLOWERS if follow_us else FileKind.FOLLOWING
    return Table(kind, ["instagram"], {"instagram": Target.INSTAGRAM}, iter([[name] for name in names]))


def write(table: Table, target: BinaryIO) -> None:
    """Write the table as CSV in our `OWN` dialect; raises `UnreadableFileError` when it grows beyond all reason."""
    text = io.TextIOWrapper(target, OWN.encoding, newline="", write_through=True)
    writer = csv.writer(text, delimiter=OWN.delimiter)
    is_empty = True
    for number, line in enumerate(chain((table.columns,), table.rows)):
        writer.writerow(map(safe, line))
        is_empty = number == 0
        if target.tell() > MAX_TABLE:
            raise workbook.too_large()
    text.detach()
    if is_empty:
        raise _no_rows()


def _sniffed(file: BinaryIO) -> FileKind:
    file.seek(0)
    sample = file.read(SAMPLE_BYTES)
    file.seek(0)
    if sample.startswith((workbook.MAGIC, workbook.OLD_MAGIC)):
        return FileKind.XLSX
    if vcard.is_vcard(sample):
        return FileKind.VCARD
    # A list of JSON; a header never begins so.
    begin = sample.removeprefix(b"\xef\xbb\xbf").lstrip()
    return FileKind.FOLLOWERS if begin[:1] in {b"[", b"{"} else FileKind.CSV


def _workbook(file: BinaryIO) -> Table:
    lines = _below_title(line for line in map(_trimmed, workbook.rows(file)) if line)
    first = next(lines, None)
    if first is None:
        raise reading.UnreadableFileError(worded("The file is empty."), code="empty_file")
    if len(first) > reading.MAX_COLUMNS:
        raise reading.UnreadableFileError(worded("A line has more than 200 columns."), code="too_wide")
    return Table(FileKind.XLSX, reading.header(first), {}, lines)


def _below_title(lines: Iterator[list[str]]) -> Iterator[list[str]]:
    """The lines from the header on: a title above it, mostly in merged cells, is one cell alone."""
    above = list(islice(lines, 1))
    while above and len(above) <= MAX_TITLE and sum(map(bool, above[-1])) == 1:
        following = next(lines, None)
        if following is None:
            break
        above.append(following)
    begins = above[-1:]
    is_header = begins and sum(map(bool, begins[0])) > 1 and not reading.holds_values(begins[0])
    return chain(begins if is_header else above, lines)


def _trimmed(line: Iterable[str]) -> list[str]:
    """The cells without spaces around them, and without the empty ones behind the last."""
    cells = [cell.strip().replace("\0", "") for cell in line]
    while cells and not cells[-1]:
        cells.pop()
    return cells


def _cards(file: BinaryIO) -> Table:
    needed = cards.widths(cards.read(file))
    named = cards.columns(needed)
    if not named:
        raise _no_rows()
    if len(named) > reading.MAX_COLUMNS:
        raise reading.UnreadableFileError(
            worded("These cards together need more than 200 columns. Send them in smaller parts."), code="too_wide"
        )
    meanings = dict(named)
    if not cards.is_ours(file):
        # Other programs give ids of their own; whether they are to be kept is for people to say.
        meanings |= {name: Target.IGNORE for name, target in named if target is Target.EXTERNAL_ID}
    lines = (cards.cells(row, needed) for row in cards.read(file))
    return Table(FileKind.VCARD, [name for name, _ in named], meanings, (line for line in lines if any(line)))


def _no_rows() -> reading.UnreadableFileError:
    return reading.UnreadableFileError(worded("There is nobody in this file."), code="no_rows")
