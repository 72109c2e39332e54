"""Excel workbooks are read as people see them, and none unpacks to a flood."""

import io
import zipfile
import zlib
from datetime import UTC, date, datetime, timedelta

import pytest
import xlsxwriter

from crm.lifecycle.rules import tables, workbook
from crm.lifecycle.rules.reading import UnreadableFileError

XML = (
    '<worksheet xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"><sheetData>{}</sheetData></worksheet>'
)


FAR = '<row r="1"><c r="A1"><v>1</v></c></row><row r="1048576"><c r="XFD1048576"{}/c></row>'


def book(*sheets: list[list[object]]) -> io.BytesIO:
    target = io.BytesIO()
    with xlsxwriter.Workbook(
        target, {"in_memory": True, "strings_to_formulas": False, "default_date_format": "dd/mm/yyyy"}
    ) as written:
        for rows in sheets:
            sheet = written.add_worksheet()
            for number, row in enumerate(rows):
                for column, cell in enumerate(row):
                    if cell is not None:
                        sheet.write(number, column, cell)
    target.seek(0)
    return target


def with_sheet(xml: str | bytes, *, method: int = zipfile.ZIP_DEFLATED) -> io.BytesIO:
    """A workbook whose one sheet is this text."""
    target = io.BytesIO()
    with zipfile.ZipFile(book([["Nome"], ["Ann"]])) as source, zipfile.ZipFile(target, "w", method) as written:
        for part in source.infolist():
            is_sheet = part.filename == "xl/worksheets/sheet1.xml"
            written.writestr(part.filename, xml if is_sheet else source.read(part))
    target.seek(0)
    return target


def test_the_first_sheet_with_rows_is_read_as_people_see_it():
    rows = [
        [None, None, None],
        ["Nome", "Cellulare", "Nato", "Ore", "Visto", "Socio"],
        [
            "Zoë 🌻",
            3391234567,
            date(1980, 4, 21),
            0.1 + 0.2,
            datetime(2026, 1, 2, 9, 30, tzinfo=UTC).replace(tzinfo=None),
            True,
        ],
        [None, None, None, None, None, None],
        ["עדה", 393391234567.0, None, 1e15, None, False],
    ]
    table = tables.open_table(book([], rows))

    assert table.columns == ["Nome", "Cellulare", "Nato", "Ore", "Visto", "Socio"]
    assert list(table.rows) == [
        ["Zoë 🌻", "3391234567", "1980-04-21", "0.3", "2026-01-02 09:30", "true"],
        ["עדה", "393391234567", "", "1000000000000000", "", "false"],
    ]


def test_texts_that_look_like_formulas_come_through_the_written_table():
    table = tables.open_table(book([["Nome", "Nota"], ["=1+1", "'=già"], ["@Ada", "-3"]]))
    target = io.BytesIO()
    tables.write(table, target)
    target.seek(0)

    lines = list(tables.reading.rows(target, tables.OWN))

    assert lines[1:] == [["=1+1", "'=già"], ["@Ada", "-3"]]


def test_a_zip_that_unpacks_to_a_flood_is_refused(monkeypatch):
    monkeypatch.setattr(workbook, "MAX_UNPACKED", 3_000_000)

    with pytest.raises(UnreadableFileError) as refusal:
        tables.open_table(with_sheet(XML.format("<row/>" * 1_000_000)))

    assert refusal.value.code == "workbook_too_large"


def test_a_zip_that_lies_about_its_sizes_is_refused():
    data = bytearray(with_sheet(XML.format("<row/>" * 500_000)).getvalue())
    told = len(XML.format("<row/>" * 500_000)).to_bytes(4, "little")
    assert data.count(told) == 2
    data = data.replace(told, (2000).to_bytes(4, "little"))

    with pytest.raises(UnreadableFileError) as refusal:
        tables.open_table(io.BytesIO(data))

    assert refusal.value.code == "broken_workbook"


