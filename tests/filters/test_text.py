import pytest
from hypothesis import given
from hypothesis import strategies as st

from crm.filters.text import normalise


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Niccolò", "NICCOLO"),
        ("Łukasz Żółć", "lukasz zolc"),
        ("Straße", "STRASSE"),
        ("D’Angelo", "d'angelo"),
        ("  Maria   Rossi ", "maria rossi"),
        ("Ærø", "aero"),
        ("ﬁlo", "filo"),
        ("I\u0307stanbul", "istanbul"),
    ],
)
def test_texts_that_differ_in_case_accents_or_spaces_have_one_form(one, other):
    assert normalise(one) == normalise(other)


def test_different_letters_stay_different():
    assert normalise("Marta") != normalise("Maria")


@given(st.text())
def test_normalising_twice_changes_nothing(text):
    assert normalise(normalise(text)) == normalise(text)
