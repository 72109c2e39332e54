"""Faces without pictures: initials, the steady colour, and codes in groups."""

from uuid import UUID, uuid4

import pytest

from crm.web.avatars import HUES, code_groups, hue, initials


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("Chiara Moretti", "CM"),
        ("Maria Grazia Rossi", "MR"),
        ("Maria De Luca", "ML"),
        ("Ricci & Associati", "RA"),
        ("Officine di Brambilla e figli", "OF"),
        ("Gino D'Angelo", "GA"),
        ("Gino d’Angelo", "GA"),
        ("Ottavia", "O"),
        ("ottavia b.", "OB"),
        ("élise ünal", "ÉÜ"),
        ("Di", "D"),
        ("(Nuova) 3M", "N3"),
        ("@lanterna", "L"),
        ("   ", "?"),
        ("--", "?"),
        (None, "?"),
    ],
)
def test_initials_are_the_first_and_the_last_word_without_particles(name: str | None, expected: str) -> None:
    assert initials(name) == expected


def test_a_letter_that_grows_in_capitals_stays_within_two() -> None:
    assert initials("ß ßeta") == "SS"


def test_the_colour_of_an_identity_never_changes() -> None:
    identity = UUID("01990000-0000-7000-8000-000000000001")
    assert hue(identity) == hue(str(identity)) == 225


def test_the_colours_are_spread_over_all_ten() -> None:
    assert {hue(uuid4()) for _ in range(1000)} == set(HUES)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("K7QM2XPD9F4T6WRBJ", "K7QM-2XPD-9F4T-6WRB-J"),
        ("k7qm-2xpd 9f4t", "k7qm-2xpd-9f4t"),
        ("AB", "AB"),
        ("", ""),
        (None, ""),
    ],
)
def test_codes_stand_in_groups_of_four(value: str | None, expected: str) -> None:
    assert code_groups(value) == expected
