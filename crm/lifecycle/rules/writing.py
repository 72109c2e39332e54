"""How people are written as CSV, XLSX or vCard, so that spreadsheets open them safely and an import reads the same."""

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from typing import BinaryIO, Final, Protocol

import xlsxwriter

from crm.errors import InvalidInputError, worded
from crm.lifecycle.kinds import ExportFormat
from crm.lifecycle.rules.cards import OURS, OWN_PROPERTY
from crm.lifecycle.rules.columns import ADDRESSES, Meaning, Own, Target
from crm.lifecycle.rules.formulas import safe
from crm.lifecycle.rules.people import join_tags

#: What is written of a person, in this order.
COLUMNS: Final = tuple(
    target for target in Target if target not in {Target.IGNORE, Target.FULL_NAME, Target.MIDDLE_NAME}
)
#: Between two addresses on one channel, as Google writes them and our import reads them.
BETWEEN: Final = " ::: "
#: Rows of a sheet, header included (support.microsoft.com, "Excel specifications and limits").
SHEET_ROWS: Final = 1_048_576
_SUFFIX: Final = {
    ExportFormat.CSV: "csv",
    ExportFormat.XLSX: "xlsx",
    ExportFormat.VCARD_3: "vcf",
    ExportFormat.VCARD_4: "vcf",
}
_MEDIA_TYPE: Final = {
    ExportFormat.CSV: "text/csv",
    ExportFormat.XLSX: "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    ExportFormat.VCARD_3: "text/vcard",
    ExportFormat.VCARD_4: "text/vcard",
}
#: RFC 6350, section 3.2: lines of at most 75 octets.
_LINE: Final = 75

#: One person: values by meaning; addresses and tags are several.
Row = Mapping[Meaning, str | Sequence[str]]


class TooManyForSheetError(InvalidInputError):
    """More people than a sheet has rows."""

    code = "too_many_for_sheet"


class Writer(Protocol):
    """Takes people one by one and ends the file."""

    def add(self, row: Row) -> None:
        """Write one person."""
        ...

    def close(self) -> None:
        """End the file; the target stays open."""
        ...


def writer(
    form: ExportFormat, target: BinaryIO, *, headers: Sequence[str], delimiter: str, own: Sequence[Own] = ()
) -> Writer:
    """The writer of a format; `headers` are the names of `COLUMNS` and of the `own` fields behind them."""
    columns = (*COLUMNS, *own)
    if form is ExportFormat.CSV:
        return _Csv(target, columns, headers, delimiter)
    if form is ExportFormat.XLSX:
        return _Xlsx(target, columns, headers)
    return _VCard(target, columns, "4.0" if form is ExportFormat.VCARD_4 else "3.0")


def file_type(form: ExportFormat) -> tuple[str, str]:
    """The ending of a file's name and its media type."""
    return _SUFFIX[form], _MEDIA_TYPE[form]


def _cell(row: Row, target: Meaning) -> str:
    value = row.get(target, "")
    if isinstance(value, str):
        return value
    return BETWEEN.join(value) if target in ADDRESSES else join_tags(value)


class _Csv:
    """UTF-8 with a byte order mark, without which Excel guesses; cells that look like formulas are marked."""

    def __init__(self, target: BinaryIO, columns: Sequence[Meaning], headers: Sequence[str], delimiter: str) -> None:
        self._columns = columns
        self._text = io.TextIOWrapper(target, "utf-8-sig", newline="", write_through=True)
        self._rows = csv.writer(self._text, delimiter=delimiter)
        self._rows.writerow(map(safe, headers))

    def add(self, row: Row) -> None:
        self._rows.writerow([safe(_cell(row, target)) for target in self._columns])

    def close(self) -> None:
        self._text.detach()


class _Xlsx:
    """One sheet of texts: a text is never a formula or a number there, whatever it begins with."""

    def __init__(self, target: BinaryIO, columns: Sequence[Meaning], headers: Sequence[str]) -> None:
        self._columns = columns
        self._book = xlsxwriter.Workbook(target, {"constant_memory": True})
        self._sheet = self._book.add_worksheet()
        self._sheet.freeze_panes(1, 0)
        self._row = 0
        self._write(headers)

    def add(self, row: Row) -> None:
        if self._row >= SHEET_ROWS:
            raise TooManyForSheetError(worded("An Excel sheet has no room for so many people. Choose CSV."))
        self._write([_cell(row, target) for target in self._columns])

    def _write(self, cells: Iterable[str]) -> None:
        for column, cell in enumerate(cells):
            if cell:
                self._sheet.write_string(self._row, column, cell)
        self._row += 1

    def close(self) -> None:
        self._book.close()


