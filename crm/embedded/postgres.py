"""PostgreSQL from the installed binaries: first set-up, start, stop, roles and database."""

import os
import shutil
import signal
import subprocess
import time
from pathlib import Path

import psycopg
from psycopg import sql
from sqlalchemy import URL

from crm.embedded.binaries import find_postgres
from crm.embedded.home import leave_socket_folder, make_home, socket_folder
from crm.embedded.memory import memory_settings
from crm.embedded.processes import (
    EmbeddedError,
    Running,
    account_for,
    end,
    launch,
    log_tail,
    open_log,
    own_folder,
    program_of,
    server_environment,
)

OWNER_ROLE = "crm_owner"
APPLICATION_ROLE = "crm_app"
EXTENSIONS = ("pg_trgm", "unaccent", "btree_gin")
PORT = 5432  # Only part of the socket's name: the server does not listen on the network.
START_SECONDS = 60.0
# A killed predecessor can keep its lock file as a zombie, or its back ends their shared memory, for some seconds.
LEFTOVER_SECONDS = 20.0
LEFTOVER_SIGNS = ("lock file", "pre-existing shared memory", "postmaster.pid")

TUNING = {
    "max_connections": "120",
    "work_mem": "16MB",
    "maintenance_work_mem": "128MB",
    "random_page_cost": "1.1",
    "max_wal_size": "2GB",
    "wal_compression": "on",
    "jit": "off",
    # Short statements by many processes on few cores; a small /dev/shm of a container can't break a query either.
    "max_parallel_workers_per_gather": "0",
    "autovacuum_vacuum_scale_factor": "0.05",
    "autovacuum_analyze_scale_factor": "0.05",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_line_prefix": "%m [%p] ",
    # Names and addresses of people stay out of the log: no statements, no parameters, no DETAIL lines.
    "log_min_error_statement": "panic",
    "log_parameter_max_length": "0",
    "log_parameter_max_length_on_error": "0",
    "log_error_verbosity": "terse",
}
FAST = {
    "shared_buffers": "128MB",
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "wal_level": "minimal",
    "max_wal_senders": "0",
    # The home may be in memory, where a log that nobody will ever need takes room.
    "max_wal_size": "256MB",
}


