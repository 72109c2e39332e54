"""English and Italian are complete from the first string on."""

import re
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
import catalogues

PLACEHOLDER = re.compile(r"%\((\w+)\)[sd]")


@pytest.mark.parametrize("name", sorted(catalogues.domains()))
def test_every_message_has_an_italian_text(name):
    assert catalogues.missing(name, catalogues.domains()[name]) == []


@pytest.mark.parametrize("name", sorted(catalogues.domains()))
def test_every_italian_text_keeps_the_values_of_the_english_one(name):
    wrong = []
    for message in catalogues.kept(name):
        sources = message.id if isinstance(message.id, tuple) else (message.id,)
        texts = message.string if isinstance(message.string, tuple) else (message.string,)
        wanted = set(PLACEHOLDER.findall(sources[-1]))
        wrong += [text for text in texts if message.id and text and not set(PLACEHOLDER.findall(text)) <= wanted]
    assert wrong == []
