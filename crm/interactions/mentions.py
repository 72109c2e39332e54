"""Owns whom an "@name" in a text means: colleagues by their name, as a pure function."""

from collections import Counter
from collections.abc import Mapping
from typing import Final
from uuid import UUID

from crm.filters.text import normalise

#: A note that calls more colleagues than this calls nobody in particular.
MOST: Final = 20


def mentioned(text: str, names: Mapping[UUID, str]) -> set[UUID]:
    """The colleagues whom `text` calls by "@" and their full name, or their first name where only one has it.

    Case and accents don't matter; "@anna" is not Annalisa, and an address like info@anna.example calls nobody.
    """
    if "@" not in text:
        return set()
    plain = normalise(text)
    whole = {key: normalise(name) for key, name in names.items() if normalise(name)}
    firsts = Counter(name.split()[0] for name in whole.values())
    called = set()
    for key, name in whole.items():
        first = name.split()[0]
        if _calls(plain, name) or (firsts[first] == 1 and _calls(plain, first)):
            called.add(key)
    return called if len(called) <= MOST else set()


def _calls(text: str, name: str) -> bool:
    at = text.find(f"@{name}")
    while at >= 0:
        end = at + 1 + len(name)
        if not text[max(at - 1, 0) : at].isalnum() and not text[end : end + 1].isalnum():
            return True
        at = text.find(f"@{name}", at + 1)
    return False
