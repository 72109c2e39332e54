"""Lets lines of work take turns in one thread: whoever waits for the network gives way to the others.

A line is an ordinary function that waits only through `wait_for` and `apart`. Beside a hub these two give way; anywhere
else the same code simply waits. Eight threads would fight for one interpreter, which costs more than their work.
"""

import contextvars
import os
import select
import threading
import time
from collections import deque
from collections.abc import Callable, Generator
from typing import Any, Final, TypeVar

import greenlet
import structlog

log = structlog.get_logger(__name__)
T = TypeVar("T")

#: What a line meets that is ended while it waits; no `Exception`, so that no line takes it for its own trouble.
Ended = greenlet.GreenletExit

READ: Final = select.POLLIN
WRITE: Final = select.POLLOUT
_NEVER: Final = float("inf")
_NOBODY: Final = -1


class _Line(greenlet.greenlet):
    """One line of work; it knows whom to give way to."""

    hub: "Hub"
    #: Nobody lets it go on any more: whatever it still waits for, it is ended again.
    is_ended = False


class Hub:
    """Runs lines in turns, in the thread and on the stack of whoever made it ("home").

    Home turns the hub by waiting through it. Every line starts with the first turn after `spawn`. An error of a line
    reaches home with its next turn or sleep, never in the middle of a conversation of home's own, which would take it
    for its own trouble. What is no `Exception` is heard at once.
    """

    def __init__(self) -> None:
        self._home = greenlet.getcurrent()
        self._poll = select.poll()
        self._waiting: dict[int, tuple[_Line | None, float]] = {}
        self._fresh: deque[_Line] = deque()
        self._lines: set[_Line] = set()
        self._failed: deque[Exception] = deque()
        #: No wait ends before this moment.
        self._soonest = _NEVER
        self._threads: _Threads | None = None
        #: Whoever sleeps waits for no descriptor, but under a name of its own.
        self._names = _NOBODY

    @property
    def lines(self) -> int:
        """Lines that have not ended."""
        return len(self._lines)

    @property
    def is_here(self) -> bool:
        """Whether the caller is home or one of the lines: nobody else may wait through this hub."""
        line = greenlet.getcurrent()
        return line.hub is self if isinstance(line, _Line) else line is self._home

    def spawn(self, work: Callable[[], None]) -> None:
        """Let `work` take turns from the next one on."""

        def run() -> None:
            try:
                work()
            except Exception as error:  # noqa: BLE001 - it is home's, whatever it is.
                self._failed.append(error)
            finally:
                self._lines.discard(line)

        line = _Line(run, self._home)
        line.hub = self
        line.gr_context = contextvars.copy_context()
        self._lines.add(line)
        self._fresh.append(line)

    def wait(self, descriptor: int, events: int, *, until: float = _NEVER) -> int:
        """Give way until `descriptor` is ready for one of `events`; for what it is ready, 0 when time is over.

        `until` is the process's monotonic time. Called by home, this turns the hub.
        """
        line = self._current()
        self._poll.register(descriptor, events)
        self._soonest = min(self._soonest, until)
        if line is not None:
            self._waiting[descriptor] = (line, until)
            return self._home.switch()
        self._waiting[descriptor] = (None, until)
        try:
            while not (found := self._turn(until, descriptor)):
                if time.monotonic() >= until:
                    return 0
        finally:
            self._forget(descriptor)
        return found

    def sleep(self, seconds: float) -> None:
        """Give way for so long."""
        self._names -= 1
        until = time.monotonic() + seconds
        line = self._current()
        if line is not None:
            self._soonest = min(self._soonest, until)
            self._waiting[self._names] = (line, until)
            self._home.switch()
            return
        while time.monotonic() < until:
            self.turn(until)

    def turn(self, until: float) -> None:
        """Let all lines go on that can; waits for the first of them until then at most. For home alone."""
        if not self._failed:
            self._turn(until, _NOBODY)
        if self._failed:
            raise self._failed.popleft()

    def finish(self, *, until: float) -> None:
        """Turn until all lines have ended; those that have not by then are ended."""
        try:
            while (self._lines or self._failed) and time.monotonic() < until:
                self.turn(until)
        finally:
            self.close()

    def close(self) -> None:
        """End all lines where they stand; safe to call twice. What nobody can be told any more is logged."""
        self._fresh.clear()
        lines, self._lines = self._lines, set()
        # They close what they wait for, and its number may soon be another's.
        for descriptor in list(self._waiting):
            self._forget(descriptor)
        for line in lines:
            line.is_ended = True
        for line in lines:
            line.throw(Ended)
        if self._threads is not None:
            self._threads.close()
            self._threads = None
        while self._failed:
            log.error("line_failed", exc_info=self._failed.popleft())

    def apart(self, work: Callable[[], T]) -> T:
        """Do something in a thread that waits in a way of its own, and give way meanwhile; for a line alone."""
        line = self._current()
        if self._threads is None:
            self._threads = _Threads()
            self._waiting[self._threads.descriptor] = (None, _NEVER)
            self._poll.register(self._threads.descriptor, READ)
        try:
            self._threads.start(work, line)
        except RuntimeError:
            # There is no thread to be had: rather everybody waits than nobody goes on.
            return work()
        value, error = self._home.switch()
        if error is not None:
            raise error
        return value

    def _current(self) -> _Line | None:
        """The line that is about to wait; None is home."""
        line = greenlet.getcurrent()
        if not isinstance(line, _Line):
            return None
        if line.is_ended:
            raise Ended
        return line

    def _turn(self, until: float, mine: int) -> int:
        """One turn; for what home's own descriptor is ready, when it is."""
        for _ in range(len(self._fresh)):
            self._fresh.popleft().switch()
            # What it did may be what home waits for.
            until = 0.0
        now = time.monotonic()
        left = max(0.0, min(until, self._soonest) - now)
        found = self._poll.poll(None if left == _NEVER else left * 1000)
        ready = 0
        for descriptor, events in found:
            if descriptor == mine:
                # Home goes on after the lines, or those would stand still for as long as it is answered quickly.
                ready = events
            elif descriptor in self._waiting:
                self._go_on(descriptor, events)
        if now + left >= self._soonest:
            self._expire()
        return ready

    def _go_on(self, descriptor: int, events: int) -> None:
        if self._threads is not None and descriptor == self._threads.descriptor:
            for line, result in self._threads.results():
                line.switch(result)
            return
        line, _ = self._waiting[descriptor]
        self._forget(descriptor)
        if line is not None:
            line.switch(events)

    def _expire(self) -> None:
        """Go on with those whose time is over."""
        now = time.monotonic()
        for descriptor, (line, until) in list(self._waiting.items()):
            if until <= now and line is not None and self._waiting.get(descriptor) == (line, until):
                self._forget(descriptor)
                line.switch(0)
        self._soonest = min((until for line, until in self._waiting.values() if line is not None), default=_NEVER)

    def _forget(self, descriptor: int) -> None:
        if self._waiting.pop(descriptor, None) is not None and descriptor >= 0:
            self._poll.unregister(descriptor)


