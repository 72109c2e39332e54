"""`crm up` with real processes: one address, restarts, an orderly end, and no orphan after a kill."""

import os
import re
import signal
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import psutil
import psycopg
import pytest
import redis
from sqlalchemy import text
from sqlalchemy.engine import make_url

from crm.embedded import PostgresServer, ValkeyServer
from crm.jobs import JobQueue, QueueName

pytestmark = pytest.mark.journey

ROOT = Path(__file__).resolve().parents[2]
START_SECONDS = 120.0


def eventually(condition: Callable[[], object], seconds: float = 60.0) -> bool:
    """Look at a condition until it holds: True then, False when it still doesn't after `seconds`."""
    until = time.monotonic() + seconds
    pause = threading.Event()
    while not condition():
        if time.monotonic() > until:
            return False
        pause.wait(0.05)
    return True


class House:
    """One `crm up` on a home, its output in a file, and the processes below it."""

    def __init__(self, home: Path, *words: str, **variables: str) -> None:
        self.home = home
        self.output = home.parent / f"output-{len(list(home.parent.glob('output-*')))}.txt"
        self.environment = (
            {
                name: value
                for name, value in os.environ.items()
                if name not in {"DATABASE_URL", "DATABASE_OWNER_URL", "REDIS_URL"}
            }
            | {"PYTHONPATH": str(ROOT), "CRM_PASSWORD_HASH_COST": "test"}
            | variables
        )
        with self.output.open("ab") as output:
            self.process = subprocess.Popen(
                self.command("up", "--home", str(home), "--port", "0", *words),
                env=self.environment,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    @staticmethod
    def command(*words: str) -> list[str]:
        return [sys.executable, "-m", "crm", *words]

    def run(self, *words: str) -> subprocess.CompletedProcess[str]:
        """Another `crm` command beside the running house."""
        return subprocess.run(
            self.command(*words), env=self.environment, capture_output=True, text=True, check=False, timeout=120
        )

    def said(self) -> str:
        return self.output.read_text(errors="replace")

    def address(self) -> str:
        """Wait until it says where it runs."""
        pattern = re.compile(r"^Filodiretto is running at (http://\S+)$", re.MULTILINE)
        assert eventually(lambda: pattern.search(self.said()) or self.process.poll() is not None, START_SECONDS)
        found = pattern.search(self.said())
        assert found, self.said()
        return found[1]

    def tree(self) -> dict[int, str]:
        """The processes below this one, by id, with their command lines, parents first."""
        found: dict[int, str] = {}
        with suppress(psutil.NoSuchProcess):
            for child in psutil.Process(self.process.pid).children(recursive=True):
                with suppress(psutil.NoSuchProcess):
                    found[child.pid] = " ".join(child.cmdline())
        return found

    def pids(self, words: str) -> list[int]:
        """The processes below whose command line holds `words`, parents first."""
        return [pid for pid, line in self.tree().items() if words in line]

    def pid_of(self, words: str) -> int:
        """The child that `crm up` itself started with `words`; waits for it."""
        found: list[int] = []
        assert eventually(lambda: found.extend(self.pids(words)) or found), words
        return found[0]

    def answers(self) -> bool:
        """True when the application reaches its database and its queue."""
        try:
            with urllib.request.urlopen(f"{self.address()}/readyz", timeout=5) as answer:  # noqa: S310 - our own.
                return answer.status == 200
        except OSError:
            return False

    def end(self) -> None:
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
            try:
                self.process.wait(60)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    house = House(tmp_path_factory.mktemp("a house") / "with a space")
    try:
        house.address()
        yield house
    finally:
        house.end()


@pytest.fixture
def doomed(tmp_path: Path) -> Iterator[House]:
    """A house of a test's own, to be ended by it: the others keep theirs in whatever order they run."""
    house = House(tmp_path / "a doomed house")
    try:
        house.address()
        yield house
    finally:
        house.end()


def alive(pids: set[int]) -> set[int]:
    """Those of the processes that are neither gone nor zombies."""
    found: set[int] = set()
    for pid in pids:
        with suppress(psutil.NoSuchProcess):
            if psutil.Process(pid).status() != psutil.STATUS_ZOMBIE:
                found.add(pid)
    return found


def test_the_address_it_prints_answers(house: House):
    assert eventually(house.answers)


def test_every_process_of_the_table_runs(house: House):
    for words in ("crm web", "worker --queue outreach", "worker --queue background", "crm clock", "crm sandbox"):
        assert house.pid_of(words)


def test_a_second_start_on_the_same_home_says_where_it_runs_and_ends_with_3(house: House):
    second = house.run("up", "--home", str(house.home), "--port", "0")
    assert second.returncode == 3
    assert house.address() in second.stderr
    assert str(house.process.pid) in second.stderr
    assert eventually(house.answers)


def test_a_second_home_can_not_take_the_same_port(house: House, tmp_path: Path):
    second = house.run("up", "--home", str(tmp_path / "second"), "--port", house.address().rpartition(":")[2])
    assert second.returncode == 1
    assert "Choose another with --port" in second.stderr


def test_other_commands_use_the_running_servers(house: House):
    current = house.run("--home", str(house.home), "db", "current")
    found, wanted = re.fullmatch(r"database (\S+), release (\S+)\n", current.stdout).groups()
    assert found == wanted


def test_running_processes_do_not_know_the_owner(house: House):
    for words in ("crm web", "worker --queue background"):
        environment = Path(f"/proc/{house.pid_of(words)}/environ")
        assert not environment.exists() or b"DATABASE_OWNER_URL" not in environment.read_bytes()


@pytest.mark.parametrize("words", ["worker --queue background", "crm web"])
def test_a_killed_process_is_started_again(house: House, words: str):
    before = house.pid_of(words)
    os.kill(before, signal.SIGKILL)
    assert eventually(lambda: house.pids(words) and before not in house.pids(words))
    assert eventually(house.answers)


def test_a_killed_database_is_started_again_and_the_processes_find_it(house: House):
    before = house.pid_of("postgres -D")
    os.kill(before, signal.SIGKILL)
    assert eventually(lambda: "PostgreSQL ended (signal SIGKILL); starting it again." in house.said())
    where = make_url(PostgresServer(house.home).url("crm_owner"))

    def is_back() -> bool:
        try:
            psycopg.connect(host=where.query["host"], user=where.username, dbname=where.database).close()
        except psycopg.OperationalError:
            return False
        return True

    assert eventually(is_back)
    assert eventually(house.answers)


def test_a_killed_queue_is_started_again_and_the_workers_find_it(house: House):
    queue = JobQueue(ValkeyServer(house.home).url)
    os.kill(house.pid_of("valkey-server"), signal.SIGKILL)
    assert eventually(lambda: "Valkey ended (signal SIGKILL); starting it again." in house.said())

    def listened() -> set[str]:
        try:
            return {name for listener in queue.listeners() for name in listener.queues if alive({listener.pid})}
        except redis.RedisError:
            return set()

    assert eventually(lambda: listened() == {name.value for name in QueueName})
    assert eventually(house.answers)


def test_ctrl_c_ends_everything_a_new_start_finds_the_data_and_a_kill_leaves_no_orphan(doomed: House):
    with psycopg.connect(PostgresServer(doomed.home).url("crm_owner").replace("+psycopg", "")) as connection:
        connection.execute("CREATE TABLE kept AS SELECT 1 AS one")
    below = set(doomed.tree())
    assert len(below) > 6
    # What a terminal does at Ctrl-C: the signal goes to the whole group of the foreground.
    os.killpg(doomed.process.pid, signal.SIGINT)
    assert doomed.process.wait(60) == 0
    assert alive(below) == set()
    again = House(doomed.home)
    try:
        assert again.address()
        with psycopg.connect(PostgresServer(doomed.home).url("crm_owner").replace("+psycopg", "")) as connection:
            assert connection.execute("DROP TABLE kept").statusmessage == "DROP TABLE"
        below = set(again.tree())
        again.process.kill()
        again.process.wait()
        assert eventually(lambda: not alive(below)), [line for pid, line in again.tree().items() if pid in below]
    finally:
        again.end()


def test_with_servers_of_the_operator_s_it_starts_none_and_leaves_them_running(fresh_database, valkey_url, tmp_path):
    house = House(
        tmp_path / "home",
        DATABASE_URL=fresh_database.url,
        DATABASE_OWNER_URL=fresh_database.owner_url,
        REDIS_URL=valkey_url,
    )
    try:
        assert house.address()
        assert eventually(house.answers)
        below = house.tree()
        assert house.pid_of("crm web")
        assert [line for line in below.values() if "postgres -D" in line or "valkey-server" in line] == []
        house.process.send_signal(signal.SIGTERM)
        assert house.process.wait(60) == 0
        assert alive(set(below)) == set()
    finally:
        house.end()
    assert not {"postgres", "valkey"} & {path.name for path in house.home.iterdir()}
    with fresh_database.database.scope() as session:
        assert session.scalar(text("select current_user")) == "crm_app"
    assert redis.Redis.from_url(valkey_url).ping()
