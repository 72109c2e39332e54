"""What `crm seed` makes: the same rows by either way of loading, and tables that have everything they had before."""

import pytest
from sqlalchemy import NullPool, create_engine, text
from sqlalchemy.exc import IntegrityError
from stack.running import until

from crm.accounts.models import Workspace
from crm.db import Database, database_now, new_id
from crm.desk import seed
from crm.desk.seed_load import _ALONE

SIZE = seed.Size(30, 200)
#: Indexes and constraints by their whole definition.
DEFINED = text(
    """
    select indexdef from pg_indexes where schemaname = 'public'
    union all select conrelid::regclass || ' ' || conname || ' ' || pg_get_constraintdef(oid) || convalidated
    from pg_constraint where connamespace = 'public'::regnamespace order by 1
    """
)


def alone(place) -> Database:
    """The owner, once nobody else is connected: the server ends the others in its own time."""
    place.database.dispose()
    owner = Database(place.owner_url, handlers=place.database.handlers, pooled=False)

    def is_alone() -> bool:
        with owner.scope() as session:
            return session.scalar(_ALONE)

    until(is_alone, "the end of the other sessions")
    return owner


def fill(database: Database, name: str) -> tuple[object, list[str]]:
    """A seeded workspace, and what was told meanwhile."""
    told: list[str] = []
    workspace_id = new_id()
    with database.scope(workspace_id) as session:
        now = database_now(session)
        session.add(Workspace(id=workspace_id, name=name, slug=name, locale="it", set_up_at=now))
        session.flush()
        seed.fill(session, workspace_id=workspace_id, owner_id=None, size=SIZE, seed=1, now=now, tell=told.append)
    return workspace_id, told


def summary(database: Database, workspace_id: object) -> dict[str, int]:
    with database.scope(workspace_id) as session:
        counted = {name: f"select count(*) from {name} where workspace_id = :id" for name in seed.TABLES}  # noqa: S608
        return {name: session.scalar(text(count), {"id": workspace_id}) for name, count in counted.items()}


def defined(url: str) -> list[str]:
    engine = create_engine(url, poolclass=NullPool)
    with engine.connect() as connection:
        found = list(connection.scalars(DEFINED))
    engine.dispose()
    return found


def test_the_owner_of_an_empty_database_loads_rows_first_and_leaves_every_index_and_reference(fresh_database):
    url = fresh_database.owner_url
    before = defined(url)
    owner = alone(fresh_database)

    first, told = fill(owner, "first")
    assert any(line.startswith("indexes and references of interaction") for line in told)
    assert defined(url) == before

    second, told = fill(owner, "second")
    assert not any(line.startswith("indexes and references") for line in told), "others' rows must stay reachable"
    third, told = fill(fresh_database.database, "third")
    assert told[0].startswith("(row by row")
    assert defined(url) == before
    assert summary(owner, first) == summary(owner, second) == summary(owner, third)


def test_a_load_that_fails_leaves_the_tables_as_they_were(fresh_database, monkeypatch):
    url = fresh_database.owner_url
    before = defined(url)
    owner = alone(fresh_database)
    columns = "id, workspace_id, contact_id, tag_id"
    wrong = f"insert into contact_tag ({columns}) select :workspace, :workspace, :workspace, :workspace"
    monkeypatch.setattr(seed, "STEPS", (*seed.STEPS, ("a tag of nobody", wrong, {})))

    with pytest.raises(IntegrityError):
        fill(owner, "first")
    assert defined(url) == before
