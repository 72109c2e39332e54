"""A real PostgreSQL with the schema made by the migrations, and sessions that leave nothing behind."""

import gc
import os
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID

import psycopg
import pytest
from alembic import command
from alembic.config import Config
from flask import Flask
from hypothesis import HealthCheck
from hypothesis import settings as hypothesis_settings
from jinja2 import FileSystemBytecodeCache
from mailboxes import mail_server
from postfix import post_office
from sqlalchemy import Connection
from sqlalchemy.engine import make_url
from sqlalchemy.orm import Session
from stack.chromium import chromium
from stack.homes import short_home

from crm import wiring
from crm.accounts import limits
from crm.accounts.kinds import ActorKind, Role
from crm.accounts.models import Membership, User, Workspace
from crm.accounts.rules import Actor
from crm.accounts.services import browsers
from crm.app import create_app
from crm.db import Database, WorkspaceSession, database_now, enter_workspace, new_id
from crm.embedded import PostgresServer, ValkeyServer
from crm.jobs import JobName
from crm.settings import Settings

__all__ = ["chromium", "mail_server", "post_office"]

ROOT = Path(__file__).parent.parent
TEMPLATE = "crm_template"

# Services read the process's settings; a run must neither depend on the developer's home nor write into it.
os.environ.update(
    CRM_SECRET_KEY="test-secret-key", CRM_CHANNEL_KEY="dGVzdC1jaGFubmVsLWtleS0zMi1ieXRlcy1sb25nISE", CRM_HOME=os.devnull
)

