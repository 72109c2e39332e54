"""How the bytes of a CSV file become rows: its encoding, its delimiter, its header."""

import codecs
import csv
import io
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain, islice
from typing import BinaryIO, Final

from crm.errors import InvalidInputError, worded
from crm.lifecycle.rules.formulas import plain

DELIMITERS: Final = (",", ";", "\t", "|")
SAMPLE_BYTES: Final = 256 * 1024
CHUNK_BYTES: Final = 64 * 1024
SAMPLE_ROWS: Final = 50
MAX_COLUMNS: Final = 200
#: Characters of one cell: beyond it a quote is missing, and the rest of the file would be read as one cell.
MAX_CELL: Final = 4_000_000
#: LinkedIn writes an explanation above the header; it begins with this word.
_PREAMBLE: Final = "notes:"
#: How many cells the first row behind a preamble has at least.
_PREAMBLE_ENDS: Final = 3
#: A header never holds one of these; a row of data nearly always does.
_VALUE: Final = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s]+|\+?[\d\s./-]{7,}|https?://\S+|\d{4}-\d{2}-\d{2}")

_ASCII: Final = bytes(range(128))
#: A letter of two or three bytes in UTF-8.
_UTF_8_LETTER: Final = re.compile(rb"[\xc2-\xdf][\x80-\xbf]|[\xe0-\xef][\x80-\xbf]{2}")

#: The line that programs put above the table to tell Excel the delimiter.
_SAYS_DELIMITER: Final = re.compile(r'"?sep=([,;\t|])"?\r?\n?', re.IGNORECASE)


class UnreadableFileError(InvalidInputError):
    """The file is not a table we can read; `code` says why."""


@dataclass(frozen=True, slots=True)
class Dialect:
    """How a file is written: Python's name of the encoding, and the delimiter."""

    encoding: str
    delimiter: str


def detect_encoding(file: BinaryIO) -> str:
    """The encoding of a text file: by its byte order mark, by where its zero bytes lie, UTF-8 when it is valid.

    Everything else is Windows-1252, or Latin-1 where it holds one of the five bytes that Windows-1252 leaves undefined.
    Raises `UnreadableFileError` for a file that is no text, and for one that is not written as it says or begins:
    names would come in with wrong letters.
    """
    sample = file.read(SAMPLE_BYTES)
    file.seek(0)
    said = _said(sample)
    if said and not _decodes(file, said):
        raise _wrong_encoding()
    if said or _decodes(file, "utf-8"):
        return said or "utf-8"
    if _is_mostly_utf_8(file):
        raise _wrong_encoding()
    return "cp1252" if _decodes(file, "cp1252") else "latin-1"


def _said(sample: bytes) -> str | None:
    """The encoding that a mark or the zero bytes name."""
    if sample.startswith(codecs.BOM_UTF8):
        return "utf-8-sig"
    if sample.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return "utf-16"
    return _by_zero_bytes(sample) if b"\0" in sample else None


def _wrong_encoding() -> UnreadableFileError:
    return UnreadableFileError(
        worded("Some letters of this file can’t be read. Save the table as “CSV UTF-8” and try again."),
        code="wrong_encoding",
    )


def _is_mostly_utf_8(file: BinaryIO) -> bool:
    """True when most letters beyond ASCII are right UTF-8, and only some bytes are not."""
    right = wrong = 0
    for line in file:
        beyond = len(line.translate(None, _ASCII))
        letters = _UTF_8_LETTER.findall(line) if beyond else []
        right += len(letters)
        wrong += beyond - sum(map(len, letters))
    file.seek(0)
    return right > wrong


def _by_zero_bytes(sample: bytes) -> str:
    even, odd = sample[0::2].count(0), sample[1::2].count(0)
    half = max(len(sample) // 2, 1)
    if odd > half * 0.3 and even < half * 0.05:
        return "utf-16-le"
    if even > half * 0.3 and odd < half * 0.05:
        return "utf-16-be"
    raise UnreadableFileError(worded("This is not a text file. Save the table as CSV and try again."), code="not_text")


def _decodes(file: BinaryIO, encoding: str) -> bool:
    decoder = codecs.getincrementaldecoder(encoding)()
    file.seek(0)
    try:
        while chunk := file.read(CHUNK_BYTES):
            decoder.decode(chunk)
        decoder.decode(b"", final=True)
    except UnicodeDecodeError:
        return False
    finally:
        file.seek(0)
    return True


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
    csv.field_size_limit(MAX_CELL)
    reader = csv.reader(lines, delimiter=dialect.delimiter)
    is_preamble: bool | None = None
    try:
        for row in reader:
            cells = [plain(cell.strip().replace("\0", "")) if cell else "" for cell in row]
            if len(cells) > MAX_COLUMNS:
                raise UnreadableFileError(worded("A line has more than 200 columns."), code="too_wide")
            if is_preamble is None:
                is_preamble = [cell.lower() for cell in cells if cell] == [_PREAMBLE]
            if is_preamble and len(cells) < _PREAMBLE_ENDS:
                continue
            is_preamble = False
            if any(cells):
                yield cells
    except csv.Error as error:
        raise UnreadableFileError(
            worded("A line can’t be read as CSV: a quote may be missing."), code="broken_csv"
        ) from error


def _lines(file: BinaryIO, encoding: str) -> Iterator[str]:
    """Lines of text with every kind of line end made one; bytes that are no text become a replacement character."""
    decoder = io.IncrementalNewlineDecoder(codecs.getincrementaldecoder(encoding)(errors="replace"), translate=True)
    left = ""
    while chunk := file.read(CHUNK_BYTES):
        *whole, left = (left + decoder.decode(chunk)).split("\n")
        yield from (f"{line}\n" for line in whole)
    left += decoder.decode(b"", final=True)
    if left:
        yield left


def header(first: list[str]) -> list[str]:
    """The names of the columns from the first row; unnamed ones get a number, repeated ones a suffix.

    Raises `UnreadableFileError` when the row holds values instead of names.
    """
    if sum(bool(_VALUE.fullmatch(cell)) for cell in first) > 0:
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
