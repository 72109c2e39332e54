"""Files as people really save them are read without mojibake; others are refused with a reason."""

import codecs
import io
import tracemalloc

import pytest

from crm.lifecycle.rules import reading

TABLE = "Nome;Cognome;E-mail\nNiccolò;Perù;n@example.it\nZoë;D’Amico;z@example.it\n"
CP1252 = TABLE.replace("’", "\N{RIGHT SINGLE QUOTATION MARK}")


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "cp1252"])
def test_every_listed_encoding_is_read_to_the_letter(encoding):
    file = io.BytesIO(TABLE.encode(encoding))

    dialect, columns = reading.open_table(file)
    file.seek(0)
    rows = list(reading.rows(file, dialect))

    assert columns == ["Nome", "Cognome", "E-mail"]
    assert rows[1:] == [["Niccolò", "Perù", "n@example.it"], ["Zoë", "D’Amico", "z@example.it"]]


def test_latin_1_with_bytes_that_windows_leaves_undefined_is_read():
    file = io.BytesIO("Nome,Città\nAndré\x81,Forlì\n".encode("latin-1"))

    assert reading.detect(file).encoding == "latin-1"


def test_a_windows_file_may_hold_what_would_be_utf_8_as_well():
    """A capital with an accent before a quotation mark: two bytes that are one letter in UTF-8."""
    file = io.BytesIO("Nome;Nota\nNiccolò;«LIBERTÀ È’ TUTTO»\nPerù;è così\n".encode("cp1252"))

    assert reading.detect(file).encoding == "cp1252"


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_the_delimiter_is_found_even_when_cells_hold_the_others(delimiter):
    table = delimiter.join(["Nome", "Azienda", "Note"]) + "\n"
    table += delimiter.join(["Ann", '"Rossi; Bianchi, Verdi | Figli"', "a"]) + "\n"
    table += delimiter.join(["Bob", '"Neri, Gialli"', '"b; c"']) + "\n"

    assert reading.detect_delimiter(table) == delimiter


@pytest.mark.parametrize("said", ["sep=;", "SEP=;", '"sep=;"'])
def test_a_line_for_excel_that_names_the_delimiter_is_no_header(said):
    file = io.BytesIO(f"{said}\r\nNome, intero;E-mail\r\nPerò, Anna;a@example.it\r\n".encode("cp1252"))

    dialect, columns = reading.open_table(file)
    file.seek(0)

    assert (dialect.delimiter, columns) == (";", ["Nome, intero", "E-mail"])
    assert list(reading.rows(file, dialect))[1:] == [["Però, Anna", "a@example.it"]]


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (b"", "empty_file"),
        (b"Nome;E-mail\n", "no_rows"),
        (b"Ann;ann@example.it\nBob;bob@example.it\n", "no_header"),
        (b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR\x01\x02\x03", "not_text"),
        (b";".join([b"x"] * 300) + b"\n1\n", "too_wide"),
        (codecs.BOM_UTF8 + TABLE.encode("cp1252"), "wrong_encoding"),
        (TABLE.encode("utf-16")[:-1], "wrong_encoding"),
        (TABLE.encode("utf-16") + b"\x00\xd8\x0a\x00", "wrong_encoding"),
        (TABLE.encode("utf-16-le")[:-1], "wrong_encoding"),
        (TABLE.encode() + "Niccolò;Rossi;r@example.it\n".encode("cp1252"), "wrong_encoding"),
        (TABLE.encode() * 20_000 + "Niccolò;Rossi;r@example.it\n".encode("cp1252"), "wrong_encoding"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_is_no_table_is_refused_with_its_reason(content, code):
    with pytest.raises(reading.UnreadableFileError) as refusal:
        reading.open_table(io.BytesIO(content))

    assert refusal.value.code == code


def test_repeated_and_empty_names_of_columns_stay_apart():
    assert reading.header(["Note", "", "Note"]) == ["Note", "(2)", "Note (2)"]


@pytest.mark.parametrize(
    "row",
    [b"ab," * 800_000, b"Nome;E-mail\n" + b"a" * 2_000_000, b"Nome,E-mail\n" + b'"ab\n",' * 400_000],
    ids=["a header", "a cell", "lines within quotes"],
)
def test_a_row_beyond_all_reason_is_refused_in_little_memory(row, monkeypatch):
    monkeypatch.setattr(reading, "MAX_ROW", 100_000)
    file = io.BytesIO(row)

    tracemalloc.start()
    with pytest.raises(reading.UnreadableFileError) as refusal:
        reading.open_table(file)
    _now, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert refusal.value.code == "broken_csv"
    assert most < 8_000_000
