"""English and Italian are complete from the first string on."""

import re
import sys
from collections import defaultdict
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


def test_an_english_text_has_one_italian_text_in_all_catalogues():
    # They are merged into one at run time, so that with two texts the order of the folders would choose.
    found = defaultdict(lambda: defaultdict(set))
    for name in sorted(catalogues.domains()):
        for message in catalogues.kept(name):
            ids, texts = (part if isinstance(part, tuple) else (part,) for part in (message.id, message.string))
            if message.id:
                found[message.context, ids[0]]["one"].add(texts[0])
                if len(texts) > 1:
                    found[message.context, ids[0]]["many"].add(texts[1:])
    differing = {key: dict(forms) for key, forms in found.items() if any(len(texts) > 1 for texts in forms.values())}
    assert differing == {}
