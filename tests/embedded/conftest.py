"""A home of its own for each test, and a way to run programs as their own processes."""

import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from crm.embedded.processes import program_of

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that a system user may pass through, as root's own temp folders are closed."""
    folder = tmp_path_factory.mktemp("home")
    for parent in (folder, *folder.parents):
        if parent.stat().st_uid == os.geteuid() and not parent.stat().st_mode & 0o001:
            parent.chmod(parent.stat().st_mode | 0o011)
    return folder / "instance"


@pytest.fixture
def start_program():
    """Start Python source in a process of its own; whatever still runs at the end, or after a minute, is killed."""
    started: list[tuple[subprocess.Popen[str], threading.Timer]] = []

    def start(source: str, *arguments: object) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, "-c", source, *map(str, arguments)],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env=os.environ | {"PYTHONPATH": str(ROOT)},
            start_new_session=True,
        )
        # So that a test that waits for words which never come fails, and doesn't hang.
        watchdog = threading.Timer(60.0, process.kill)
        watchdog.start()
        started.append((process, watchdog))
        return process

    yield start
    for process, watchdog in started:
        watchdog.cancel()
        watchdog.join()
        process.kill()
        process.wait()
        if process.stdout is not None:
            process.stdout.close()


@pytest.fixture
def eventually():
    """Look at a condition until it holds: True then, False when it still doesn't after `seconds`."""

    def look(condition: Callable[[], object], seconds: float = 20.0) -> bool:
        until = time.monotonic() + seconds
        pause = threading.Event()
        while not condition():
            if time.monotonic() > until:
                return False
            pause.wait(0.02)
        return True

    return look


@pytest.fixture
def is_running():
    """True while a process exists and isn't a zombie."""
    return lambda pid: bool(program_of(pid))
