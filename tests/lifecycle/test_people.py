"""A row becomes a person, or names the column that is wrong."""

import pytest

from crm.channels.base import ChannelKind
from crm.lifecycle.rules.columns import Target, guess, problems
from crm.lifecycle.rules.people import Layout, RowError, read_person

COLUMNS = ["Nome", "Cognome", "E-mail", "Cellulare", "Data di nascita", "Tag", "Fase"]
MAPPING = {
    "Nome": Target.FIRST_NAME,
    "Cognome": Target.LAST_NAME,
    "E-mail": Target.EMAIL,
    "Cellulare": Target.PHONE,
    "Data di nascita": Target.BIRTHDAY,
    "Tag": Target.TAGS,
    "Fase": Target.LIFECYCLE,
}
LAYOUT = Layout(COLUMNS, MAPPING)


def test_the_meaning_of_columns_is_guessed_in_both_languages():
    assert guess(["Nome", "Cognome", "Posta elettronica", "Società", "Ruolo", "Colore"]) == {
        "Nome": Target.FIRST_NAME,
        "Cognome": Target.LAST_NAME,
        "Posta elettronica": Target.EMAIL,
        "Società": Target.COMPANY,
        "Ruolo": Target.TITLE,
        "Colore": Target.IGNORE,
    }
    assert guess(["Name", "Email Address"])["Name"] is Target.FULL_NAME


def test_a_mapping_says_what_is_impossible():
    wrong = problems({"A": Target.CITY, "B": Target.CITY, "C": Target.TITLE}, ["A", "B"])

    assert set(wrong) == {"B", "C", ""}


def test_a_row_is_read_with_italian_dates_numbers_and_words():
    person = read_person(
        ["Chiara", "Moretti", "Chiara@Example.IT", "339 123 4567", "21/04/1980", "Gold; Fiera", "cliente"],
        LAYOUT,
    )

    assert (person.data.first_name, person.data.birthday, person.data.tags) == (
        "Chiara",
        "1980-04-21",
        ["Gold", "Fiera"],
    )
    assert person.data.lifecycle == "customer"
    assert [(channel, norm) for channel, _, norm in person.addresses] == [
        (ChannelKind.EMAIL, "chiara@example.it"),
        (ChannelKind.PHONE, "+393391234567"),
    ]


@pytest.mark.parametrize(
    ("cells", "code", "column"),
    [
        (["Ann", "", "ann.example.it"], "bad_email", "E-mail"),
        (["Ann", "", "", "12"], "bad_phone", "Cellulare"),
        (["Ann", "", "", "", "31/02/1990"], "bad_birthday", "Data di nascita"),
        (["Ann", "", "", "", "", "", "eterno"], "bad_lifecycle", "Fase"),
        (["", "", "", "", "", "x"], "nobody", ""),
        (["Ann", "B", "", "", "", "", "", "", "9"], "too_many_cells", ""),
        (["x" * 300], "bad_first_name", "Nome"),
    ],
)
def test_a_bad_row_names_its_column(cells, code, column):
    with pytest.raises(RowError) as refusal:
        read_person(cells, LAYOUT)

    assert (refusal.value.code, refusal.value.column) == (code, column)
