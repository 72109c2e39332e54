"""The clock and the worker as processes of their own: forked from a server that has imported everything already.

Starting Python anew for each would cost seconds a run; the processes are as real, and die as really. Each leads a
process group, so that a whole group can be killed.
"""

import multiprocessing
import os
import signal
from collections.abc import Mapping
from contextlib import suppress
from enum import StrEnum
from multiprocessing.context import ForkServerProcess
from pathlib import Path

from crm.embedded.launch import follow_parent

CONTEXT = multiprocessing.get_context("forkserver")
CONTEXT.set_forkserver_preload(["crm.wiring", "workers.clock", "workers.outreach", "workers.process"])


class Part(StrEnum):
    """What can be started: the clock, the sender as it ships, and one that runs every job in a fork."""

    CLOCK = "clock"
    WORKER = "worker"
    FORKING = "forking"


def start(part: Part, environment: Mapping[str, str], log: Path, *, ahead: float = 0.0) -> ForkServerProcess:
    """Start a part with exactly this environment; its output goes to `log`.

    `ahead` is how many seconds its wall clock goes before everybody else's; negative is behind.
    """
    process = CONTEXT.Process(target=_main, args=(part, dict(environment), str(log), ahead), daemon=True)
    process.start()
    return process


def _main(part: Part, environment: dict[str, str], log: str, ahead: float) -> None:
    os.setsid()
    follow_parent(signal.SIGKILL)
    output = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    os.dup2(output, 1)
    os.dup2(output, 2)
    os.environ.clear()
    os.environ.update(environment)
    import threading

    from crm.chaos.wall_clock import shift
    from crm.jobs import QueueName
    from crm.settings import Settings
    from crm.web import logs
    from workers import clock, process

    shift(ahead)
    settings = Settings.load()
    logs.init(level="INFO", as_json=True)
    if part is Part.CLOCK:
        clock.run(settings, threading.Event())
    else:
        process.work(settings, QueueName.OUTREACH, forks=part is Part.FORKING)


def state_of(pid: int) -> str:
    """The kernel's letter for a process ("T" is stopped, "Z" dead and not collected); "" when there is none."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return ""
    return text.rpartition(")")[2].split()[0]


def children_of(pid: int) -> list[int]:
    """The living children of a process."""
    try:
        words = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    except OSError:
        return []
    return [child for child in map(int, words) if state_of(child) not in {"", "Z"}]


def send(pid: int, number: signal.Signals) -> None:
    """Send a signal to a process that may be gone."""
    with suppress(ProcessLookupError):
        os.kill(pid, number)


def send_group(pid: int, number: signal.Signals) -> None:
    """Send a signal to the whole group that the process leads."""
    with suppress(ProcessLookupError):
        os.killpg(pid, number)
