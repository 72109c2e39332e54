"""How an XLSX workbook becomes rows: looked through before it is opened, so that no small file unpacks to a flood."""

import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, time, timedelta
from decimal import Decimal
from typing import BinaryIO, Final
from xml.parsers import expat
from zipfile import ZIP_DEFLATED, ZIP_STORED, BadZipFile, LargeZipFile, ZipFile, ZipInfo

from python_calamine import CalamineError, CalamineWorkbook, SheetTypeEnum

from crm.errors import worded
from crm.lifecycle.rules.reading import UnreadableFileError

MAGIC: Final = b"PK\x03\x04"
#: Old workbooks and those with a password are containers of this kind ([MS-CFB], section 2.2).
OLD_MAGIC: Final = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
#: What a workbook may hold once it is unpacked, and how many cells its table may span: both lie in memory.
MAX_UNPACKED: Final = 150 * 1024 * 1024
MAX_CELLS: Final = 5_000_000
MAX_PARTS: Final = 2_000
#: The last row of a sheet has this number.
MAX_ROWS: Final = 1_048_576
CHUNK: Final = 256 * 1024
#: Beyond this many digits a number of a workbook is no longer exact (IEEE 754 double precision).
DIGITS: Final = 15
_LOCAL_HEADER: Final = 30


def rows(file: BinaryIO) -> Iterator[list[str]]:
    """The rows of the first sheet that has any, as people see their cells; raises `UnreadableFileError`."""
    check(file)
    file.seek(0)
    try:
        with CalamineWorkbook.from_filelike(file) as book:
            for sheet in book.sheets_metadata:
                if sheet.typ is SheetTypeEnum.WorkSheet:
                    found = book.get_sheet_by_name(sheet.name)
                    if found.height:
                        yield from ([text(cell) for cell in row] for row in found.iter_rows())
                        return
    except CalamineError as error:
        raise _damaged() from error
    except BaseException as error:
        # The reader is written in Rust: where it gives up in the middle it raises this one, which is no Exception.
        if type(error).__name__ == "PanicException":
            raise _damaged() from error
        raise


def text(cell: object) -> str:
    """A cell as people see it: whole numbers without a point, days by ISO 8601, and 0.3 where a double says 0.30…04."""
    match cell:
        case bool():
            found = "true" if cell else "false"
        case float():
            whole = f"{Decimal(f'{cell:.{DIGITS}g}'):f}"
            found = whole.rstrip("0").rstrip(".") if "." in whole else whole
        case datetime():
            found = cell.date().isoformat() if cell.time() == time() else cell.isoformat(" ", "minutes")
        case time():
            found = cell.isoformat("minutes")
        case timedelta():
            minutes = round(cell / timedelta(minutes=1))
            found = f"{'-' if minutes < 0 else ''}{abs(minutes) // 60}:{abs(minutes) % 60:02}"
        case _:
            found = "" if cell is None else str(cell)
    return found


def check(file: BinaryIO) -> None:
    """Unpack every part once, keeping nothing, and count; raises `UnreadableFileError` for what is no workbook of ours.

    The directory of a zip file can lie about sizes and can name the same bytes many times, so the bytes themselves are
    counted. What spans the table are its first and last cell, however few there are between them.
    """
    if file.read(len(OLD_MAGIC)) == OLD_MAGIC:
        raise UnreadableFileError(
            worded("This is an old or a protected workbook. Save it as XLSX without a password, or as CSV."),
            code="old_workbook",
        )
    file.seek(0)
    try:
        with ZipFile(file) as archive:
            parts = archive.infolist()
    except (BadZipFile, LargeZipFile, NotImplementedError, ValueError, OSError) as error:
        raise _damaged() from error
    if not any(part.filename == "xl/workbook.xml" for part in parts):
        raise UnreadableFileError(
            worded("This is no workbook. Send a table as XLSX or CSV, or a vCard file."), code="no_workbook"
        )
    if len(parts) > MAX_PARTS or sum(part.file_size for part in parts) > MAX_UNPACKED:
        raise too_large()
    left = MAX_UNPACKED
    for part in parts:
        sheet = _Sheet() if part.filename.startswith("xl/worksheets/") and part.filename.endswith(".xml") else None
        left -= _unpacked(file, part, left, sheet)


