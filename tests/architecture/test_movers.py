"""Every reference to a person has exactly one mover, so that a merge forgets nothing."""

from collections import Counter

import pytest

from crm.lifecycle import merge_words
from crm.lifecycle.kinds import Effect
from crm.lifecycle.movers import MOVERS, Mover, Stays
from crm.lifecycle.restorable import TABLES
from crm.models import metadata

#: Columns that name a person without a foreign key are called like this; the other end of a link is one with it.
SOFT = ("contact_id",)


def references():
    """(table, column) of every column that points at a person, by foreign key or by name."""
    for table in metadata.sorted_tables:
        for constraint in table.foreign_key_constraints:
            if constraint.referred_table.name == "contact":
                yield table.name, constraint.column_keys[-1]
        for column in table.columns:
            if column.name.endswith(SOFT):
                yield table.name, column.name


def test_every_reference_to_a_person_has_exactly_one_mover():
    wanted = set(references())
    found = Counter(pair for mover in MOVERS for pair in mover.references)
    missing = sorted(wanted - found.keys())
    assert not missing, (
        f"{missing} refer to a person and no mover brings them over when two people are merged: add a line for each to"
        " the module of its domain in crm/lifecycle/movers/ (Mover, with same_by when it is unique for each person;"
        " Stays with the reason why not), and the table to crm/lifecycle/restorable.py so that it can be undone"
    )
    assert [pair for pair, times in found.items() if times > 1] == [], "one mover answers for a reference, not two"
    assert sorted(found.keys() - wanted) == [], "these movers answer for columns that don't refer to a person"


def test_every_mover_that_changes_rows_can_be_undone():
    moved = {mover.table for mover in MOVERS if not isinstance(mover, Stays)}
    assert sorted(moved - TABLES.keys()) == [], "add these to TABLES of crm/lifecycle/restorable.py"


def test_whatever_stays_says_why():
    assert all(mover.why for mover in MOVERS if isinstance(mover, Stays))


def test_every_mover_is_counted_in_the_preview_or_says_why_nobody_has_to_know():
    assert [mover.table for mover in MOVERS if not mover.is_told and not mover.untold] == []
    with pytest.raises(TypeError, match="preview"):
        Mover(table="forgotten")


def test_every_effect_of_a_merge_has_words():
    assert set(Effect) - merge_words.WORDED == set(), "say it in crm/lifecycle/merge_words.py"
