"""The servers a command works with: the operator's own, those running in this home, or started for a while."""

import os
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import click
import psycopg
import redis
from sqlalchemy.engine import make_url

from crm.embedded import EmbeddedError, HomeBusyError, HomeLock, PostgresServer, ValkeyServer
from crm.embedded.home import make_home
from crm.embedded.postgres import OWNER_ROLE
from crm.jobs import connect
from crm.settings import Settings

# A second command can come while `crm up` is still setting the servers up.
PATIENCE_SECONDS = 60.0


def publish(settings: Settings) -> None:
    """Put the addresses into the environment, where `Settings.load` of this process and its children finds them."""
    os.environ["DATABASE_URL"] = settings.database_url
    os.environ["DATABASE_OWNER_URL"] = settings.database_owner_url
    os.environ["REDIS_URL"] = settings.redis_url
    os.environ["CRM_HOME"] = str(settings.home)


def embedded(settings: Settings) -> tuple[PostgresServer | None, ValkeyServer | None]:
    """The servers to start for these settings, not started: one for each address that the operator left out."""
    return (
        None if settings.database_url else PostgresServer(settings.home),
        None if settings.redis_url else ValkeyServer(settings.home),
    )


def with_addresses(settings: Settings, postgres: PostgresServer | None, valkey: ValkeyServer | None) -> Settings:
    """The settings with the addresses of the embedded servers filled in, and an absolute home."""
    filled: dict[str, object] = {"home": make_home(settings.home)}
    if postgres is not None:
        filled |= {"database_url": postgres.url(), "database_owner_url": postgres.url(OWNER_ROLE)}
    if valkey is not None:
        filled["redis_url"] = valkey.url
    return settings.model_copy(update=filled)


def start(stack: ExitStack, postgres: PostgresServer | None, valkey: ValkeyServer | None) -> None:
    """Start what isn't None, make roles and database, and let `stack` stop them again; the lock must be held."""
    if postgres is not None:
        stack.enter_context(postgres)
        postgres.provision()
    if valkey is not None:
        stack.enter_context(valkey)


@contextmanager
def available(settings: Settings, *, command: str) -> Iterator[Settings]:
    """Settings whose servers answer, for the duration of one command.

    Prints and exits with 1 when they can't be started or reached.
    """
    with ExitStack() as stack:
        try:
            postgres, valkey = embedded(settings)
            if postgres is None and valkey is None:
                found = with_addresses(settings, None, None)
            else:
                found = _shared_or_started(stack, settings, postgres, valkey, command=command)
        except EmbeddedError as error:
            raise click.ClickException(str(error)) from error
        publish(found)
        yield found


def _shared_or_started(
    stack: ExitStack,
    settings: Settings,
    postgres: PostgresServer | None,
    valkey: ValkeyServer | None,
    *,
    command: str,
) -> Settings:
    lock = HomeLock(make_home(settings.home), command=command)
    try:
        stack.enter_context(lock)
    except HomeBusyError as error:
        found = with_addresses(settings, postgres, valkey)
        _wait_for(found, error)
        return found
    start(stack, postgres, valkey)
    return with_addresses(settings, postgres, valkey)


def _wait_for(settings: Settings, busy: HomeBusyError) -> None:
    """Wait until the servers that the lock's holder runs answer."""
    patience = time.monotonic() + PATIENCE_SECONDS
    while True:
        problem = database_problem(settings.database_url) or queue_problem(settings.redis_url)
        if not problem:
            return
        if time.monotonic() > patience:
            raise EmbeddedError(f"{busy} But: {problem}")
        time.sleep(0.2)


def database_problem(url: str) -> str:
    """Why the database at `url` doesn't answer, '' when it does."""
    parts = make_url(url)
    try:
        psycopg.connect(
            **{**parts.translate_connect_args(username="user", database="dbname"), **parts.query}, connect_timeout=5
        ).close()
    except psycopg.OperationalError as error:
        return str(error).strip()
    return ""


def queue_problem(url: str) -> str:
    """Why Valkey at `url` doesn't answer, '' when it does."""
    try:
        connect(url).ping()
    except redis.RedisError as error:
        return str(error)
    return ""