class PostgresServer(Running):
    """One PostgreSQL cluster in `home`/postgres that listens on a Unix socket only.

    `fast` gives up durability for tests. Start it from the main thread and with the home's lock held, or in a home
    nobody else knows.
    """

    def __init__(self, home: Path, *, fast: bool = False) -> None:
        self.home = make_home(home)
        self.data = self.home / "postgres"
        self.log = self.home / "log" / "postgres.log"
        self._fast = fast
        self._account = account_for(self.data)
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def process(self) -> subprocess.Popen[bytes] | None:
        """The running server, None before `start` and after `stop`."""
        return self._process

    @property
    def sockets(self) -> Path:
        """The private folder with the server's socket."""
        return socket_folder(self.home, self._account)

    def start(self) -> None:
        """Set up the cluster when there is none, start it and wait until it answers; raises `EmbeddedError`."""
        if self._process is not None and self._process.poll() is None:
            return
        binaries = find_postgres()
        if self._account is not None:
            self._account.require_path(binaries / "postgres")
            self._account.require_path(self.data)
        self._end_leftover()
        if not (self.data / "PG_VERSION").exists():
            self._set_up(binaries)
        self._require_version(binaries)
        arguments = self._arguments(binaries)
        patience = time.monotonic() + LEFTOVER_SECONDS
        while True:
            written = self.log.stat().st_size if self.log.exists() else 0
            self._process = self._run(arguments)
            if self._wait_until_ready():
                return
            message = self._log_since(written)
            self._process = None
            if not any(sign in message for sign in LEFTOVER_SIGNS) or time.monotonic() > patience:
                raise EmbeddedError(f"PostgreSQL didn't start; the end of {self.log}:\n{log_tail(self.log)}")
            time.sleep(0.2)

    def stop(self) -> None:
        """Fast shutdown (open transactions are rolled back); does nothing when the server isn't running."""
        if self._process is not None:
            end(self._process, [(signal.SIGINT, 30.0), (signal.SIGQUIT, 5.0)])
            self._process = None
            leave_socket_folder(self.home)

    def url(self, role: str = APPLICATION_ROLE, database: str = "crm") -> str:
        """The SQLAlchemy URL of `database` for `role`."""
        return URL.create(
            "postgresql+psycopg", username=role, database=database, query={"host": str(self.sockets)}
        ).render_as_string(hide_password=False)

    def superuser_url(self, database: str = "postgres") -> str:
        """The URL of the bootstrap superuser; never for the application."""
        return self.url("postgres", database)

    def provision(self, database: str = "crm") -> None:
        """Make the two roles, the database and its extensions; what exists already is left as it is.

        The owner role owns the database and its tables; the application role owns nothing, can't bypass row-level
        security and can't create anything but temporary tables.
        """
        with self._connect("postgres", "postgres") as connection:
            for role in (OWNER_ROLE, APPLICATION_ROLE):
                if not _exists(connection, "SELECT 1 FROM pg_roles WHERE rolname = %s", role):
                    connection.execute(sql.SQL("CREATE ROLE {} LOGIN").format(sql.Identifier(role)))
                connection.execute(
                    sql.SQL("ALTER ROLE {} LOGIN NOSUPERUSER NOBYPASSRLS NOCREATEDB NOCREATEROLE NOREPLICATION").format(
                        sql.Identifier(role)
                    )
                )
            if not _exists(connection, "SELECT 1 FROM pg_database WHERE datname = %s", database):
                connection.execute(
                    sql.SQL("CREATE DATABASE {} OWNER {}").format(sql.Identifier(database), sql.Identifier(OWNER_ROLE))
                )
        with self._connect("postgres", database) as connection:
            connection.execute("REVOKE CREATE ON SCHEMA public FROM PUBLIC")
            connection.execute(sql.SQL("GRANT USAGE, CREATE ON SCHEMA public TO {}").format(sql.Identifier(OWNER_ROLE)))
            connection.execute(sql.SQL("GRANT USAGE ON SCHEMA public TO {}").format(sql.Identifier(APPLICATION_ROLE)))
        with self._connect(OWNER_ROLE, database) as connection:
            for extension in EXTENSIONS:
                if not _exists(connection, "SELECT 1 FROM pg_extension WHERE extname = %s", extension):
                    connection.execute(sql.SQL("CREATE EXTENSION {} SCHEMA public").format(sql.Identifier(extension)))

    def _connect(self, role: str, database: str) -> psycopg.Connection[tuple[object, ...]]:
        return psycopg.connect(
            host=str(self.sockets), port=PORT, user=role, dbname=database, autocommit=True, connect_timeout=5
        )

    def _arguments(self, binaries: Path) -> list[str]:
        options = TUNING | memory_settings() | (FAST if self._fast else {})
        settings = [word for name, value in options.items() for word in ("-c", f"{name}={value}")]
        return [
            *(str(binaries / "postgres"), "-D", str(self.data), "-k", str(self.sockets), "-p", str(PORT)),
            *("-c", "listen_addresses=", "-c", "unix_socket_permissions=0700"),
            *settings,
        ]

    def _run(self, arguments: list[str]) -> subprocess.Popen[bytes]:
        with open_log(self.log) as log:
            return launch(
                arguments,
                parent_death=signal.SIGINT,
                account=self._account,
                needs=(Path(arguments[0]), self.data),
                environment=server_environment(),
                log=log,
                folder="/",
            )

    def _set_up(self, binaries: Path) -> None:
        """Run initdb into a folder beside the final one, so that an interrupted run leaves nothing half-made.

        UTF-8 with the built-in C locale sorts the same on every machine and `lower` still knows accents.
        """
        fresh = self.home / "postgres.new"
        if fresh.exists():
            shutil.rmtree(fresh)
        own_folder(fresh, self._account)
        arguments = [
            *(str(binaries / "initdb"), "-D", str(fresh), "-U", "postgres", "-E", "UTF8", "--auth=trust"),
            *("--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--locale=C"),
            *(["-N"] if self._fast else []),
        ]
        if self._run(arguments).wait() != 0:
            raise EmbeddedError(f"initdb failed; the end of {self.log}:\n{log_tail(self.log)}")
        fresh.rename(self.data)

    def _require_version(self, binaries: Path) -> None:
        data_version = (self.data / "PG_VERSION").read_text().strip()
        answer = subprocess.run(  # noqa: S603 - the binary we are about to start.
            [str(binaries / "postgres"), "--version"], capture_output=True, text=True, check=True
        ).stdout
        binary_version = answer.split()[2].split(".")[0]
        if data_version != binary_version:
            raise EmbeddedError(
                f"{self.data} was made by PostgreSQL {data_version}, the installed one is {binary_version}. Run "
                f"`crm backup` with the former release, move the home aside, and `crm restore` with this one."
            )

    def _wait_until_ready(self) -> bool:
        """True when the server answers, False when it ended; raises when it does neither in time."""
        process = self._process
        patience = time.monotonic() + START_SECONDS
        while process is not None and process.poll() is None:
            try:
                self._connect("postgres", "postgres").close()
            except psycopg.OperationalError:
                if time.monotonic() > patience:
                    self.stop()
                    raise EmbeddedError(
                        f"PostgreSQL didn't answer within {START_SECONDS:.0f} s:\n{log_tail(self.log)}"
                    ) from None
                time.sleep(0.02)
            else:
                return True
        return False

    def _log_since(self, offset: int) -> str:
        with self.log.open("rb") as file:
            file.seek(offset)
            return file.read().decode(errors="replace")

    def _end_leftover(self) -> None:
        """End a server on this data folder that outlived a killed supervisor, as PostgreSQL's own pid file names it.

        Needed where the kernel doesn't tell children that their parent died, and while it is still shutting down.
        """
        pid_file = self.data / "postmaster.pid"
        try:
            lines = pid_file.read_text().splitlines()
            pid, folder = int(lines[0]), Path(lines[1])
        except (OSError, ValueError, IndexError):
            return
        for number in (signal.SIGINT, signal.SIGQUIT):
            if folder != self.data or not program_of(pid).startswith("postgres") or not _signal(pid, number):
                return
            patience = time.monotonic() + LEFTOVER_SECONDS
            while pid_file.exists() and program_of(pid) and time.monotonic() < patience:
                time.sleep(0.05)
            if not pid_file.exists():
                return


def _signal(pid: int, number: signal.Signals) -> bool:
    """Send a signal; False when the process is gone or isn't ours."""
    try:
        os.kill(pid, number)
    except (ProcessLookupError, PermissionError):
        return False
    return True


def _exists(connection: psycopg.Connection[tuple[object, ...]], query: str, name: str) -> bool:
    return connection.execute(sql.SQL(query), (name,)).fetchone() is not None  # pyright: ignore[reportArgumentType]
