"""How the bytes of a CSV file become rows: its encoding, its delimiter, its header."""

import codecs
import csv
import io
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain, islice
from typing import BinaryIO, Final, Self

from crm.errors import InvalidInputError, worded
from crm.files.encodings import SAMPLE_BYTES, UnknownEncodingError, encoding_of
from crm.lifecycle.rules.formulas import plain

DELIMITERS: Final = (",", ";", "\t", "|")
CHUNK_BYTES: Final = 64 * 1024
SAMPLE_ROWS: Final = 50
MAX_COLUMNS: Final = 200
#: Characters of one row: beyond it a quote or the line ends are missing, and the rest of the file would be read as one.
MAX_ROW: Final = 4_000_000
#: LinkedIn writes an explanation above the header; it begins with this word.
_PREAMBLE: Final = "notes:"
#: How many cells the first row behind a preamble has at least.
_PREAMBLE_ENDS: Final = 3
#: A header never holds one of these; a row of data nearly always does.
_VALUE: Final = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s]+|\+?[\d\s./-]{7,}|https?://\S+|\d{4}-\d{2}-\d{2}")


#: The line that programs put above the table to tell Excel the delimiter.
_SAYS_DELIMITER: Final = re.compile(r'"?sep=([,;\t|])"?\r?\n?', re.IGNORECASE)
_UNKNOWN: Final = {
    "wrong_encoding": worded("Some letters of this file can’t be read. Save the table as “CSV UTF-8” and try again."),
    "not_text": worded("This is not a text file. Save the table as CSV and try again."),
}


class UnreadableFileError(InvalidInputError):
    """The file is not a table we can read; `code` says why."""


@dataclass(frozen=True, slots=True)
class Dialect:
    """How a file is written: Python's name of the encoding, and the delimiter."""

    encoding: str
    delimiter: str


def detect_encoding(file: BinaryIO) -> str:
    """The encoding of a text file (`crm.files.encodings`).

    Raises `UnreadableFileError` for a file that is no text, and for one that is not written as it says or begins:
    names would come in with wrong letters.
    """
    try:
        return encoding_of(file)
    except UnknownEncodingError as error:
        raise UnreadableFileError(_UNKNOWN[error.code], code=error.code) from error


def detect_delimiter(sample: str) -> str:
    """The delimiter that the first line names, or that cuts the most rows of `sample` alike (into two or more cells).

    A comma where there is none.
    """
    if said := _SAYS_DELIMITER.fullmatch(sample.split("\n", 1)[0]):
        return said[1]
    best, best_score = ",", (0.0, 0)
    for delimiter in DELIMITERS:
        try:
            widths = [len(row) for row in _first_rows(sample, delimiter) if row]
        except csv.Error:
            continue
        if not widths:
            continue
        width, count = Counter(widths).most_common(1)[0]
        score = (count / len(widths) if width > 1 else 0.0, width)
        if score > best_score:
            best, best_score = delimiter, score
    return best


def _first_rows(sample: str, delimiter: str) -> list[list[str]]:
    reader = csv.reader(io.StringIO(sample, newline=""), delimiter=delimiter, strict=False)
    return list(islice(reader, SAMPLE_ROWS))


def detect(file: BinaryIO) -> Dialect:
    """Encoding and delimiter of `file`, left at its start; raises `UnreadableFileError`."""
    encoding = detect_encoding(file)
    sample = codecs.getincrementaldecoder(encoding)(errors="replace").decode(file.read(SAMPLE_BYTES))
    file.seek(0)
    # A line that the sample cuts in two would count as a narrower row.
    whole = sample.rsplit("\n", 1)[0] if len(sample) >= SAMPLE_BYTES and "\n" in sample else sample
    return Dialect(encoding, detect_delimiter(whole))


def rows(file: BinaryIO, dialect: Dialect) -> Iterator[list[str]]:
    """The rows of `file`, header included, cells stripped; lines without any value are left out.

    Raises `UnreadableFileError` for a cell or row beyond all reason.
    """
    lines = _lines(file, dialect.encoding)
    first = next(lines, "")
    lines = lines if _SAYS_DELIMITER.fullmatch(first) else chain((first,), lines)
    csv.field_size_limit(MAX_ROW)
    counted = _Counted(lines)
    reader = csv.reader(counted, delimiter=dialect.delimiter)
    is_preamble: bool | None = None
    try:
        for row in reader:
            counted.characters = 0
            if len(row) > MAX_COLUMNS:
                raise UnreadableFileError(worded("A line has more than 200 columns."), code="too_wide")
            cells = [plain(cell.strip().replace("\0", "")) if cell else "" for cell in row]
            if is_preamble is None:
                is_preamble = [cell.lower() for cell in cells if cell] == [_PREAMBLE]
            if is_preamble and len(cells) < _PREAMBLE_ENDS:
                continue
            is_preamble = False
            if any(cells):
                yield cells
    except csv.Error as error:
        raise _broken() from error


def _broken() -> UnreadableFileError:
    return UnreadableFileError(worded("A line can’t be read as CSV: a quote may be missing."), code="broken_csv")


@dataclass
class _Counted:
    """Lines, and how many characters of them the row has that is being read: all its cells lie in memory at once."""

    lines: Iterator[str]
    characters: int = 0

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> str:
        line = next(self.lines)
        self.characters += len(line)
        if self.characters > MAX_ROW:
            raise _broken()
        return line


def _lines(file: BinaryIO, encoding: str) -> Iterator[str]:
    """Lines of text with every kind of line end made one; bytes that are no text become a replacement character."""
    decoder = io.IncrementalNewlineDecoder(codecs.getincrementaldecoder(encoding)(errors="replace"), translate=True)
    left = ""
    while chunk := file.read(CHUNK_BYTES):
        *whole, left = (left + decoder.decode(chunk)).split("\n")
        yield from (f"{line}\n" for line in whole)
        if len(left) > MAX_ROW:
            raise _broken()
    left += decoder.decode(b"", final=True)
    if left:
        yield left


def holds_values(line: list[str]) -> bool:
    """Whether the line holds what a header never does: an address, a number, a day."""
    return any(_VALUE.fullmatch(cell) for cell in line)


def header(first: list[str]) -> list[str]:
    """The names of the columns from the first row; unnamed ones get a number, repeated ones a suffix.

    Raises `UnreadableFileError` when the row holds values instead of names.
    """
    if holds_values(first):
        raise UnreadableFileError(
            worded(
                "The first line holds values, not the names of the columns. Add a first line such as"
                " “First name;Last name;E-mail” and upload the file again."
            ),
            code="no_header",
        )
    seen: Counter[str] = Counter()
    names = []
    for number, cell in enumerate(first, start=1):
        name = cell or f"({number})"
        seen[name] += 1
        names.append(name if seen[name] == 1 else f"{name} ({seen[name]})")
    return names


def open_table(file: BinaryIO) -> tuple[Dialect, list[str]]:
    """The dialect and the column names of a file with at least one row below its header, else `UnreadableFileError`."""
    dialect = detect(file)
    lines = rows(file, dialect)
    first = next(lines, None)
    if first is None:
        raise UnreadableFileError(worded("The file is empty."), code="empty_file")
    columns = header(first)
    if next(lines, None) is None:
        raise UnreadableFileError(worded("The file has a header and no rows."), code="no_rows")
    return dialect, columns
