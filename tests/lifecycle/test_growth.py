"""An import stays as fast as it began while the tables under it grow, whatever PostgreSQL knew of them before."""

import io

import pytest
from conftest import make_house
from sqlalchemy import create_engine, insert, text
from sqlalchemy.pool import NullPool

from crm.accounts.models import Workspace
from crm.consent.kinds import Basis
from crm.contacts.models import Contact
from crm.db import database_now, new_id
from crm.lifecycle import runner, services
from crm.lifecycle.kinds import ImportMode, ImportState

ROWS = 2000
READ = text("select sum(seq_tup_read + coalesce(idx_tup_fetch, 0)) from pg_stat_user_tables")
TABLE = "Nome;Cognome;E-mail;Cellulare;Azienda;Ruolo;Tag\n" + "".join(
    f"Nome{n};Cognome{n};p{n}@azienda{n // 5}.it;339{n:07};Azienda {n // 5};Acquisti;Fiera\n" for n in range(ROWS)
)


@pytest.fixture
def make(fresh_database):
    def make(name: str):
        with fresh_database.database.scope() as session:
            return make_house(session, name=name)

    return make


@pytest.fixture
def rows_read(fresh_database, tmp_path):
    """Load the table in many parts on one connection; how many rows of any table that made the database look at."""

    def rows_read(house, *, created: int = ROWS) -> int:
        database, folder = fresh_database.database, tmp_path / "files"
        with database.scope(house.workspace.id) as session:
            now, stream = database_now(session), io.BytesIO(TABLE.encode())
            row = services.upload(
                session, house.actor, folder=folder, name="a.csv", stream=stream, limit=10**6, now=now
            )
            choices = services.Choices(
                mapping=row.mapping, mode=ImportMode.UPSERT, basis=Basis.CONSENT, source="Fiera", tag="Nuovi"
            )
            services.configure(session, house.actor, import_id=row.id, choices=choices, now=now)
            services.start(session, house.actor, import_id=row.id, folder=folder, now=now)
        before = _counted(fresh_database)
        runner.run(database, workspace_id=house.workspace.id, import_id=row.id, folder=folder)
        with database.scope(house.workspace.id) as session:
            row = session.merge(row, load=False)
            session.refresh(row)
            assert (row.created, row.state) == (created, ImportState.DONE)
        return _counted(fresh_database) - before

    return rows_read


def _counted(fresh_database) -> int:
    # The counts of the pool's one connection are told with its next commit.
    with fresh_database.database.scope() as session:
        session.execute(text("select pg_stat_force_next_flush()"))
    with fresh_database.database.scope() as session:
        return session.scalar(READ)


def _analyse(fresh_database):
    engine = create_engine(fresh_database.owner_url, poolclass=NullPool, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(text("analyze"))


def test_the_first_import_looks_at_a_few_rows_for_each_of_its_own(make, rows_read, monkeypatch):
    monkeypatch.setattr(runner, "PART_ROWS", 100)

    assert rows_read(make("Lanterna")) < 200 * ROWS


def test_an_import_into_a_workspace_that_the_statistics_do_not_know_looks_at_a_few_rows_for_each_of_its_own(
    make, rows_read, monkeypatch
):
    monkeypatch.setattr(runner, "PART_ROWS", 100)
    known, fresh = make("Lanterna"), make("Faro")
    rows_read(known)

    first, again = rows_read(fresh), rows_read(fresh, created=0)

    assert first < 100 * ROWS
    assert again < 100 * ROWS


def test_an_import_beside_many_small_workspaces_looks_at_a_few_rows_for_each_of_its_own(
    fresh_database, make, rows_read, monkeypatch
):
    monkeypatch.setattr(runner, "PART_ROWS", 100)
    for number in range(100):
        workspace_id = new_id()
        with fresh_database.database.scope(workspace_id) as session:
            session.add(Workspace(id=workspace_id, name="Piccola", slug=f"piccola-{number}", locale="en"))
            session.flush()
            session.execute(insert(Contact).values(workspace_id=workspace_id, display_name="Ann", sort_name="ann"))
    _analyse(fresh_database)

    assert rows_read(make("Lanterna")) < 200 * ROWS
