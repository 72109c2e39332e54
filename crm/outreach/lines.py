"""Owns the sender threads of one account: each keeps one connection, takes started messages, gives back outcomes."""

import queue
import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Final

import structlog

from crm.channels.base import Adapter, Outbound, Outcome, OutcomeKind
from crm.failpoints import Failpoint, reach
from crm.outreach.services.outcomes import Finished, Started

log = structlog.get_logger(__name__)

#: Connections per account and process: what a mail server takes from one client without complaint.
CONNECTIONS: Final = 8


_LEASE_OVER: Final = Outcome(kind=OutcomeKind.RETRY_LATER, code="lease_over")


def steady() -> float:
    """Seconds on a clock that nobody sets and that goes on while the machine sleeps, where the system has one."""
    return time.clock_gettime(time.CLOCK_BOOTTIME) if hasattr(time, "CLOCK_BOOTTIME") else time.monotonic()


class Lines:
    """Up to `size` threads with a connection each, started when there is work for them.

    The threads touch no database. Whatever happens in one becomes an outcome: an adapter that raises leaves the
    message unknown, because nobody can say how far it got.
    """

    def __init__(self, connect: Callable[[], Adapter], *, size: int = CONNECTIONS) -> None:
        self.size = size
        self.used_at = time.monotonic()
        self._connect = connect
        self._tasks: queue.SimpleQueue[tuple[Started, Lane] | None] = queue.SimpleQueue()
        self._threads: list[threading.Thread] = []
        self._lock = threading.Lock()
        self._busy = 0

    @property
    def busy(self) -> int:
        """Messages handed over whose outcome is not there yet."""
        return self._busy

    def hand_over(self, started: list[Started], lane: "Lane") -> None:
        """Give messages to the threads, whose answers go to `lane`; their attempts must be committed."""
        self.used_at = time.monotonic()
        with self._lock:
            self._busy += len(started)
            while len(self._threads) < min(self.size, self._busy):
                thread = threading.Thread(target=self._work, name=f"line-{len(self._threads)}", daemon=True)
                self._threads.append(thread)
                thread.start()
        for each in started:
            self._tasks.put((each, lane))

    def close(self) -> None:
        """Let the threads end after what they are doing; their connections say goodbye."""
        for _ in self._threads:
            self._tasks.put(None)
        self._threads.clear()

    def _work(self) -> None:
        adapter: Adapter | None = None
        while (task := self._tasks.get()) is not None:
            started, lane = task
            try:
                adapter = adapter or self._connect()
                outcome = adapter.send(outbound(started, may_leave=lane.may_leave)) if lane.may_leave() else _LEASE_OVER
            except Exception as error:
                log.exception("adapter_raised", message=str(started.item.message_id))
                outcome = Outcome(kind=OutcomeKind.UNKNOWN, code="adapter_error", detail=type(error).__name__)
            if outcome.kind is OutcomeKind.ACCEPTED:
                reach(Failpoint.AFTER_ACCEPT)
            with self._lock:
                self._busy -= 1
            lane.answer(Finished(started, outcome))
        if adapter is not None:
            adapter.close()


class Lane:
    """What one coordinator has given to the lines: its answers come back here, and to nobody else.

    `leased_until` tells until when (`steady`) the coordinator's claim is its own.
    """

    def __init__(self, lines: Lines, *, leased_until: Callable[[], float]) -> None:
        self._lines = lines
        self._leased_until = leased_until
        self._answers: deque[Finished] = deque()
        self._is_enough = threading.Event()
        self._enough = 1
        self._in_flight = 0

    def may_leave(self) -> bool:
        """Whether the coordinator's lease still runs.

        A process that was frozen beyond its lease must send nothing of what it held: it may be somebody else's by now.
        """
        return steady() < self._leased_until()

    @property
    def in_flight(self) -> int:
        """Messages handed over whose outcome was not collected yet."""
        return self._in_flight

    def hand_over(self, started: list[Started]) -> None:
        """Give messages to the lines; their attempts must be committed."""
        self._in_flight += len(started)
        self._lines.hand_over(started, self)

    def answer(self, finished: Finished) -> None:
        """Take an outcome from a line's thread; wakes the coordinator only when it is worth it."""
        self._answers.append(finished)
        if len(self._answers) >= self._enough:
            self._is_enough.set()

    def collect(self, *, seconds: float, enough: int = 1, linger: float = 0.0) -> list[Finished]:
        """The outcomes that are there; waits up to `seconds` for the first one when something is in flight.

        Once one is there, it waits up to `linger` more for `enough` of them: one transaction for many costs less than
        many, and a waiting coordinator leaves the interpreter to the threads.
        """
        self._enough = max(1, min(enough, self._in_flight))
        until = time.monotonic() + (seconds if self._in_flight else 0.0)
        while True:
            # Cleared before the look: an answer that comes in between sets it again.
            self._is_enough.clear()
            has_waited = len(self._answers) > 0
            left = until - time.monotonic()
            if len(self._answers) >= self._enough or left <= 0:
                break
            if not self._is_enough.wait(min(left, linger or left)) and has_waited:
                break
        found = [self._answers.popleft() for _ in range(len(self._answers))]
        self._in_flight -= len(found)
        return found


def outbound(started: Started, *, may_leave: Callable[[], bool]) -> Outbound:
    """The frozen words of a started message as an adapter takes them."""
    item, frozen = started.item, started.item.headers
    return Outbound(
        message_id=item.message_id,
        attempt_no=started.number,
        reference=item.reference,
        from_address=item.from_address,
        from_name=item.from_name,
        to_address=item.to_address,
        to_name=item.to_name,
        subject=item.subject,
        text=item.text,
        html=item.html or None,
        date=started.at,
        reply_to=frozen.get("reply_to"),
        headers=frozen.get("headers", {}),
        in_reply_to=frozen.get("in_reply_to"),
        references=tuple(frozen.get("references", ())),
        may_leave=may_leave,
    )
