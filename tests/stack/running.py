"""A house of real processes: one `crm up` on a home of its own, and what a test asks of it from outside."""

import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from pathlib import Path
from typing import TypeVar

import psycopg
from factories.outreach import ALWAYS_OPEN

from crm.channels.sandbox import Letter, SandboxStore
from crm.embedded import PostgresServer

ROOT = Path(__file__).parents[2]
START_SECONDS = 180.0
WAIT_SECONDS = 90.0
T = TypeVar("T")
SITE = "127.0.0.2"
VARIABLES = {
    "PYTHONPATH": str(ROOT),
    "CRM_PASSWORD_HASH_COST": "test",
    "CRM_UNDO_SECONDS": "1",
    "CRM_CLOCK_SECONDS": "0.2",
    # The website of a test; every other address of this machine stays out of reach.
    "NET_ALLOW": SITE,
}


def until(look: Callable[[], T], what: str, *, seconds: float = WAIT_SECONDS) -> T:
    """Look again and again until there is something to see; its value."""
    pause = threading.Event()
    deadline = time.monotonic() + seconds
    while not (found := look()):
        assert time.monotonic() < deadline, f"waited {seconds:.0f} s for {what}"
        pause.wait(0.1)
    return found


class Stack:
    """PostgreSQL, Valkey, web, workers, clock and the sandbox's mail server, started and stopped by `crm up`."""

    def __init__(self, folder: Path, *words: str) -> None:
        self.home = folder / "home"
        self.output = folder / "output.txt"
        taken = {"DATABASE_URL", "DATABASE_OWNER_URL", "REDIS_URL", "CRM_SECRET_KEY", "CRM_CHANNEL_KEY"}
        self.environment = {
            **{name: value for name, value in os.environ.items() if name not in taken},
            **VARIABLES,
            "CRM_HOME": str(self.home),
        }
        with self.output.open("wb") as output:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "crm", "up", "--port", "0", *words],
                env=self.environment,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def said(self) -> str:
        """What the processes printed so far."""
        return self.output.read_text(errors="replace")

    def started(self) -> "Stack":
        """Wait until it says where it runs and, with a demo, how to sign in."""
        pattern = re.compile(
            r"^Filodiretto is running at (http://\S+)\n(?:(\S+@\S+)  (\S+)\n)?Stop it with Ctrl-C", re.MULTILINE
        )
        found = until(
            lambda: pattern.search(self.said()) or self.process.poll() is not None,
            "the start",
            seconds=START_SECONDS,
        )
        assert isinstance(found, re.Match), self.said()
        self.address, self.email, self.password = found.groups()
        self.open_at_night()
        return self

    def open_at_night(self) -> None:
        """Let the workspaces that are there send always: a test may run at any minute, and on a holiday."""
        sockets = str(PostgresServer(self.home).sockets)
        with psycopg.connect(host=sockets, user="postgres", dbname="crm", autocommit=True) as connection:
            columns = ", ".join(f"{name} = %({name})s" for name in ALWAYS_OPEN)
            connection.execute(f"update workspace set {columns}", ALWAYS_OPEN)  # noqa: S608 - names of our own.

    def letter(self, address: str) -> tuple[Letter, EmailMessage]:
        """The one mail that really arrived for `address` at the sandbox's mail server, and what stands in it."""
        store = SandboxStore(self.home)
        letters = until(lambda: [one for one in store._all() if one.recipient == address], f"a letter to {address}")
        assert len(letters) == 1
        raw = (self.home / "sandbox" / f"{letters[0].id}.eml").read_bytes()
        return letters[0], message_from_bytes(raw, policy=default)

    def crm(self, *words: str) -> str:
        """Run another `crm` command beside it; what it printed."""
        done = subprocess.run(
            [sys.executable, "-m", "crm", *words],
            env=self.environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    def stop(self) -> None:
        """Stop as Ctrl-C does, and wait for all of it."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
            try:
                self.process.wait(90)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