# Where every change must pass, a failure can be repeated: the same data in each run. Elsewhere they are new each time.
hypothesis_settings.register_profile(
    "suite",
    deadline=None,
    derandomize=bool(os.environ.get("CI")),
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
hypothesis_settings.load_profile("suite")


def migrate(server: PostgresServer, database: str) -> None:
    """Bring `database` to the newest revision, policies and grants included."""
    config = Config(toml_file=str(ROOT / "pyproject.toml"))
    config.attributes.update(owner_url=server.url("crm_owner", database), app_role="crm_app")
    command.upgrade(config, "head")


class SharedServer:
    """The server of this test run: started once, by the process that controls the workers."""

    def __init__(self) -> None:
        self.home = short_home("crm-test-")
        self.server = PostgresServer(self.home, fast=True)
        self.server.start()
        self.server.provision(TEMPLATE)
        migrate(self.server, TEMPLATE)

    def stop(self) -> None:
        self.server.stop()
        shutil.rmtree(self.home, ignore_errors=True)


_shared: SharedServer | None = None


def _controls_workers(config: pytest.Config) -> bool:
    return not hasattr(config, "workerinput") and bool(config.getoption("numprocesses", default=None))


def pytest_configure(config: pytest.Config) -> None:
    global _shared  # noqa: PLW0603 - pytest hooks share state through the module.
    if _controls_workers(config) and not config.option.collectonly:
        _shared = SharedServer()
        os.environ["CRM_TEST_POSTGRES"] = str(_shared.home)
    if home := os.environ.get("CRM_TEST_POSTGRES"):
        # Many applications in several processes show the same templates: each of these is compiled once in a run.
        compiled = Path(home) / "templates"
        compiled.mkdir(exist_ok=True)
        Flask.jinja_options = {"bytecode_cache": FileSystemBytecodeCache(str(compiled))}


def pytest_unconfigure(config: pytest.Config) -> None:
    global _shared  # noqa: PLW0603 - pytest hooks share state through the module.
    if _shared is not None and not hasattr(config, "workerinput"):
        _shared.stop()
        _shared = None


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Begin with what takes long, so that no worker is left alone with it at the end.

    Each worker is given an equal part, in order. The first begins with all that shares the browser and the running
    house, the next with the other tests that start processes, the last with the faults, which mostly wait for a lease.
    """
    workers = getattr(config, "workerinput", {}).get("workercount", 1)
    browser, processes, faults, short = [], [], [], []
    for item in items:
        if {"chromium", "stack"} & set(getattr(item, "fixturenames", ())):
            browser.append(item)
        elif item.get_closest_marker("journey"):
            (faults if "faults" in item.path.parts else processes).append(item)
        else:
            short.append(item)
    heads = [browser, processes, faults] if workers > 2 else [browser, [*faults, *processes]]
    part, ordered = len(items) // max(workers, 1), []
    for head in heads:
        ordered += head
        filling = max(0, part - len(head)) if head is not heads[-1] else len(short)
        ordered += short[:filling]
        short = short[filling:]
    items[:] = ordered


def pytest_collection_finish() -> None:
    """Keep what the collection made out of each full garbage collection: a quarter of the run went into those."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(5_000, 20, 20)


@pytest.fixture(scope="session")
def postgres() -> PostgresServer:
    """The running test server (started on first use when there are no parallel workers)."""
    global _shared  # noqa: PLW0603 - stopped by pytest_unconfigure.
    home = os.environ.get("CRM_TEST_POSTGRES")
    if home:
        return PostgresServer(Path(home), fast=True)
    if _shared is None:
        _shared = SharedServer()
    return _shared.server


@contextmanager
def cloned(server: PostgresServer, name: str) -> Iterator[str]:
    """A database of its own, copied from the migrated template and dropped afterwards."""
    parts = make_url(server.superuser_url())
    with psycopg.connect(
        host=parts.query["host"], user=parts.username, dbname=parts.database, autocommit=True
    ) as admin:
        # Copying the files takes half as long as writing them through the log, which this server doesn't keep anyway.
        admin.execute(f'create database "{name}" template {TEMPLATE} owner crm_owner strategy file_copy')
        try:
            yield name
        finally:
            admin.execute(f'drop database "{name}" with (force)')


@pytest.fixture(scope="session")
def database(postgres: PostgresServer) -> Iterator[Database]:
    """This worker's database, as the application's role."""
    with cloned(postgres, f"crm_{new_id().hex}") as name:
        database = Database(postgres.url(database=name), handlers=wiring.handlers())
        yield database
        database.dispose()


@dataclass(frozen=True)
class FreshDatabase:
    """A committed database for one test: several connections or processes may use it."""

    url: str
    owner_url: str
    database: Database


@pytest.fixture
def fresh_database(postgres: PostgresServer) -> Iterator[FreshDatabase]:
    with cloned(postgres, f"crm_{new_id().hex}") as name:
        database = Database(postgres.url(database=name), handlers=wiring.handlers())
        yield FreshDatabase(postgres.url(database=name), postgres.url("crm_owner", name), database)
        database.dispose()


@pytest.fixture(scope="session")
def valkey_url() -> Iterator[str]:
    home = short_home("crm-valkey-")
    with ValkeyServer(home) as server:
        yield server.url
    shutil.rmtree(home, ignore_errors=True)


class OuterTransactionDatabase(Database):
    """Opens every session as a savepoint of one outer transaction, so that a test leaves nothing behind."""

    def __init__(self, connection: Connection, database: Database) -> None:
        self.engine = database.engine
        self.handlers = database.handlers
        self._connection = connection

    @classmethod
    def nowhere(cls) -> "OuterTransactionDatabase":
        """Stands where a test's database will be put; opening a session of it is a mistake."""
        return cls.__new__(cls)

    def session(self, workspace_id: UUID | None = None) -> Session:
        session = WorkspaceSession(
            bind=self._connection, join_transaction_mode="create_savepoint", expire_on_commit=False
        )
        session.info.update(workspace_id=workspace_id, handlers=self.handlers, database=self)
        return session

    def dispose(self) -> None:
        """The engine belongs to the whole run."""


@pytest.fixture
def transaction(database: Database) -> Iterator[OuterTransactionDatabase]:
    with database.engine.connect() as connection:
        outer = connection.begin()
        yield OuterTransactionDatabase(connection, database)
        outer.rollback()


@pytest.fixture
def now() -> datetime:
    """A Monday morning."""
    return datetime(2026, 11, 23, 10, 0, tzinfo=UTC)


@dataclass(frozen=True)
class House:
    """A workspace with its owner."""

    workspace: Workspace
    user: User
    actor: Actor


def make_house(session: Session, *, name: str, role: Role = Role.OWNER) -> House:
    """A workspace named `name` with one user in `role`; leaves the session in that workspace."""
    workspace_id = new_id()
    enter_workspace(session, workspace_id)
    workspace = Workspace(id=workspace_id, name=name, slug=f"w-{workspace_id.hex[-12:]}", locale="en")
    address = f"{new_id().hex}@example.com"
    user = User(email=address, email_norm=address, name="Giulia Ferri", fs_uniquifier=new_id().hex, locale="en")
    session.add_all([workspace, user])
    session.flush()
    session.add(Membership(user_id=user.id, role=role))
    session.flush()
    actor = Actor(
        workspace_id=workspace_id, kind=ActorKind.USER, role=role, user_id=user.id, name=user.name, locale="en"
    )
    return House(workspace, user, actor)


@pytest.fixture
def session(transaction: OuterTransactionDatabase) -> Iterator[Session]:
    session = transaction.session()
    yield session
    session.close()


@pytest.fixture
def other_house(session: Session) -> House:
    """A second workspace; the session works for the first one again when both are asked for."""
    return make_house(session, name="Altra Bottega")


@pytest.fixture
def house(session: Session, request: pytest.FixtureRequest) -> House:
    if "other_house" in request.fixturenames:
        request.getfixturevalue("other_house")
    return make_house(session, name="Lanterna Dati")


@pytest.fixture
def workspace(house: House) -> Workspace:
    return house.workspace


@pytest.fixture
def actor(house: House) -> Actor:
    return house.actor


@pytest.fixture
def other_actor(other_house: House) -> Actor:
    return other_house.actor


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings.load(
        home=tmp_path / "home",
        secret_key="test-secret-key",
        channel_key="dGVzdC1jaGFubmVsLWtleS0zMi1ieXRlcy1sb25nISE",
        password_hash_cost="test",
        undo_seconds=15,
    )


class RecordedJobs:
    """Notes which workers would be woken, instead of waking them; journeys use the real queue."""

    def __init__(self) -> None:
        self.rung: list[tuple[JobName, dict[str, object]]] = []

    def enqueue(self, name: JobName, *, id: str, **ids: object) -> bool:  # noqa: A002, ARG002 - the queue's own name.
        self.rung.append((name, ids))
        return True

    def wake(self, account_id: UUID, *, workspace_id: UUID) -> bool:
        return self.enqueue(
            JobName.SEND_DUE, id=f"account:{account_id}", account_id=account_id, workspace_id=workspace_id
        )


@pytest.fixture
def jobs() -> RecordedJobs:
    return RecordedJobs()


TEST_CONFIG = {"TESTING": True, "WTF_CSRF_ENABLED": False}


@pytest.fixture(scope="session")
def shared_app(tmp_path_factory: pytest.TempPathFactory):
    """One application for most tests of a run: making one costs more than a page does."""
    home = tmp_path_factory.mktemp("shared-home")
    settings = Settings.load(home=home, secret_key="test-secret-key", password_hash_cost="test")
    app = create_app(settings, database=OuterTransactionDatabase.nowhere(), jobs=RecordedJobs())
    return app, dict(app.config)


@pytest.fixture
def lent(shared_app, settings: Settings, jobs: RecordedJobs):
    """Hand out the shared application over a database, with this test's queue and settings and `config`.

    Rate limits are off but for `limited`, and counted from nothing. A test that adds routes, needs two applications or
    other settings at the start makes its own.
    """
    app, config = shared_app

    def lend(database: Database, *, limited: bool = False, **given: object):
        app.config.clear()
        app.config.update(config, **given)
        app.extensions.update(crm_database=database, crm_jobs=jobs, crm_settings=settings)
        if limited:
            # The limiter is one for the whole process; this makes it forget what it counted, and where.
            limits.init_app(Flask("limits"), settings)
        limits.limiter.enabled = limited
        return app

    yield lend
    limits.limiter.enabled = True


@pytest.fixture
def app(lent, transaction: OuterTransactionDatabase):
    """The shared application with this test's database, queue and settings; rate limits are off."""
    return lent(transaction, **TEST_CONFIG)


@pytest.fixture
def own_app(transaction: OuterTransactionDatabase, settings: Settings, jobs: RecordedJobs):
    """An application of this test's own, with everything switched on as in production but CSRF."""
    app = create_app(settings, database=transaction, jobs=jobs)
    app.config.update(TEST_CONFIG)
    return app


@pytest.fixture
def anonymous(app):
    """A browser that is not signed in."""
    return app.test_client()


@pytest.fixture
def signed_in(app, session: Session):
    """Make a browser signed in as a house's user, as `POST /sign-in` would (which has tests of its own)."""

    def sign_in(house: House):
        client = app.test_client()
        key = browsers.start(session, user_id=house.user.id, ip="127.0.0.1", agent="test", now=database_now(session))
        with client.session_transaction() as cookie:
            cookie.update(
                _user_id=house.user.fs_uniquifier,
                _fresh=True,
                fs_cc="set",
                fs_paa=time.time(),
                key=key,
                workspace_id=str(house.workspace.id),
            )
        return client

    return sign_in


@pytest.fixture
def client(signed_in, house: House):
    """A browser signed in as the owner."""
    return signed_in(house)
