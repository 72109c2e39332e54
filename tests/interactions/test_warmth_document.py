"""The examples of docs/warmth.md are what the arithmetic gives."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from crm.interactions.rules import warmth as rules
from crm.interactions.rules.warmth import Exchanged

NOW = datetime(2026, 11, 23, 10, tzinfo=UTC)
DOCUMENT = Path(__file__).parents[2] / "docs" / "warmth.md"
OURS, THEIRS, MET = ("message.sent", "outbound"), ("message.received", "inbound"), ("meeting", "none")
#: (kind and direction, how often, days ago) of each example, in the words of the document.
STORIES = {
    "we wrote today, nothing else ever": [(OURS, 1, 0)],
    "they wrote today, nothing else ever": [(THEIRS, 1, 0)],
    "we met today": [(MET, 1, 0)],
    "we met 30 days ago": [(MET, 1, 30)],
    "four letters and four answers today": [(OURS, 4, 0), (THEIRS, 4, 0)],
    "the same 60 days ago": [(OURS, 4, 60), (THEIRS, 4, 60)],
    "ten letters of ours today, no answer": [(OURS, 10, 0)],
    "we met in 2019": [(MET, 1, 2500)],
}


def examples():
    lines = DOCUMENT.read_text().partition("## Examples")[2].splitlines()
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines if line.startswith("|")][2:]
    return {row[0]: row[1:] for row in rows}


def test_every_example_is_told_here():
    assert examples().keys() == STORIES.keys()


@pytest.mark.parametrize("name", STORIES)
def test_an_example_is_counted_as_it_says(name):
    exchanges = [
        Exchanged(kind=kind, direction=direction, at=NOW - timedelta(days=days))
        for (kind, direction), times, days in STORIES[name]
        for _time in range(times)
    ]
    state = rules.recomputed(exchanges)
    assert state is not None
    parts = rules.warmth(state, now=NOW)
    said = [f"{part:.1f}" for part in (parts.recency, parts.frequency, parts.reciprocity)]
    assert [*said, str(parts.score)] == examples()[name]


def test_the_numbers_of_the_formula_are_those_of_the_rule():
    text = DOCUMENT.read_text()
    assert f"recency     = {rules.RECENCY:g} ×" in text
    assert f"frequency   = {rules.FREQUENCY:g} × (1 − e^(−(I + O) / {rules.SATURATION:g}))" in text
    assert f"reciprocity = {rules.RECIPROCITY:g} × 2 × min(I, O) / (I + O + {rules.UNANSWERED:g})" in text
    assert f"`½^(its age in days / {rules.HABIT_DAYS:g})`" in text
    assert f"since both took part / {rules.RECENT_DAYS:g})" in text
    assert f"Below {rules.COLD} somebody is cold" in text
