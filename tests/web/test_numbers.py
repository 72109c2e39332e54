import pytest

from crm.numbers import whole


@pytest.mark.parametrize(("text", "number"), [("0", 0), ("007", 7), ("9" * 18, 10**18 - 1)])
def test_plain_digits_are_a_number(text, number):
    assert whole(text) == number


@pytest.mark.parametrize("text", [None, "", " 1", "1 ", "-1", "+1", "1.0", "1_0", "²", "١", "9" * 19, "9" * 5_000])
def test_anything_else_is_none(text):
    assert whole(text) is None
