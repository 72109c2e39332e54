"""A house of real processes: PostgreSQL, Valkey, a mail server with a journal, a clock, and workers that get killed."""

import hashlib
import json
import os
import selectors
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from multiprocessing.process import BaseProcess
from pathlib import Path
from uuid import UUID

import pytest
import redis
from factories import outreach
from faults import processes
from sqlalchemy import select

from crm.accounts.models import Workspace
from crm.accounts.rules import Actor, system_actor
from crm.channels.base import ChannelKind
from crm.consent.kinds import Purpose
from crm.contacts.models import Contact, Handle
from crm.db import database_now, new_id
from crm.embedded import ValkeyServer
from crm.jobs import JobQueue, QueueName
from crm.outreach import services
from crm.outreach.models import FrozenContent, Message

SECONDS = 60.0


def until(condition: Callable[[], bool], what: str, *, seconds: float = SECONDS) -> None:
    """Wait until `condition` holds; a look every fiftieth of a second, because a database can't be waited on."""
    pause = threading.Event()
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"waited {seconds:.0f} s for {what}"
        pause.wait(0.02)


@dataclass
class Simulator:
    """The mail server's process and its journal."""

    process: subprocess.Popen[str]
    port: int
    journal: Path

    def entries(self) -> list[dict[str, object]]:
        return [json.loads(line) for line in self.journal.read_text().splitlines()]

    def wait_for(self, number: int) -> None:
        """Return once `number` messages came in; wakes by the server's own output."""
        deadline = time.monotonic() + SECONDS
        with selectors.DefaultSelector() as selector:
            selector.register(self.process.stdout, selectors.EVENT_READ)
            while len(self.entries()) < number:
                assert time.monotonic() < deadline, f"waited for message {number}"
                if selector.select(timeout=0.5):
                    os.read(self.process.stdout.fileno(), 65_536)


