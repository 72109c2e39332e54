"""Owns the sender threads of one account: each keeps one connection, takes started messages, gives back outcomes."""

import queue
import threading
import time
from collections.abc import Callable
from typing import Final

import structlog

from crm.channels.base import Adapter, Outbound, Outcome, OutcomeKind
from crm.outreach.failpoints import Failpoint, reach
from crm.outreach.services.outcomes import Finished, Started

log = structlog.get_logger(__name__)

#: Connections per account and process: what a mail server takes from one client without complaint.
CONNECTIONS: Final = 8


class Lines:
    """Up to `size` threads with a connection each, started when there is work for them.

    The threads touch no database. Whatever happens in one becomes an outcome: an adapter that raises leaves the
    message unknown, because nobody can say how far it got.
    """

    def __init__(self, connect: Callable[[], Adapter], *, size: int = CONNECTIONS) -> None:
        self.size = size
        self.used_at = time.monotonic()
        self._connect = connect
        self._tasks: queue.SimpleQueue[Started | None] = queue.SimpleQueue()
        self._results: queue.SimpleQueue[Finished] = queue.SimpleQueue()
        self._threads: list[threading.Thread] = []
        self._in_flight = 0

    @property
    def in_flight(self) -> int:
        """Messages handed over whose outcome was not collected yet."""
        return self._in_flight

    def hand_over(self, started: list[Started]) -> None:
        """Give messages to the threads; their attempts must be committed."""
        self.used_at = time.monotonic()
        for each in started:
            self._in_flight += 1
            if len(self._threads) < min(self.size, self._in_flight):
                thread = threading.Thread(target=self._work, name=f"line-{len(self._threads)}", daemon=True)
                self._threads.append(thread)
                thread.start()
            self._tasks.put(each)

    def collect(self, *, seconds: float, enough: int = 1, linger: float = 0.0) -> list[Finished]:
        """The outcomes that are there; waits up to `seconds` for the first one when something is in flight.

        Once one is there, it waits up to `linger` more for `enough` of them: one transaction for many costs less than
        many, and a waiting coordinator leaves the interpreter to the threads.
        """
        found: list[Finished] = []
        wait = seconds if self._in_flight else 0.0
        until = time.monotonic() + wait
        while len(found) < self._in_flight:
            left = until - time.monotonic()
            try:
                found.append(self._results.get(timeout=left) if left > 0 else self._results.get_nowait())
            except queue.Empty:
                break
            if len(found) == 1:
                until = time.monotonic() + linger
            elif len(found) >= enough:
                until = 0.0
        self._in_flight -= len(found)
        return found

    def close(self) -> None:
        """Let the threads end after what they are doing; their connections say goodbye."""
        for _ in self._threads:
            self._tasks.put(None)
        self._threads.clear()

    def _work(self) -> None:
        adapter: Adapter | None = None
        while (started := self._tasks.get()) is not None:
            try:
                adapter = adapter or self._connect()
                reach(Failpoint.MID_REQUEST)
                outcome = adapter.send(outbound(started))
            except Exception as error:
                log.exception("adapter_raised", message=str(started.item.message_id))
                outcome = Outcome(kind=OutcomeKind.UNKNOWN, code="adapter_error", detail=type(error).__name__)
            if outcome.kind is OutcomeKind.ACCEPTED:
                reach(Failpoint.AFTER_ACCEPT)
            self._results.put(Finished(started, outcome))
        if adapter is not None:
            adapter.close()


def outbound(started: Started) -> Outbound:
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
    )