class _VCard:
    """Cards of version 3.0 or 4.0; what vCard has no property for goes into properties of our own."""

    def __init__(self, target: BinaryIO, columns: Sequence[Meaning], version: str) -> None:
        self._target = target
        self._own = [column for column in columns if isinstance(column, Own)]
        self._version = version

    def add(self, row: Row) -> None:
        given = {target: _cell(row, target) for target in COLUMNS if target not in ADDRESSES | {Target.TAGS}}
        shown = " ".join(part for part in (given[Target.FIRST_NAME], given[Target.LAST_NAME]) if part)
        addresses = [(target, value) for target in COLUMNS if target in ADDRESSES for value in row.get(target, ())]
        lines = [
            "BEGIN:VCARD",
            f"VERSION:{self._version}",
            f"PRODID:{OURS}Filodiretto//EN",
            f"UID:{_escaped(given[Target.EXTERNAL_ID])}",
            f"N:{_escaped(given[Target.LAST_NAME])};{_escaped(given[Target.FIRST_NAME])};;;",
            f"FN:{_escaped(shown or (addresses[0][1] if addresses else '?'))}",
            *self._known(given),
            *(self._address(target, value) for target, value in addresses),
            *(f"{_property(own)}:{_escaped(value)}" for own in self._own if (value := _cell(row, own))),
            *(f"CATEGORIES:{','.join(map(_escaped, tags))}" for tags in [row.get(Target.TAGS, ())] if tags),
            "END:VCARD",
        ]
        self._target.write("".join(_folded(line) for line in lines).encode())

    def close(self) -> None:
        """Each card is whole by itself."""

    def _known(self, given: Mapping[Target, str]) -> list[str]:
        lines: list[str] = []
        for target, name in (
            (Target.TITLE, "TITLE"),
            (Target.COMPANY, "ORG"),
            (Target.INTERESTS, "NOTE"),
            (Target.TIME_ZONE, "TZ" if self._version == "4.0" else "TZ;VALUE=text"),
            (Target.LANGUAGE, "LANG" if self._version == "4.0" else "X-FILODIRETTO-LANGUAGE"),
            (Target.ADDRESS_FORM, "X-FILODIRETTO-ADDRESS-FORM"),
            (Target.CAME_FROM, "X-FILODIRETTO-CAME-FROM"),
            (Target.IMPORTANCE, "X-FILODIRETTO-IMPORTANCE"),
            (Target.LIFECYCLE, "X-FILODIRETTO-LIFECYCLE"),
        ):
            if given[target]:
                lines.append(f"{name}:{_escaped(given[target])}")
        if given[Target.BIRTHDAY]:
            # 3.0 knows no day without a year; the form of 4.0 is what address books read there too.
            short = given[Target.BIRTHDAY].replace("-", "")
            is_yearless = given[Target.BIRTHDAY].startswith("--")
            day = f"--{short}" if is_yearless else short if self._version == "4.0" else given[Target.BIRTHDAY]
            lines.append(f"BDAY:{day}")
        place = [_escaped(given[target]) for target in (Target.STREET, Target.CITY, Target.COUNTRY)]
        if any(place):
            lines.append(f"ADR;TYPE=work:;;{place[0]};{place[1]};;;{place[2]}")
        return lines

    def _address(self, target: Target, value: str) -> str:
        if target is Target.EMAIL:
            return f"EMAIL{'' if self._version == '4.0' else ';TYPE=INTERNET'}:{_escaped(value)}"
        if target is Target.PHONE:
            return f"TEL;TYPE={'cell' if self._version == '4.0' else 'CELL'}:{_escaped(value)}"
        return f"X-FILODIRETTO-{target.value.upper().replace('_', '-')}:{_escaped(value)}"


def _property(own: Own) -> str:
    """Names of properties have letters, digits and hyphens (RFC 6350, section 3.3)."""
    return f"{OWN_PROPERTY}{own.key.upper().replace('_', '-')}"


def _escaped(text: str) -> str:
    """RFC 6350, section 3.4."""
    for plain, written in (("\\", "\\\\"), ("\n", "\\n"), (",", "\\,"), (";", "\\;")):
        text = text.replace(plain, written)
    return text


def _folded(line: str) -> str:
    """The line cut between letters, so that no piece has more than 75 octets; ended as the RFC wants it."""
    pieces, piece, size = [], "", 0
    for letter in line:
        octets = len(letter.encode())
        if size + octets > _LINE:
            pieces.append(piece)
            # The space that marks a continued line counts too.
            piece, size = " ", 1
        piece += letter
        size += octets
    return "\r\n".join([*pieces, piece]) + "\r\n"