@dataclass
class House:
    """One workspace with one account and processes that can be started and killed."""

    database: object
    environment: dict[str, str]
    valkey: ValkeyServer
    home: Path
    workspace_id: UUID = field(default_factory=new_id)
    processes: list[BaseProcess] = field(default_factory=list)

    @property
    def actor(self) -> Actor:
        return system_actor(self.workspace_id)

    def start(self, what: str, *, failpoints: str = "") -> BaseProcess:
        """Start a clock or a worker; a failpoint arms this process only."""
        environment = self.environment | {"CRM_FAILPOINTS": failpoints}
        process = processes.start(what, environment, str(self.home / "processes.log"))
        self.processes.append(process)
        return process

    def clock(self) -> BaseProcess:
        return self.start("clock")

    def worker(self, *, failpoints: str = "") -> BaseProcess:
        return self.start("worker", failpoints=failpoints)

    def worker_that_dies(self, *, failpoints: str) -> None:
        """Start a worker and wait until its failpoint has killed it."""
        process = self.worker(failpoints=failpoints)
        process.join(SECONDS)
        assert process.exitcode == -signal.SIGKILL

    def fill(self, simulator: Simulator, *, number: int) -> None:
        """`number` people with one message each, due now, through the ordinary services."""
        with self.database.scope(self.workspace_id) as session:
            now = database_now(session)
            session.add(Workspace(id=self.workspace_id, name="Lanterna", slug=f"w-{self.workspace_id.hex}"))
            session.flush()
            account = outreach.account(session, self.actor, port=simulator.port, now=now)
            people = [Contact(id=new_id(), display_name=f"Person {n}", sort_name=f"{n:05}") for n in range(number)]
            session.add_all(people)
            session.flush()
            session.add_all(
                Handle(
                    channel="email",
                    address=f"p{n}@example.com",
                    address_norm=f"p{n}@example.com",
                    contact_id=person.id,
                    is_primary=True,
                )
                for n, person in enumerate(people)
            )
            session.flush()
            drafts = [
                services.DraftInput(
                    contact_id=person.id, subject="Ciao {{ contact.name }}", body="Solo per **{{ contact.name }}**."
                )
                for person in people
            ]
            made = services.draft_many(
                session,
                self.actor,
                batch_id=None,
                drafts=drafts,
                purpose=Purpose.PERSONAL,
                channel=ChannelKind.EMAIL,
                account_id=account.id,
                now=now,
            )
            ids = list(made.values())
            services.approve(session, self.actor, message_ids=ids, now=now)
            done = services.schedule(session, self.actor, message_ids=ids, at=now, now=now).done
            assert len(done) == number

    def states(self) -> dict[str, int]:
        found: dict[str, int] = {}
        with self.database.scope(self.workspace_id) as session:
            for state in session.scalars(select(Message.state)):
                found[state] = found.get(state, 0) + 1
        return found

    def state_of(self, reference: object) -> str:
        with self.database.scope(self.workspace_id) as session:
            return session.scalars(select(Message.state).where(Message.reference == reference)).one()

    def wait_until_woken(self) -> None:
        """Wait until the clock has put a job into the queue."""
        queue = JobQueue(self.valkey.url)
        until(lambda: queue.waiting()[QueueName.OUTREACH] > 0, "a wake-up in the queue")

    def wait_until_settled(self) -> dict[str, int]:
        """Wait until nothing is due or under way; returns how many messages ended in which state."""
        waiting = {"scheduled", "claimed", "sending"}
        until(lambda: not waiting & self.states().keys(), "all messages to be settled")
        return self.states()

    def check_journal(self, simulator: Simulator) -> None:
        """Nothing lost, nothing twice, nothing but the approved words."""
        entries = simulator.entries()
        references = [entry["reference"] for entry in entries]
        assert len(references) == len(set(references)), "a message left twice"
        with self.database.scope(self.workspace_id) as session:
            rows = session.execute(
                select(
                    Message.reference,
                    Message.state,
                    FrozenContent.text,
                    FrozenContent.subject,
                    FrozenContent.to_address,
                ).join(FrozenContent, FrozenContent.message_id == Message.id)
            ).all()
        by_reference = {row.reference: row for row in rows}
        for entry in entries:
            row = by_reference[entry["reference"]]
            assert row.state in {"sent", "uncertain"}
            assert entry["text"] == hashlib.sha256(row.text.encode()).hexdigest()
            assert (entry["subject"], entry["recipient"]) == (row.subject, row.to_address)
        assert {row.reference for row in rows if row.state == "sent"} <= set(references)

    def flush_queue_server(self) -> None:
        redis.Redis.from_url(self.valkey.url).flushall()


@pytest.fixture
def house(fresh_database, tmp_path) -> Iterator[House]:
    home = tmp_path / "home"
    home.mkdir()
    with ValkeyServer(home) as valkey:
        environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith("CRM_FAIL")},
            "DATABASE_URL": fresh_database.url,
            "DATABASE_OWNER_URL": fresh_database.owner_url,
            "REDIS_URL": valkey.url,
            "NET_ALLOW": "127.0.0.1",
            "CRM_HOME": str(home),
            "CRM_TEST_SWITCH": "1",
            "CRM_LEASE_SECONDS": "5",
            "CRM_CLOCK_SECONDS": "0.1",
        }
        made = House(fresh_database.database, environment, valkey, home)
        yield made
        for process in made.processes:
            process.kill()
            process.join()
            process.close()


@pytest.fixture
def simulate(tmp_path) -> Iterator[Callable[..., Simulator]]:
    """Start a mail server: `hang_at` is the message it never answers, `pause_ms` its time for each."""
    running: list[subprocess.Popen[str]] = []

    def start(*, hang_at: int = 0, pause_ms: int = 0) -> Simulator:
        journal = tmp_path / "journal"
        process = subprocess.Popen(
            [sys.executable, "-I", str(Path(__file__).with_name("simulator.py")), journal, str(hang_at), str(pause_ms)],
            stdout=subprocess.PIPE,
            text=True,
        )
        running.append(process)
        return Simulator(process, int(process.stdout.readline()), journal)

    yield start
    for process in running:
        process.kill()
        process.wait()
        process.stdout.close()
