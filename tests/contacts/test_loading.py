"""Writing many people at once keeps every character, and looks up addresses without reading the table."""

import psycopg
import pytest
from sqlalchemy import event, select, text

from crm.accounts.models import Workspace
from crm.channels.base import ChannelKind
from crm.contacts import loading
from crm.contacts.models import Company, Handle, Tag
from crm.db import commit_late, insert_rows, sent_ahead

AWKWARD = ('"Da Gigi"', "a\\b", "{x,y}", "NULL", "", "two\nlines\t", "è 中 🍝", "c','d", '\\"')


def test_every_character_arrives_as_it_was(session, actor):
    names = [f"{number}{name}" for number, name in enumerate(AWKWARD)] + list(AWKWARD)
    rows = [{"name": name, "name_norm": str(number)} for number, name in enumerate(names)]

    ids = insert_rows(session, Tag, rows, shared={"workspace_id": actor.workspace_id})

    stored = dict(session.execute(select(Tag.id, Tag.name)).all())
    assert {str(key): name for key, name in stored.items()} == dict(zip(ids, names, strict=True))


def test_a_missing_value_is_null_and_the_word_null_is_a_word(session, actor):
    rows = [{"name": "NULL", "name_norm": "a", "staff": None}, {"name": "B", "name_norm": "b", "staff": 12}]

    insert_rows(session, Company, rows, shared={"workspace_id": actor.workspace_id, "owner_id": None})

    stored = session.execute(select(Company.name, Company.staff, Company.owner_id).order_by(Company.name_norm)).all()
    assert [tuple(row) for row in stored] == [("NULL", None, None), ("B", 12, None)]


@pytest.mark.parametrize(("value", "error"), [("a\0b", ValueError), ({"a": 1}, TypeError), (["a"], TypeError)])
def test_a_value_without_a_form_in_the_database_is_refused_before_anything_is_written(session, actor, value, error):
    rows = [{"name": "A", "name_norm": "a"}, {"name": value, "name_norm": "b"}]

    with pytest.raises(error):
        insert_rows(session, Tag, rows, shared={"workspace_id": actor.workspace_id})

    assert session.scalars(select(Tag.name)).all() == []


def test_a_row_that_is_there_already_is_left_as_it_is(session, actor):
    shared, key = {"workspace_id": actor.workspace_id}, ("workspace_id", "name_norm")
    insert_rows(session, Tag, [{"name": "Fiera", "name_norm": "fiera"}], shared=shared)

    again = [{"name": "FIERA", "name_norm": "fiera"}, {"name": "Nuovo", "name_norm": "nuovo"}]
    insert_rows(session, Tag, again, shared=shared, unless=key)

    assert session.scalars(select(Tag.name).order_by(Tag.name)).all() == ["Fiera", "Nuovo"]


def test_what_is_sent_ahead_is_there_afterwards(session, actor):
    shared = {"workspace_id": actor.workspace_id}
    with sent_ahead(session):
        for number in range(3):
            insert_rows(session, Tag, [{"name": f"T{number}", "name_norm": f"t{number}"}], shared=shared)

    assert session.scalars(select(Tag.name).order_by(Tag.name)).all() == ["T0", "T1", "T2"]


def test_what_the_database_refuses_of_the_sent_is_told_and_nothing_of_it_stays(fresh_database, workspace):
    with fresh_database.database.scope(workspace.id) as session:
        session.add(Workspace(id=workspace.id, name="Casa", slug="casa", locale="en"))
    shared = {"workspace_id": workspace.id}
    rows = [{"name": "A", "name_norm": "a"}]

    def write_twice():
        with fresh_database.database.scope(workspace.id) as session, sent_ahead(session):
            insert_rows(session, Tag, rows, shared=shared)
            insert_rows(session, Tag, rows, shared=shared)

    with pytest.raises(psycopg.errors.UniqueViolation):
        write_twice()

    with fresh_database.database.scope(workspace.id) as session:
        assert session.scalars(select(Tag.name)).all() == []


@pytest.fixture
def many_handles(session, actor):
    rows = [{"address": f"p{n}@example.it", "address_norm": f"p{n}@example.it"} for n in range(5000)]
    insert_rows(session, Handle, rows, shared={"workspace_id": actor.workspace_id, "channel": "email"})


def test_the_owners_of_addresses_are_found_by_channel_and_form(session, actor, many_handles):
    asked = [(ChannelKind.EMAIL, "p7@example.it"), (ChannelKind.PHONE, "p8@example.it"), (ChannelKind.EMAIL, "q@b.it")]

    found = loading.owners_of(session, addresses=asked)

    assert {key: handle.address for key, handle in found.items()} == {("email", "p7@example.it"): "p7@example.it"}


def test_the_owners_of_addresses_are_found_without_reading_the_other_handles(session, actor, many_handles):
    asked = []
    connection = session.connection()

    def note(_connection, _cursor, statement, parameters, _context, _many):
        asked.append((statement, parameters))

    event.listen(connection, "before_cursor_execute", note)
    loading.owners_of(session, addresses=[(ChannelKind.EMAIL, f"p{n}@example.it") for n in range(0, 5000, 5)])
    event.remove(connection, "before_cursor_execute", note)

    ((statement, parameters),) = asked
    plan = "\n".join(connection.exec_driver_sql(f"explain (analyze, timing off) {statement}", parameters).scalars())
    assert any(index in plan for index in ("uq_handle_address", "ix_handle_again")), plan
    assert "Rows Removed by Filter" not in plan


def test_a_late_commit_is_for_its_transaction_only(fresh_database, workspace):
    setting = text("show synchronous_commit")
    with fresh_database.database.kept(workspace.id) as session:
        session.execute(text("set synchronous_commit = on"))
        session.commit()
        commit_late(session)
        within = session.scalar(setting)
        session.commit()
        after = session.scalar(setting)

    assert (within, after) == ("off", "on")