class _Threads:
    """Threads for what can't give way: each does one thing, and its result comes back through a pipe."""

    def __init__(self) -> None:
        self.descriptor, self._bell = os.pipe()
        self._lock = threading.Lock()
        self._results: deque[tuple[Any, tuple[Any, BaseException | None]]] = deque()
        self._is_closed = False

    def start(self, work: Callable[[], Any], line: greenlet.greenlet | None) -> None:
        def run() -> None:
            value, error = None, None
            try:
                value = work()
            except BaseException as raised:  # noqa: BLE001 - it is the line's, whatever it is.
                error = raised
            with self._lock:
                self._results.append((line, (value, error)))
                if not self._is_closed:
                    os.write(self._bell, b"!")

        threading.Thread(target=run, daemon=True).start()

    def results(self) -> list[tuple[Any, tuple[Any, BaseException | None]]]:
        with self._lock:
            os.read(self.descriptor, len(self._results))
            found = list(self._results)
            self._results.clear()
        return found

    def close(self) -> None:
        """Nobody waits for the threads any more; what they still do is lost."""
        with self._lock:
            self._is_closed = True
            self._results.clear()
            os.close(self.descriptor)
            os.close(self._bell)


def wait_for(descriptor: int, events: int, *, until: float) -> bool:
    """Wait until `descriptor` is ready for one of `events`, beside the others in a line of a hub; False is too late."""
    line = greenlet.getcurrent()
    if isinstance(line, _Line):
        return bool(line.hub.wait(descriptor, events, until=until))
    poll = select.poll()
    poll.register(descriptor, events)
    return bool(poll.poll(max(0.0, until - time.monotonic()) * 1000))


def apart(work: Callable[[], T]) -> T:
    """Do something that waits in a way of its own: in a thread when others could go on meanwhile."""
    line = greenlet.getcurrent()
    return line.hub.apart(work) if isinstance(line, _Line) else work()


def drive(hub: Hub, descriptor: int, steps: Generator[int, int, T]) -> T:
    """Run, beside the lines, a conversation that says for what it waits: 1 to read, 2 to write, as in `selectors`."""
    try:
        wanted = next(steps)
        while True:
            found = hub.wait(descriptor, (READ if wanted & 1 else 0) | (WRITE if wanted & 2 else 0))
            # An error or a hang-up shows when somebody reads or writes.
            ready = (1 if found & ~WRITE else 0) | (2 if found & ~READ else 0)
            wanted = steps.send(ready & wanted)
    except StopIteration as end:
        return end.value