@pytest.mark.parametrize(
    ("cells", "code"),
    [
        (FAR.format("><v>1</v><"), "workbook_too_large"),
        ('<row r="1"><c r="ZZZZ1"><v>1</v></c></row>', "broken_workbook"),
        ('<row r="1"><c r="A1"><v>1</v></row>', "broken_workbook"),
        ('<row r="²"><c><v>1</v></c></row>', "broken_workbook"),
        (f'<row r="{"1" * 5000}"><c><v>1</v></c></row>', "broken_workbook"),
        (f'<row r="1"><c r="A{"1" * 5000}"><v>1</v></c></row>', "broken_workbook"),
    ],
    ids=["two cells far apart", "a column that is none", "broken XML", "no digit", "no row", "no cell"],
)  # fmt: skip
def test_a_sheet_that_would_fill_the_memory_or_is_damaged_is_refused(cells, code):
    with pytest.raises(UnreadableFileError) as refusal:
        list(tables.open_table(with_sheet(XML.format(cells))).rows)

    assert refusal.value.code == code


def test_a_title_above_the_header_is_passed_over():
    lines = [["Clienti 2026"], ["Estratto a novembre"], ["Nome", "E-mail"], ["Ann", "ann@example.com"]]

    table = tables.open_table(book(lines))

    assert (table.columns, list(table.rows)) == (["Nome", "E-mail"], [["Ann", "ann@example.com"]])


@pytest.mark.parametrize(
    ("lines", "columns"),
    [
        ([["Nome"], ["Ann"], ["Bo"]], ["Nome"]),
        ([["Nome"]], ["Nome"]),
        ([["E-mail"], ["ann@example.com", "at the fair"]], ["E-mail"]),
        ([["Nome"], *[["Ann"]] * 9, ["Bo", "a note"]], ["Nome"]),
    ],
    ids=["names alone", "no rows", "a value with a note", "a note far down"],
)
def test_a_header_of_one_column_is_no_title(lines, columns):
    table = tables.open_table(book(lines))

    assert (table.columns, list(table.rows)) == (columns, lines[1:])


def test_hours_are_read_as_hours_and_minutes():
    cells = [timedelta(hours=36), timedelta(minutes=59, seconds=59.9), timedelta(hours=-1, minutes=-5)]

    assert [workbook.text(cell) for cell in cells] == ["36:00", "1:00", "-1:05"]


def test_formatted_cells_without_a_value_do_not_make_a_sheet_large():
    cells = '<row r="2"><c r="A2" t="inlineStr"><is><t>Ann</t></is></c></row>' + FAR.format(' s="0"><')

    assert list(tables.open_table(with_sheet(XML.format(cells))).rows) == [["Ann"]]


def test_a_sheet_that_declares_entities_is_refused():
    bomb = '<!DOCTYPE x [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;">]>' + XML.format("<row/>")

    with pytest.raises(UnreadableFileError) as refusal:
        tables.open_table(with_sheet(bomb))

    assert refusal.value.code == "broken_workbook"


def test_overlapping_parts_of_a_zip_count_each_time(monkeypatch):
    monkeypatch.setattr(workbook, "MAX_UNPACKED", 3_000_000)
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as written:
        for number in range(10):
            written.writestr("xl/workbook.xml" if not number else f"xl/{number}.xml", b"x" * 400_000)
    target.seek(0)

    with pytest.raises(UnreadableFileError) as refusal:
        workbook.check(target)

    assert refusal.value.code == "workbook_too_large"


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (b"PK\x03\x04 and nothing more", "broken_workbook"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(600), "old_workbook"),
        (book([]).getvalue(), "empty_file"),
        (book([["Nome"]]).getvalue(), "no_rows"),
        (book([["Ann", "ann@example.it"], ["Bob", "bob@example.it"]]).getvalue(), "no_header"),
        (book([[f"c{n}" for n in range(300)], ["x"]]).getvalue(), "too_wide"),
    ],
)
def test_what_is_no_table_of_ours_is_refused_with_its_reason(content, code):
    with pytest.raises(UnreadableFileError) as refusal:
        tables.write(tables.open_table(io.BytesIO(content)), io.BytesIO())

    assert refusal.value.code == code


def test_a_zip_that_is_no_workbook_is_refused():
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w") as written:
        written.writestr("photo.jpg", zlib.compress(b"x"))
    target.seek(0)

    with pytest.raises(UnreadableFileError) as refusal:
        tables.open_table(target)

    assert refusal.value.code == "no_workbook"
