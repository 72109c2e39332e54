"""Owns how a whole number that somebody else wrote is read: in an address, a header, a hidden field, a file."""

from typing import Final

#: The widest column of a whole number holds 19 digits; Python itself refuses to read more than 4,300.
_MOST_DIGITS: Final = 18


def whole(text: str | None) -> int | None:
    """The number, 0 or more, that plain digits write; None for anything else, `²` and a number without end included."""
    if not text or len(text) > _MOST_DIGITS or not (text.isascii() and text.isdigit()):
        return None
    return int(text)
