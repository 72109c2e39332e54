"""The command line in this process, on a database of its own."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest
from click.testing import CliRunner, Result
from sqlalchemy.engine import make_url

from crm.cli import main
from crm.db import new_id
from crm.embedded import PostgresServer


@pytest.fixture
def crm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Result]:
    """Run `crm` with words and variables; what a command puts into the environment is taken back afterwards."""
    before = dict(os.environ)
    for name in ("DATABASE_URL", "DATABASE_OWNER_URL", "REDIS_URL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("CRM_HOME", str(tmp_path / "instance"))

    def run(*words: object, **variables: str) -> Result:
        return CliRunner().invoke(main, [str(word) for word in words], env=variables)

    yield run
    os.environ.clear()
    os.environ.update(before)


@pytest.fixture
def second_database(postgres: PostgresServer) -> Iterator[dict[str, str]]:
    """The variables that name an empty, migrated database beside `fresh_database`."""
    name = f"crm_{new_id().hex}"
    parts = make_url(postgres.superuser_url())
    with psycopg.connect(
        host=parts.query["host"], user=parts.username, dbname=parts.database, autocommit=True
    ) as admin:
        admin.execute(f'CREATE DATABASE "{name}" TEMPLATE crm_template OWNER crm_owner')
        try:
            yield {
                "DATABASE_URL": postgres.url(database=name),
                "DATABASE_OWNER_URL": postgres.url("crm_owner", name),
                "REDIS_URL": "unix:///nowhere/valkey.sock",
            }
        finally:
            admin.execute(f'DROP DATABASE "{name}" WITH (FORCE)')


@pytest.fixture
def own_servers(fresh_database) -> dict[str, str]:
    """The variables that name `fresh_database`, and a Valkey that is down."""
    return {
        "DATABASE_URL": fresh_database.url,
        "DATABASE_OWNER_URL": fresh_database.owner_url,
        "REDIS_URL": "unix:///nowhere/valkey.sock",
    }
