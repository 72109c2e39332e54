"""Owns the codes of vouchers and members: Crockford's base 32 with his check symbol, and how people mistype them.

Source: Douglas Crockford, "Base 32": the alphabet leaves out I, L, O and U; the check symbol is the number modulo 37,
drawn from the alphabet and five more signs.
"""

import secrets

ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
CHECK_SYMBOLS = ALPHABET + "*~$=U"
VOUCHER_SYMBOLS = 16
"""Data symbols of a voucher: 16 times 5 bits are 80 bits."""
MEMBER_SYMBOLS = 8

_READ_AS = str.maketrans({"O": "0", "I": "1", "L": "1"})
_IGNORED = str.maketrans("", "", " -\u2010\u2011\u2013\u00a0\t\r\n")
_VALUE = {symbol: value for value, symbol in enumerate(ALPHABET)}


def make_code(symbols: int = VOUCHER_SYMBOLS) -> str:
    """A fresh code of `symbols` data symbols from the system's randomness, with its check symbol behind.

    One whose check symbol every keyboard has and nobody must spell: five of 37 are drawn again (0.2 bits less).
    """
    while (code := encode(secrets.randbits(5 * symbols), symbols))[-1] not in ALPHABET:
        pass
    return code


def make_number() -> str:
    """A fresh member number; no secret, so it is shorter than a code."""
    return make_code(MEMBER_SYMBOLS)


def encode(number: int, symbols: int) -> str:
    """`number` in `symbols` data symbols, most significant first, with its check symbol behind."""
    data = "".join(ALPHABET[(number >> shift) & 31] for shift in range(5 * (symbols - 1), -1, -5))
    return data + CHECK_SYMBOLS[number % 37]


def read_code(typed: str, symbols: int = VOUCHER_SYMBOLS) -> str | None:
    """The code that `typed` means, or None when it can't be one.

    Lower case, spaces and hyphens are accepted, O reads as 0, I and L as 1. A wrong length, sign or check symbol
    gives None, so that a slip of the finger costs no look-up.
    """
    # Longer input is no slip; the limit keeps a pasted book from being scanned.
    if len(typed) > 4 * symbols:
        return None
    plain = typed.translate(_IGNORED).upper()
    if len(plain) != symbols + 1:
        return None
    data, check = plain[:-1].translate(_READ_AS), plain[-1].translate(_READ_AS)
    number = 0
    for symbol in data:
        value = _VALUE.get(symbol)
        if value is None:
            return None
        number = number * 32 + value
    return data + check if CHECK_SYMBOLS[number % 37] == check else None
