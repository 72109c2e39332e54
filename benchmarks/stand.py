"""What all benchmarks stand on: an embedded PostgreSQL, durable as in daily use, and a workspace of the wanted size."""

import os
import platform
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from uuid import UUID

import psycopg
from alembic import command
from alembic.config import Config
from sqlalchemy import select

from crm import wiring
from crm.accounts.kinds import ActorKind, Role
from crm.accounts.models import Membership, User, Workspace
from crm.accounts.rules import Actor
from crm.db import Database, new_id
from crm.embedded import PostgresServer

ROOT = Path(__file__).parents[1]
ADDRESS = "bench@example.com"


@dataclass
class Stand:
    """A running server with the schema, and how to make what a benchmark needs in it."""

    server: PostgresServer
    database: Database
    home: Path
    contacts: int
    interactions: int
    seed_seconds: float | None = field(default=None)

    @property
    def url(self) -> str:
        return self.server.url()

    def owner(self) -> psycopg.Connection:
        """A connection as the owner of the tables, in autocommit."""
        return psycopg.connect(self.server.url("crm_owner").replace("+psycopg", ""), autocommit=True)

    def seeded(self) -> Actor:
        """The owner of the seeded workspace, which is filled by the command line when it is not there yet."""
        slug = f"seed-{self.contacts}-{self.interactions}"
        if self._workspace(slug) is None:
            size = ("--contacts", str(self.contacts), "--interactions", str(self.interactions))
            # Whoever fills an empty database wants it for themselves.
            self.database.dispose()
            started = time.monotonic()
            subprocess.run(
                [sys.executable, "-m", "crm", "seed", *size, "--workspace", slug], cwd=ROOT, check=True, env=self.env()
            )
            self.seed_seconds = time.monotonic() - started
            self.settle()
        found = self._workspace(slug)
        assert found is not None
        return self._owned(found)

    def empty(self, name: str) -> Actor:
        """The owner of a fresh workspace."""
        workspace_id = new_id()
        with self.database.scope(workspace_id) as session:
            slug = f"{name}-{workspace_id.hex[-12:]}"
            session.add(Workspace(id=workspace_id, name=name, slug=slug, locale="en", set_up_at=None))
        return self._owned(workspace_id)

    def settle(self) -> None:
        """Statistics and visibility as autovacuum leaves them after a while."""
        with self.owner() as connection:
            connection.execute("vacuum analyze")

    def env(self) -> dict[str, str]:
        return {
            **os.environ,
            "DATABASE_URL": self.url,
            "DATABASE_OWNER_URL": self.server.url("crm_owner"),
            "REDIS_URL": "redis://127.0.0.1:1/0",
            "NET_ALLOW": "127.0.0.1",
            "CRM_HOME": str(self.home),
        }

    def _workspace(self, slug: str) -> UUID | None:
        with psycopg.connect(self.server.superuser_url("crm").replace("+psycopg", "")) as connection:
            found = connection.execute("select id from workspace where slug = %s", [slug]).fetchone()
        return found[0] if found else None

    def _owned(self, workspace_id: UUID) -> Actor:
        with self.database.scope(workspace_id) as session:
            user = session.scalars(select(User).where(User.email_norm == ADDRESS)).one_or_none()
            if user is None:
                user = User(email=ADDRESS, email_norm=ADDRESS, name="Bench", fs_uniquifier=new_id().hex, locale="en")
                session.add(user)
                session.flush()
            if session.scalars(select(Membership.id).where(Membership.user_id == user.id)).first() is None:
                session.add(Membership(user_id=user.id, role=Role.OWNER))
            return Actor(workspace_id=workspace_id, kind=ActorKind.USER, role=Role.OWNER, user_id=user.id, name="Bench")


@contextmanager
def stand(home: Path, *, contacts: int, interactions: int) -> Iterator[Stand]:
    """Start the server in `home` with the newest schema, and stop it at the end."""
    with PostgresServer(home) as server:
        server.provision()
        config = Config(toml_file=str(ROOT / "pyproject.toml"))
        config.attributes.update(owner_url=server.url("crm_owner"), app_role="crm_app")
        command.upgrade(config, "head")
        database = Database(server.url(), handlers=wiring.handlers())
        made = Stand(server, database, home, contacts, interactions)
        os.environ.update(made.env())
        os.environ.setdefault("CRM_SECRET_KEY", "bench-secret-key")
        os.environ.setdefault("CRM_CHANNEL_KEY", "YmVuY2gtY2hhbm5lbC1rZXktMzItYnl0ZXMtbG9uZyEhISE")
        try:
            yield made
        finally:
            database.dispose()


def machine() -> str:
    """Processor, cores, memory, and the versions that matter."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    model = next(
        (
            line.partition(":")[2].strip()
            for line in Path("/proc/cpuinfo").read_text().splitlines()
            if "model name" in line
        ),
        platform.machine(),
    )
    return f"{model}, {os.cpu_count()} cores, {memory:.0f} GB, Python {platform.python_version()}"


def table(head: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """Print a table as Markdown."""
    print("| " + " | ".join(head) + " |")
    print("|" + "---|" * len(head))
    for row in rows:
        print("| " + " | ".join(str(cell) for cell in row) + " |")
    sys.stdout.flush()


def percentile(values: Sequence[float], share: float) -> float:
    """The value that `share` of the values don't exceed."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def alternating(rounds: int, **ways: Callable[[], float]) -> dict[str, float]:
    """The median of each way over `rounds`, run in turns, so that a change of load meets all of them."""
    found: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(rounds):
        for name, way in ways.items():
            found[name].append(way())
    return {name: statistics.median(values) for name, values in found.items()}
