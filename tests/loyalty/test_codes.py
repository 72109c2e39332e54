"""Codes: what is made, and what a careless hand may type."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crm.loyalty.rules.codes import (
    ALPHABET,
    CHECK_SYMBOLS,
    MEMBER_SYMBOLS,
    VOUCHER_SYMBOLS,
    encode,
    make_code,
    make_number,
    read_code,
)


def test_a_code_has_eighty_bits_and_a_check_symbol():
    codes = {make_code() for _ in range(500)}
    assert len(codes) == 500
    assert all(len(code) == VOUCHER_SYMBOLS + 1 and set(code[:-1]) <= set(ALPHABET) for code in codes)
    assert {code[0] for code in codes} == set(ALPHABET)


def test_a_code_ends_in_a_letter_or_a_digit_that_every_keyboard_has():
    assert {make_code()[-1] for _ in range(500)} <= set(ALPHABET)


@pytest.mark.parametrize(
    ("number", "code"), [(0, "00000000" + "0"), (1, "00000001" + "1"), (32**8 - 1, "ZZZZZZZZ" + "0")]
)
def test_the_encoding_is_crockfords(number, code):
    assert encode(number, 8)[:-1] == code[:-1]
    assert encode(number, 8)[-1] == CHECK_SYMBOLS[number % 37]


@given(st.integers(0, 2**80 - 1), st.randoms())
def test_lower_case_spaces_hyphens_and_lookalikes_are_read(number, chance):
    code = encode(number, VOUCHER_SYMBOLS)
    swaps = {"0": "0oO", "1": "1iIlL"}
    typed = "".join(
        chance.choice(["", "", " ", "-", "–"]) + chance.choice([*swaps.get(sign, sign), sign.lower()]) for sign in code
    )
    assert read_code(typed) == code


@given(st.integers(0, 2**80 - 1), st.integers(0, VOUCHER_SYMBOLS - 1), st.sampled_from(ALPHABET))
def test_one_wrong_symbol_is_noticed(number, place, symbol):
    code = encode(number, VOUCHER_SYMBOLS)
    wrong = code[:place] + symbol + code[place + 1 :]
    assert read_code(wrong) == (code if symbol == code[place] else None)


@given(st.integers(0, 2**80 - 1), st.integers(0, VOUCHER_SYMBOLS - 2))
def test_two_neighbours_in_the_wrong_order_are_noticed(number, place):
    code = encode(number, VOUCHER_SYMBOLS)
    wrong = code[:place] + code[place + 1] + code[place] + code[place + 2 :]
    assert read_code(wrong) == (code if wrong == code else None)


@given(st.text(max_size=80))
def test_anything_may_be_typed(typed):
    plain = read_code(typed)
    assert plain is None or read_code(plain) == plain


def test_a_letter_that_is_only_a_check_symbol_is_none_of_the_data():
    assert read_code("U" * VOUCHER_SYMBOLS + "0") is None
    assert read_code("0" * 200) is None


def test_a_member_number_is_letters_and_digits_only():
    numbers = [make_number() for _ in range(300)]
    assert all(set(number) <= set(ALPHABET) and read_code(number, MEMBER_SYMBOLS) == number for number in numbers)
