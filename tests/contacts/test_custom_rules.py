"""What each type of a field of the workspace's own takes, and how it writes it."""

from datetime import date
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crm.contacts.custom_rules import ChoiceShape, FieldShape, ValueRefusedError, fits, key_of, read, stored
from crm.contacts.kinds import CustomSubject, CustomType

CHOICES = tuple(
    ChoiceShape(id=UUID(int=number), key=key, label=label)
    for number, (key, label) in enumerate([("gold", "Oro, il primo"), ("silver", "Argento"), ("new", "Nuovo ✨")])
)


def field(kind, **more):
    shape = {"id": UUID(int=99), "subject": CustomSubject.CONTACT, "key": "x", "label": "X", "type": CustomType(kind)}
    return FieldShape(**shape, choices=CHOICES, **more)


@pytest.mark.parametrize(
    ("kind", "raw", "plain", "text"),
    [
        ("text", "  مرحبا 👩‍🚀 ", "مرحبا 👩‍🚀", "مرحبا 👩‍🚀"),
        ("number", "12,5", 12.5, "12.5"),
        ("number", "1.250.300", 1250300, "1250300"),
        ("number", "1.250,50", 1250.5, "1250.5"),
        ("number", 0.1, 0.1, "0.1"),
        ("number", "-7", -7, "-7"),
        ("money", "120,50", {"amount": 12050, "currency": "EUR"}, "120.50 EUR"),
        ("money", "€ 1.250,00", {"amount": 125000, "currency": "EUR"}, "1250.00 EUR"),
        ("money", "300 JPY", {"amount": 300, "currency": "JPY"}, "300 JPY"),
        ("money", {"amount": 99, "currency": "USD"}, {"amount": 99, "currency": "USD"}, "0.99 USD"),
        ("date", "23/11/2026", "2026-11-23", "2026-11-23"),
        ("date", date(2028, 2, 29), "2028-02-29", "2028-02-29"),
        ("choice", "Oro, il primo", "gold", "gold"),
        ("choice", "argento", "silver", "silver"),
        ("choices", "Oro, il primo", ["gold"], "gold"),
        ("choices", "Nuovo ✨; silver", ["silver", "new"], "silver, new"),
        ("choices", ["new", "new", "gold"], ["gold", "new"], "gold, new"),
        ("yes_no", "Sì", True, "yes"),
        ("yes_no", False, False, "no"),
        ("url", "example.com/a?b=c", "https://example.com/a?b=c", "https://example.com/a?b=c"),
        ("contact", str(UUID(int=5)), str(UUID(int=5)), str(UUID(int=5))),
    ],
)
def test_a_value_is_read_in_the_ways_in_which_people_and_programs_write_it(kind, raw, plain, text):
    value = read(field(kind), raw)
    assert (value.plain, value.text) == (plain, text)


@pytest.mark.parametrize(
    ("kind", "raw"),
    [
        ("text", "x" * 501),
        ("text", "a\nb"),
        ("text", ["a"]),
        # 500 of these are taken apart into 18 letters each, more than an index can hold.
        ("text", "\ufdfa" * 500),
        ("number", "1.250"),
        ("number", "1e999"),
        ("number", float("nan")),
        ("number", True),
        ("number", "10000000000000000"),
        ("money", "12.345"),
        ("money", "12 XYZ"),
        ("money", {"amount": 1.5, "currency": "EUR"}),
        ("money", {"amount": 1, "currency": "EUR", "x": 1}),
        ("date", "2026-02-30"),
        ("date", "0001-01-01"),
        ("date", 5),
        ("choice", "platinum"),
        ("choice", ["gold"]),
        ("choices", ["gold", "platinum"]),
        ("choices", {"gold": 1}),
        ("yes_no", "perhaps"),
        ("url", "javascript:alert(1)"),
        ("url", "https://"),
        ("url", "http://[::1"),
        ("url", "no address"),
        ("contact", "Ann"),
        ("contact", 5),
    ],
)
def test_what_does_not_fit_is_refused(kind, raw):
    with pytest.raises(ValueRefusedError):
        read(field(kind), raw)


@pytest.mark.parametrize("kind", list(CustomType))
@pytest.mark.parametrize("raw", [None, "", "   ", []])
def test_nothing_is_no_value(kind, raw):
    assert read(field(kind), raw) is None


@pytest.mark.parametrize(
    ("kind", "limits", "good", "bad"),
    [
        ("number", {"lowest": "1", "highest": "10"}, ["1", "10"], ["0.99", "10.01"]),
        ("money", {"lowest": "5"}, ["5 EUR", "6"], ["4.99"]),
        ("date", {"lowest": "2026-01-01", "highest": "2026-12-31"}, ["2026-12-31"], ["2025-12-31", "2027-01-01"]),
        ("text", {"pattern": "AA-999"}, ["RE-042", "àb-001"], ["R-042", "RE-04X", "RE-0423"]),
    ],
)
def test_limits_and_forms_hold_both_ends_included(kind, limits, good, bad):
    for raw in good:
        assert read(field(kind, **limits), raw) is not None
    for raw in bad:
        with pytest.raises(ValueRefusedError):
            read(field(kind, **limits), raw)


@given(st.text(max_size=60), st.sampled_from(list(CustomType)))
def test_any_text_is_a_value_that_can_be_kept_or_a_refusal_in_words(text, kind):
    try:
        value = read(field(kind), text)
    except ValueRefusedError:
        return
    if value is not None:
        empty = dict.fromkeys(("text_value", "number", "amount", "currency", "day", "flag", "ref_id", "choice_id"))
        again = stored(field(kind), [{**empty, **row} for row in value.rows])
        assert (again.plain, again.text) == (value.plain, value.text)


@given(st.text())
def test_a_key_is_made_of_any_label_or_is_empty(label):
    key = key_of(label)
    assert key == "" or (key[0].isalpha() and key.isascii() and len(key) <= 40)


def test_keys_are_readable():
    assert key_of("Fatturato annuo (€)") == "fatturato_annuo"
    assert key_of("2º livello") == "o_livello"
    assert key_of("البلد") == ""


def test_a_mask_takes_letters_digits_and_itself():
    assert fits("IT60 X054", "AA99 X999")
    assert not fits("", "A")
