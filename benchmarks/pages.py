"""Server time of the list, the contact page and search, through the real application in one process, one at a time."""

import random
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from flask.testing import FlaskClient
from sqlalchemy import Engine, event, select

from benchmarks.stand import Stand, percentile, table
from crm.accounts.models import User
from crm.accounts.rules import Actor
from crm.accounts.services import browsers
from crm.app import create_app
from crm.cli.processes import loading
from crm.contacts.models import Contact
from crm.db import Database, database_now
from crm.desk.seed import FIRST_NAMES, LAST_NAMES
from crm.embedded import ValkeyServer
from crm.settings import Settings

WARM_UP, ROUNDS = 10, 100


@dataclass
class Watch:
    """Statements since the last reset: how many, their time together, and every time of each text."""

    count: int = 0
    seconds: float = 0.0
    texts: dict[str, tuple[Any, list[float]]] = field(default_factory=dict)
    _started: dict[int, float] = field(default_factory=dict)

    def on(self, engine: Engine) -> None:
        event.listen(engine, "before_cursor_execute", self._before)
        event.listen(engine, "after_cursor_execute", self._after)

    def reset(self) -> None:
        self.count, self.seconds = 0, 0.0

    def slowest(self) -> tuple[float, str, Any]:
        """(median seconds, text, the last parameters) of the statement that usually takes longest."""
        medians = ((statistics.median(times), text, given) for text, (given, times) in self.texts.items())
        return max(medians, key=lambda entry: entry[0])

    def _before(self, _connection: Any, cursor: Any, *_rest: Any) -> None:
        self._started[id(cursor)] = time.perf_counter()

    def _after(self, _connection: Any, cursor: Any, statement: str, parameters: Any, *_rest: Any) -> None:
        taken = time.perf_counter() - self._started.pop(id(cursor))
        self.count += 1
        self.seconds += taken
        self.texts.setdefault(statement, (parameters, []))[1].append(taken)


@dataclass
class Run:
    """What the requests for one kind of page took: seconds, seconds in the database, statements."""

    taken: list[float] = field(default_factory=list)
    database: list[float] = field(default_factory=list)
    statements: list[int] = field(default_factory=list)


def measure(stand: Stand) -> None:
    actor = stand.seeded()
    random_one = random.Random(1)
    with ValkeyServer(stand.home) as valkey:
        settings = Settings.load(redis_url=valkey.url)
        database = Database(stand.url, handlers=stand.database.handlers)
        watch = Watch()
        watch.on(database.engine)
        with loading():
            app = create_app(settings, database=database)
        client = signed_in(app.test_client(), database, actor)
        with database.scope(actor.workspace_id) as session:
            people = list(session.scalars(select(Contact.id).order_by(Contact.id).limit(5 * ROUNDS)))
            people += list(session.scalars(select(Contact.id).order_by(Contact.id.desc()).limit(5 * ROUNDS)))
            addresses = list(session.scalars(select(Contact.email).order_by(Contact.id).limit(5 * ROUNDS)))
        pages: dict[str, Callable[[], str]] = {
            "list by name": lambda: "/contacts",
            "list by last exchange": lambda: "/contacts?sort=last_exchange",
            "list, newest first": lambda: "/contacts?sort=newest",
            "contact page": lambda: f"/contacts/{random_one.choice(people)}",
            "search: first and last name": lambda: f"/search?q={random_one.choice(FIRST_NAMES)} {_last(random_one)}",
            "search: last name": lambda: f"/search?q={_last(random_one)}",
            "search: e-mail": lambda: f"/search?q={random_one.choice(addresses)}",
            "search: misspelt name": lambda: f"/search?q={_misspelt(random_one)}",
        }
        rows = []
        for name, address in pages.items():
            paths = [address() for _ in range(WARM_UP + ROUNDS)]
            first, run = _run(client, watch, paths), _run(client, watch, paths)
            times = (
                percentile(first.taken, 0.95), statistics.median(run.taken), percentile(run.taken, 0.95),
                statistics.median(run.database),
            )  # fmt: skip
            rows.append((name, *(f"{seconds * 1000:.0f} ms" for seconds in times), max(run.statements)))
        table(["page", "first time: p95", "again: median", "p95", "in the database (median)", "statements"], rows)
        explain(stand, actor, *watch.slowest())
        database.dispose()


def signed_in(client: FlaskClient, database: Database, actor: Actor) -> FlaskClient:
    """The client with the cookie of a signed-in browser."""
    with database.scope(actor.workspace_id) as session:
        now = database_now(session)
        assert actor.user_id is not None
        key = browsers.start(session, user_id=actor.user_id, ip="127.0.0.1", agent="bench", now=now)
        uniquifier = session.scalars(select(User.fs_uniquifier).where(User.id == actor.user_id)).one()
    with client.session_transaction() as cookie:
        cookie.update(
            _user_id=uniquifier, _fresh=True, fs_cc="set", fs_paa=time.time(), key=key,
            workspace_id=str(actor.workspace_id),
        )  # fmt: skip
    return client


def explain(stand: Stand, actor: Actor, seconds: float, statement: str, parameters: Any) -> None:
    """Print the plan of a statement, as the application's role."""
    print(f"\nThe slowest statement (median {seconds * 1000:.0f} ms):\n\n```\n{statement.strip()}\n")
    with stand.database.scope(actor.workspace_id) as session:
        plan = session.connection().exec_driver_sql(f"explain (analyze, costs off, timing off) {statement}", parameters)
        print("\n".join(plan.scalars()) + "\n```")


def _run(client: FlaskClient, watch: Watch, paths: list[str]) -> Run:
    run = Run()
    for number, path in enumerate(paths):
        watch.reset()
        started = time.perf_counter()
        answer = client.get(path)
        seconds = time.perf_counter() - started
        assert answer.status_code == 200, answer.status
        if number >= WARM_UP:
            run.taken.append(seconds)
            run.database.append(watch.seconds)
            run.statements.append(watch.count)
    return run


def _last(source: random.Random) -> str:
    return source.choice(LAST_NAMES)


def _misspelt(source: random.Random) -> str:
    name = _last(source)
    place = source.randrange(1, len(name) - 1)
    return name[:place] + name[place + 1 :]
