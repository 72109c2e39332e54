"""A process that is frozen in the middle of a transaction: PostgreSQL gives its rows back to everybody else."""

from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
import pytest
from sqlalchemy import func, select
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from crm import wiring
from crm.chaos.house import until
from crm.db import Database, new_id
from crm.roundtrip import begin

LOCK = 20261123


def in_scope(database: Database) -> Iterator[Session]:
    with database.scope(new_id()) as session:
        yield session


def in_a_kept_session(database: Database) -> Iterator[Session]:
    with database.kept(new_id()) as session:
        begin(session)
        yield session


@pytest.mark.parametrize("way", [in_scope, in_a_kept_session])
def test_a_transaction_that_stands_still_is_ended_and_its_locks_with_it(fresh_database, way):
    frozen = Database(fresh_database.url, handlers=wiring.handlers(), pooled=False, idle_seconds=0.3)

    def is_free() -> bool:
        with fresh_database.database.scope() as other:
            return other.execute(select(func.pg_try_advisory_xact_lock(LOCK))).scalar_one()

    with (  # noqa: PT012 - leaving the transaction may raise as well.
        pytest.raises((DBAPIError, psycopg.Error), match="idle-in-transaction"),
        contextmanager(way)(frozen) as session,
    ):
        session.execute(select(func.pg_advisory_xact_lock(LOCK)))
        assert not is_free()
        until(is_free, "the lock")
        session.execute(select(func.now()))
    frozen.dispose()


def test_without_a_limit_a_transaction_may_stand_still(fresh_database):
    with fresh_database.database.scope(new_id()) as session:
        assert session.execute(select(func.current_setting("idle_in_transaction_session_timeout"))).scalar_one() == "0"
