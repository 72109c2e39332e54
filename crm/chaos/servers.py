"""The servers of a session of chaos: PostgreSQL with shipped durability, Valkey, a certificate, mail servers."""

import json
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import psycopg
import redis
from alembic import command
from psycopg import sql
from sqlalchemy.engine import make_url

from crm.chaos import simulator
from crm.chaos.certificates import self_signed
from crm.cli.database import alembic_config
from crm.embedded import PostgresServer, ValkeyServer
from crm.embedded.postgres import APPLICATION_ROLE, OWNER_ROLE
from crm.settings import Settings

TEMPLATE = "chaos_template"


class Servers:
    """One PostgreSQL and one Valkey in a folder of their own, and a migrated database that runs are copied from."""

    def __init__(self) -> None:
        self.home = Path(tempfile.mkdtemp(prefix="crm-chaos-"))
        # The database server may run as another user, who must be able to enter.
        self.home.chmod(0o755)
        self.postgres = PostgresServer(self.home)
        self.valkey = ValkeyServer(self.home)
        self.certificate = self.home / "certificate.pem"
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        self._stack.callback(shutil.rmtree, self.home, ignore_errors=True)
        self._stack.enter_context(self.postgres)
        self._stack.enter_context(self.valkey)
        self.postgres.provision(TEMPLATE)
        settings = Settings.load(database_owner_url=self.postgres.url(OWNER_ROLE, TEMPLATE))
        config = alembic_config(settings)
        config.attributes["app_role"] = APPLICATION_ROLE
        command.upgrade(config, "head")
        self.certificate.write_bytes(self_signed())
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    @contextmanager
    def database(self, name: str) -> Iterator[str]:
        """A database of its own, copied from the template and dropped afterwards; gives its URL."""
        with administrate(self.postgres) as admin:
            admin.execute(
                sql.SQL("create database {} template {} owner {}").format(
                    sql.Identifier(name), sql.Identifier(TEMPLATE), sql.Identifier(OWNER_ROLE)
                )
            )
        try:
            yield self.postgres.url(database=name)
        finally:
            with administrate(self.postgres) as admin:
                admin.execute(sql.SQL("drop database if exists {} with (force)").format(sql.Identifier(name)))

    def restart_postgres_at_once(self) -> None:
        """The immediate mode: no goodbye to sessions, nothing written; the next start recovers from the log."""
        process = self.postgres.process
        if process is not None:
            process.send_signal(signal.SIGQUIT)
            process.wait()
        self.postgres.start()

    def end_sessions(self, database: str) -> int:
        """Terminate every session on a database; how many there were."""
        with administrate(self.postgres) as admin:
            found = admin.execute(
                "select pg_terminate_backend(pid) from pg_stat_activity where datname = %s", (database,)
            )
            return len(found.fetchall())

    def flush_valkey(self) -> None:
        """Forget everything at once, as after a failover to an empty server."""
        redis.Redis.from_url(self.valkey.url).flushall()

    def restart_valkey_empty(self) -> None:
        """`kill -9`, and everything that it kept is gone."""
        process = self.valkey.process
        if process is not None:
            process.kill()
            process.wait()
        shutil.rmtree(self.valkey.data / "appendonlydir", ignore_errors=True)
        self.valkey.start()


@contextmanager
def administrate(server: PostgresServer, database: str = "postgres") -> Iterator[psycopg.Connection[Any]]:
    """A connection of the superuser, for what no application may do."""
    parts = make_url(server.superuser_url(database))
    connection = psycopg.connect(
        host=str(parts.query["host"]), user=parts.username, dbname=parts.database, autocommit=True
    )
    with connection:
        yield connection


@dataclass
class MailServer:
    """A running simulator and its journal."""

    process: subprocess.Popen[str]
    port: int
    journal: Path
    _read: int = field(default=0)
    _lines: list[dict[str, Any]] = field(default_factory=list)

    def lines(self) -> list[dict[str, Any]]:
        """Everything in the journal so far; a line that is being written is left for the next look."""
        with self.journal.open("rb") as file:
            file.seek(self._read)
            fresh = file.read()
        whole = fresh[: fresh.rfind(b"\n") + 1]
        self._read += len(whole)
        self._lines += [json.loads(line) for line in whole.splitlines()]
        return self._lines

    def entries(self) -> list[dict[str, Any]]:
        """The messages that came in whole."""
        return [line for line in self.lines() if "reference" in line]

    def taken(self) -> list[dict[str, Any]]:
        """The messages that the server took responsibility for, whether it said so or not."""
        return [entry for entry in self.entries() if entry["taken"]]

    def faults(self) -> list[dict[str, Any]]:
        """When and where it misbehaved."""
        return [line for line in self.lines() if "fault" in line]


@contextmanager
def mail_server(folder: Path, **script: Any) -> Iterator[MailServer]:
    """Start a simulator with this script (the fields of `simulator.Script`)."""
    journal = folder / f"journal-{time.monotonic_ns()}"
    journal.touch()
    process = subprocess.Popen(  # noqa: S603 - our own program.
        [sys.executable, "-I", simulator.__file__, str(journal), json.dumps(script)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        yield MailServer(process, int(process.stdout.readline() if process.stdout else "0"), journal)
    finally:
        process.kill()
        process.communicate()
