"""A session beside the lines of a hub: nobody's trouble is another's, and no connection is used on in the middle."""

import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
import pytest
from sqlalchemy import func, select, text
from sqlalchemy.orm import Session

from crm.accounts.models import Workspace
from crm.db import Database, commit, new_id
from crm.hub import Hub
from crm.roundtrip import Step, begin, begin_ahead, beside, columns, together


@pytest.fixture
def hub() -> Iterator[Hub]:
    made = Hub()
    yield made
    made.close()


@contextmanager
def kept(database: Database, hub: Hub) -> Iterator[Session]:
    with database.kept(new_id()) as session:
        beside(session, hub)
        begin(session)
        yield session


def in_pieces(session: Session) -> None:
    session.execute(select(func.pg_sleep(30)))


def at_once(session: Session) -> None:
    together(session, Step("select pg_sleep(30)", {}))


class TooLongError(Exception):
    """What a job's time limit raises, wherever the process is."""


@pytest.fixture
def time_limit() -> Iterator:
    """Sets a limit that strikes while the process waits, as the one of a job does."""

    def strike(_number, _frame) -> None:
        raise TooLongError

    before = signal.signal(signal.SIGALRM, strike)
    yield lambda: signal.setitimer(signal.ITIMER_REAL, 0.05)
    signal.setitimer(signal.ITIMER_REAL, 0)
    signal.signal(signal.SIGALRM, before)


@pytest.mark.parametrize("ask", [in_pieces, at_once])
def test_a_time_limit_in_the_middle_of_a_statement_ends_the_connection_and_is_told(
    fresh_database, hub, time_limit, ask
):
    drivers = []

    def ask_too_long() -> None:
        with kept(fresh_database.database, hub) as session:
            drivers.append(session.connection().connection.driver_connection)
            time_limit()
            ask(session)

    with pytest.raises(TooLongError):
        ask_too_long()
    assert [driver.closed for driver in drivers] == [True]
    with kept(fresh_database.database, hub) as session:
        assert session.scalar(text("select 1")) == 1


def test_a_connection_that_outlives_its_hub_waits_beside_the_next_one(fresh_database, hub):
    database = fresh_database.database
    with kept(database, hub) as session:
        first = session.scalar(text("select pg_backend_pid()"))
        commit(session)
    hub.close()
    later, found = Hub(), []

    def ask() -> None:
        with database.scope() as session:
            found.append(session.scalar(text("select pg_backend_pid()")))

    later.spawn(ask)
    later.finish(until=time.monotonic() + 5.0)
    assert found == [first]


def test_a_line_fails_while_home_asks_and_home_gets_its_answer_first(fresh_database, hub):
    def fail() -> None:
        raise psycopg.OperationalError("the trouble of a line")

    with kept(fresh_database.database, hub) as session:
        hub.spawn(fail)
        assert session.scalar(text("select 1")) == 1
        commit(session)
        with pytest.raises(psycopg.OperationalError, match="of a line"):
            hub.turn(0.0)


def test_two_sessions_of_one_thread_wait_for_each_other_s_rows(fresh_database, hub):
    """The one that holds the row goes on while the other waits for it, whichever of them home works for."""
    done: list[str] = []
    held, wanted = os.pipe()

    def hold() -> None:
        with kept(fresh_database.database, hub) as session:
            together(session, Step("select pg_advisory_xact_lock(7)", {}))
            os.write(wanted, b"!")
            for _ in range(20):
                session.execute(text("select 1"))
            done.append("held")
            commit(session)

    def want() -> None:
        with kept(fresh_database.database, hub) as session:
            together(session, Step("select pg_advisory_xact_lock(7)", {}))
            done.append("wanted")
            commit(session)

    hub.spawn(hold)
    while not hub.wait(held, 1, until=time.monotonic() + 30.0):
        pass
    hub.spawn(want)
    with kept(fresh_database.database, hub) as session:
        together(session, Step("select pg_advisory_xact_lock(7)", {}))
        commit(session)
    hub.finish(until=time.monotonic() + 30.0)
    assert sorted(done) == ["held", "wanted"]
    assert done[0] == "held"
    os.close(held)
    os.close(wanted)


WORKSPACE = "select current_setting('crm.workspace', true) as id"


@pytest.mark.parametrize(
    "ask",
    [
        lambda session: together(session, Step(WORKSPACE, {}))[0][0].id,
        lambda session: session.scalar(text(WORKSPACE)),
        lambda session: session.scalar(select(func.current_setting("crm.workspace", True))),
    ],
)
def test_whatever_is_asked_first_is_asked_for_the_workspace(fresh_database, hub, ask):
    with kept(fresh_database.database, hub) as session:
        commit(session)
        begin_ahead(session)
        assert ask(session) == str(session.info["workspace_id"])


def test_what_is_written_first_belongs_to_the_workspace(fresh_database, hub):
    with kept(fresh_database.database, hub) as session:
        workspace_id = session.info["workspace_id"]
        commit(session)
        begin_ahead(session)
        session.add(Workspace(id=workspace_id, name="Lanterna", slug=f"w-{workspace_id.hex}"))
        session.flush()
        assert session.scalars(select(Workspace.id)).all() == [workspace_id]


def test_columns_reach_the_database_as_they_are(session):
    key = new_id()
    values = [(key, 'a "b" \\ {c}, null', True, None), (None, "", False, "x"), (None, "null", None, None)]
    given = columns(("id", "text", "truth", "more"), values)
    sql = (
        "select * from unnest(%(id)s::uuid[], %(text)s::text[], %(truth)s::boolean[], %(more)s::text[])"
        " as row (id, text, truth, more)"
    )
    (rows,) = together(session, Step(sql, given))
    assert [tuple(row) for row in rows] == values