def _unpacked(file: BinaryIO, part: ZipInfo, most: int, sheet: "_Sheet | None") -> int:
    """How many bytes the part really has; `sheet` is shown each of them."""
    if part.compress_type not in {ZIP_STORED, ZIP_DEFLATED} or part.flag_bits & 1:
        raise _damaged()
    file.seek(part.header_offset)
    head = file.read(_LOCAL_HEADER)
    if len(head) < _LOCAL_HEADER or head[:4] != MAGIC:
        raise _damaged()
    file.seek(int.from_bytes(head[26:28], "little") + int.from_bytes(head[28:30], "little"), 1)
    size = 0
    try:
        for chunk in _chunks(file, part):
            size += len(chunk)
            if size > most:
                raise too_large()
            if sheet is not None:
                sheet.read(chunk)
    except (zlib.error, expat.ExpatError) as error:
        raise _damaged() from error
    if size != part.file_size:
        raise _damaged()
    return size


def _chunks(file: BinaryIO, part: ZipInfo) -> Iterator[bytes]:
    left = part.compress_size
    engine = zlib.decompressobj(-zlib.MAX_WBITS)
    while left > 0 and (packed := file.read(min(CHUNK, left))):
        left -= len(packed)
        if part.compress_type == ZIP_STORED:
            yield packed
            continue
        while packed:
            yield engine.decompress(packed, CHUNK)
            packed = engine.unconsumed_tail
    if part.compress_type == ZIP_DEFLATED:
        yield engine.flush()


@dataclass
class _Sheet:
    """How far the cells of a sheet reach; only those with a value count."""

    row: int = 0
    column: int = 0
    last_row: int = 0
    last_column: int = 0
    parser: expat.XMLParserType = field(default_factory=lambda: expat.ParserCreate(namespace_separator=" "))

    def __post_init__(self) -> None:
        self.parser.StartElementHandler = self._start
        # No workbook declares entities; a flood of them would.
        self.parser.StartDoctypeDeclHandler = self._refuse

    def read(self, chunk: bytes) -> None:
        self.parser.Parse(chunk, False)

    def _refuse(self, *_declaration: object) -> None:
        raise _damaged()

    def _start(self, name: str, given: dict[str, str]) -> None:
        kind = name.rpartition(" ")[2]
        if kind == "c":
            self._place(given.get("r", ""))
        elif kind in {"v", "is"}:
            self.last_row, self.last_column = max(self.last_row, self.row), max(self.last_column, self.column)
            if self.last_row * self.last_column > MAX_CELLS:
                raise too_large()
        elif kind == "row":
            self.row, self.column = _number(given.get("r", "")) or self.row + 1, 0

    def _place(self, name: str) -> None:
        letters = name.rstrip("0123456789")
        if not letters:
            self.column += 1
            return
        if len(letters) > 3 or not (letters.isascii() and letters.isalpha()):  # noqa: PLR2004 - "XFD" is the last one.
            raise _damaged()
        column = 0
        for letter in letters.upper():
            column = column * 26 + ord(letter) - ord("A") + 1
        self.column, self.row = column, _number(name[len(letters) :]) or self.row


def _number(digits: str) -> int:
    """The number of a row, 0 for none; more digits than the last one has are no number of a row."""
    if len(digits) > len(str(MAX_ROWS)) or not (digits.isascii() and (digits.isdigit() or not digits)):
        raise _damaged()
    return int(digits or 0)


def _damaged() -> UnreadableFileError:
    return UnreadableFileError(
        worded("This workbook can’t be read: it is damaged. Save it anew as XLSX, or as CSV."), code="broken_workbook"
    )


def too_large() -> UnreadableFileError:
    """The refusal of a workbook that would not fit."""
    return UnreadableFileError(
        worded("This workbook is too large once it is unpacked. Save the one sheet with the people as CSV."),
        code="workbook_too_large",
    )
