"""Faces without pictures: the initials and the steady colour of a person or company."""

from functools import lru_cache
from typing import Final
from uuid import UUID
from zlib import crc32

HUES: Final = (25, 55, 85, 125, 155, 190, 225, 260, 295, 340)
"""Angles of the OKLCH wheel that keep the contrast of letters on ground above 6."""

_PARTICLES: Final = frozenset(
    {"al", "d", "da", "dal", "dalla", "de", "dei", "del", "della", "di", "e", "la", "lo", "van", "von", "y"}
)


@lru_cache(maxsize=4096)
def initials(name: str | None) -> str:
    """Return one or two capitals: of the first and the last word, particles and signs skipped.

    "Maria De Luca" gives ML, "Ricci & Associati" gives RA, "Ottavia" gives O; nothing readable gives "?".
    A particle counts where there is nothing else ("Di" gives D).
    """
    words = [
        word for word in (_letters(part) for part in (name or "").replace("’", " ").replace("'", " ").split()) if word
    ]
    kept = [word for word in words if word.lower() not in _PARTICLES] or words
    if not kept:
        return "?"
    letters = kept[0][0] + (kept[-1][0] if len(kept) > 1 else "")
    return letters.upper()[:2]


def hue(identity: UUID | str | int) -> int:
    """Return one of HUES, always the same for the same identity."""
    return HUES[crc32(str(identity).encode()) % len(HUES)]


def code_groups(value: str | None) -> str:
    """Return a code in groups of four joined by hyphens, whatever hyphens or spaces it came with."""
    # Signs such as * and = stay: they are check symbols of Crockford's base 32.
    plain = "".join(sign for sign in value or "" if sign not in " -")
    return "-".join(plain[start : start + 4] for start in range(0, len(plain), 4))


def _letters(word: str) -> str:
    """Return the word from its first letter or digit on, or nothing."""
    return word[next((at for at, sign in enumerate(word) if sign.isalnum()), len(word)) :]
