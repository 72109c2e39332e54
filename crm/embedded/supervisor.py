"""Keeps the children of `crm up` alive: starts them in order, restarts what ends, stops all in reverse order."""

import contextlib
import os
import select
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from types import FrameType
from typing import Protocol

from crm.embedded.processes import EmbeddedError, launch

FIRST_PAUSE_SECONDS = 0.5
LONGEST_PAUSE_SECONDS = 30.0
# A child that lived this long starts again at the first pause.
HEALTHY_SECONDS = 60.0
HURRY_SECONDS = 3.0
STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Server(Protocol):
    """A server that the children need: started before them, stopped after them."""

    @property
    def process(self) -> subprocess.Popen[bytes] | None: ...
    def start(self) -> None: ...
    def stop(self) -> None: ...


@dataclass(frozen=True)
class Child:
    """A program to keep running. Equal `stage`s start and stop together; `grace` is its seconds to finish."""

    name: str
    arguments: Sequence[str]
    stage: int
    grace: float = 10.0


@dataclass
class _Slot:
    """A child's current process, or the moment (monotonic seconds) at which to start the next one."""

    child: Child
    process: subprocess.Popen[bytes] | None = None
    started: float = 0.0
    due: float | None = 0.0
    pause: float = FIRST_PAUSE_SECONDS


@dataclass
class _ServerSlot:
    name: str
    server: Server
    due: float | None = None
    pause: float = FIRST_PAUSE_SECONDS
    started: float = field(default_factory=time.monotonic)


class Supervisor:
    """Runs servers that are started already, and children, until a stop signal; use it from the main thread."""

    def __init__(
        self,
        *,
        servers: Mapping[str, Server],
        children: Sequence[Child],
        environment: Mapping[str, str],
        tell: Callable[[str], None],
    ) -> None:
        self._servers = [_ServerSlot(name, server) for name, server in servers.items()]
        self._slots = [_Slot(child) for child in sorted(children, key=lambda child: child.stage)]
        self._environment = environment
        self._tell = tell
        self._stops = 0
        self._wake_read, self._wake_write = os.pipe()
        os.set_blocking(self._wake_write, False)

    def run(self) -> None:
        """Start the children and keep everything alive until SIGINT, SIGTERM or SIGHUP; then stop the children.

        The servers are left running: whoever started them stops them.
        """
        former = {number: signal.getsignal(number) for number in (*STOP_SIGNALS, signal.SIGCHLD)}
        former_descriptor = signal.set_wakeup_fd(self._wake_write, warn_on_full_buffer=False)
        try:
            for number in STOP_SIGNALS:
                signal.signal(number, self._request_stop)
            signal.signal(signal.SIGCHLD, _notice)
            while not self._stops:
                self._tend_servers()
                self._tend_children()
                self._wait(self._next_due())
            self._stop_children()
        finally:
            for number, handler in former.items():
                signal.signal(number, handler)
            signal.set_wakeup_fd(former_descriptor)
            os.close(self._wake_read)
            os.close(self._wake_write)

    def _request_stop(self, _number: int, _frame: FrameType | None) -> None:
        self._stops += 1

    def _wait(self, until: float | None) -> None:
        """Sleep until a signal arrives or the moment `until`."""
        seconds = None if until is None else max(0.0, until - time.monotonic())
        readable, _, _ = select.select([self._wake_read], [], [], seconds)
        if readable:
            with contextlib.suppress(BlockingIOError):
                os.read(self._wake_read, 4096)

    def _next_due(self) -> float | None:
        moments = [slot.due for slot in (*self._slots, *self._servers) if slot.due is not None]
        return min(moments, default=None)

    def _tend_servers(self) -> None:
        for slot in self._servers:
            process = slot.server.process
            now = time.monotonic()
            if slot.due is None and process is not None and process.poll() is not None:
                slot.pause = _next_pause(slot.pause, lived=now - slot.started)
                slot.due = now
                self._tell(f"{slot.name} ended ({_ending(process.returncode)}); starting it again.")
            if slot.due is not None and slot.due <= now:
                try:
                    slot.server.start()
                except EmbeddedError as error:
                    slot.pause = _next_pause(slot.pause, lived=0.0)
                    slot.due = time.monotonic() + slot.pause
                    self._tell(f"{slot.name} can't start, next try in {slot.pause:.0f} s: {error}")
                else:
                    slot.due, slot.started = None, time.monotonic()

    def _tend_children(self) -> None:
        for slot in self._slots:
            now = time.monotonic()
            if slot.process is not None and slot.process.poll() is not None:
                lived = now - slot.started
                slot.due = now + slot.pause if lived < HEALTHY_SECONDS else now + FIRST_PAUSE_SECONDS
                slot.pause = _next_pause(slot.pause, lived=lived)
                ending = _ending(slot.process.returncode)
                self._tell(f"{slot.child.name} ended ({ending}); next start in {slot.due - now:.1f} s.")
                slot.process = None
            if slot.process is None and slot.due is not None and slot.due <= now:
                slot.process = launch(slot.child.arguments, parent_death=signal.SIGTERM, environment=self._environment)
                slot.started, slot.due = now, None

    def _stop_children(self) -> None:
        """Stop stage by stage, last stage first, each child with its seconds; a second stop signal hurries."""
        for stage in sorted({slot.child.stage for slot in self._slots}, reverse=True):
            running = [
                slot
                for slot in self._slots
                if slot.child.stage == stage and slot.process and slot.process.poll() is None
            ]
            began = time.monotonic()
            for slot in running:
                _send(slot.process, signal.SIGTERM)
            while alive := [slot for slot in running if slot.process and slot.process.poll() is None]:
                waited = time.monotonic() - began
                grace = max(HURRY_SECONDS if self._stops > 1 else slot.child.grace for slot in alive)
                for slot in alive:
                    if waited >= (HURRY_SECONDS if self._stops > 1 else slot.child.grace):
                        self._tell(f"{slot.child.name} doesn't finish; ending it.")
                        _kill_group(slot.process)
                self._wait(began + max(grace, waited + 0.1))


def _notice(_number: int, _frame: FrameType | None) -> None:
    """A handler must stand for SIGCHLD, so that it interrupts the wait."""


def _next_pause(pause: float, *, lived: float) -> float:
    return FIRST_PAUSE_SECONDS if lived >= HEALTHY_SECONDS else min(pause * 2, LONGEST_PAUSE_SECONDS)


def _ending(code: int | None) -> str:
    if code is not None and code < 0:
        return f"signal {signal.Signals(-code).name}"
    return f"exit code {code}"


def _send(process: subprocess.Popen[bytes] | None, number: signal.Signals) -> None:
    if process is not None:
        process.send_signal(number)


def _kill_group(process: subprocess.Popen[bytes] | None) -> None:
    """Kill a child with whatever it started in its session."""
    if process is not None and process.poll() is None:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
