"""Every table and column says what becomes of personal data in it when a person is erased, or asks what we know."""

import re

import pytest
from sqlalchemy import CheckConstraint, LargeBinary, String, Table, Uuid
from sqlalchemy.types import JSON

from crm import models
from crm.lifecycle import privacy_words as words
from crm.lifecycle.erasure import DOMAINS, PERSON, REGISTRY, Do
from crm.lifecycle.queries import personal

TABLES = {table.name: table for table in models.metadata.sorted_tables}
WHERE = (
    "Say it in crm/lifecycle/erasure/<domain>.py: `of` = the column that leads to the person, `do` = DELETE, CLEAR or"
    " KEEP; text that may name somebody goes into `clear` or `mentions`, anything else into `plain` with its reason."
)
#: Columns that hold a contact's id without a reference of the database that says so.
SOFT = {"object_id", "source_id", "subject_id"}


def _listed(table: Table) -> set[str]:
    """Columns whose CHECK names every value they can have."""
    checks = [str(item.sqltext) for item in table.constraints if isinstance(item, CheckConstraint)]
    return {match[1] for check in checks if (match := re.match(r"(\w+) in \('", check))}


def _wordy(table: Table) -> set[str]:
    kinds = (String, JSON, LargeBinary)
    return {column.name for column in table.columns if isinstance(column.type, kinds)} - _listed(table)


def _leads(table: Table) -> set[str]:
    """Columns that point at a contact, or at a row that is somebody's."""
    referring = {
        column
        for key in table.foreign_key_constraints
        for column in key.column_keys
        if column != "workspace_id" and key.referred_table.name == PERSON
    }
    return referred_apart(table, referring)


def referred_apart(table: Table, referring: set[str]) -> set[str]:
    """Without the columns that `merged_into_id` and the like use to point from person to person."""
    return {name for name in referring if table.name != PERSON} | {
        name for name in ("contact_id", "other_id") if name in table.c
    }


def test_each_table_is_named_once_and_exists():
    names = [table.name for domain in DOMAINS for table in domain.TABLES]
    assert sorted(names) == sorted(set(names))
    assert set(names) == set(TABLES), WHERE


@pytest.mark.parametrize("name", sorted(TABLES))
def test_each_column_that_can_hold_words_is_classified(name):
    entry = REGISTRY.get(name)
    assert entry is not None, f"{name} is in no file of crm/lifecycle/erasure. {WHERE}"
    unknown = entry.spoken_for - set(TABLES[name].c.keys())
    assert not unknown, f"{name} has no column {sorted(unknown)}"
    silent = set() if entry.do is Do.DELETE else _wordy(TABLES[name]) - entry.spoken_for
    assert not silent, f"{name}: nothing is said about {sorted(silent)}. {WHERE}"


@pytest.mark.parametrize("name", sorted(TABLES))
def test_each_way_to_a_person_is_known(name):
    missing = _leads(TABLES[name]) - set(REGISTRY[name].of)
    assert not missing, f"{name}: {sorted(missing)} leads to a person. {WHERE}"


def test_each_way_ends_at_a_person():
    for entry in REGISTRY.values():
        assert set(entry.of) <= set(TABLES[entry.name].c.keys())
        for sources in entry.of.values():
            assert all(source == PERSON or REGISTRY[source.partition(".")[0]].of for source in sources), entry.name


def test_rows_that_are_cleared_or_deleted_are_reached():
    for entry in REGISTRY.values():
        assert entry.of or entry.do is Do.KEEP, f"{entry.name}: {entry.do} of which rows? {WHERE}"
        assert bool(entry.clear) is (entry.do is Do.CLEAR), entry.name


def test_append_only_tables_lose_only_what_the_function_for_it_takes():
    from crm.lifecycle.erasure.taking import BY_FUNCTION

    frozen = {
        name
        for name, table in TABLES.items()
        if (table.info.get("append_only") and REGISTRY[name].do is Do.CLEAR)
        or (table.info.get("frozen") and REGISTRY[name].do is Do.CLEAR)
    }
    assert frozen == set(BY_FUNCTION)
    assert not {name for name, t in TABLES.items() if t.info.get("append_only") and REGISTRY[name].do is Do.DELETE}


def test_the_copy_for_a_person_names_every_table_and_column_in_words():
    """Or says that a column serves the program alone; ids are never on the page."""
    copied = [REGISTRY[name] for name in personal.tables()]
    assert not {entry.name for entry in copied} - words.TABLES.keys(), "crm/lifecycle/privacy_words.py: TABLES"
    columns = {
        column.name
        for entry in copied
        for column in TABLES[entry.name].columns
        if column.name not in {"id", "workspace_id", *entry.hidden} and not isinstance(column.type, LargeBinary | Uuid)
    } | {shown for entry in copied for *_rest, shown in personal.BESIDE.get(entry.name, ())}
    assert not columns - words.COLUMNS.keys() - words.TECHNICAL, "crm/lifecycle/privacy_words.py: COLUMNS or TECHNICAL"
    assert not words.TECHNICAL & words.COLUMNS.keys()


#: Tables that lead to a person and are in no copy, each with its reason.
NOT_COPIED = {
    "contact_access": "which colleagues see the person",
    "audit_entry": "what colleagues did",
    "audit_detail": "what colleagues did; the values themselves are in the copy",
    "change": "what an undo needs for 30 days; the values themselves are in the copy",
    "answer_time": "how fast colleagues answer",
    "conversation_draft": "what a colleague has only begun to write",
    "conversation_merge": "ids that an undo needs; the messages themselves are in the copy",
    "conversation_seen": "what colleagues have read",
    "not_same": "that two records are not one person, which tells of somebody else",
}


def test_each_table_about_a_person_is_in_the_copy_or_says_why_not():
    about = {entry.name for entry in REGISTRY.values() if entry.of}
    assert about - set(personal.tables()) == set(NOT_COPIED)
