"""Owns the connections of one account: each takes started messages, one after the other, and gives back outcomes."""

import time
from collections import deque
from collections.abc import Callable
from typing import Final
from uuid import UUID

import structlog

from crm.channels.base import Adapter, Outbound, OutboundTemplate, Outcome, OutcomeKind, asks_to_leave, takes_turns
from crm.failpoints import Failpoint, reach
from crm.hub import Hub, apart
from crm.outreach.handover import Journal
from crm.outreach.reasons import KEPT_BACK
from crm.outreach.services.letters import FileGoneError, load_listed
from crm.outreach.services.outcomes import Finished, Started

log = structlog.get_logger(__name__)

#: Connections per account and process: what a mail server takes from one client without complaint.
CONNECTIONS: Final = 8
#: What all connections together may take to say goodbye.
GOODBYE_SECONDS: Final = 1.5

#: Over how long the pace of the lines is taken.
PACE_SECONDS: Final = 0.05

#: A message that waited this long for a connection is given back, to be asked about again: since its attempt somebody
#: may have said no, or stopped it.
STALE_SECONDS: Final = 3.0

_LEASE_OVER: Final = Outcome(kind=OutcomeKind.RETRY_LATER, code="lease_over")
_FILE_GONE: Final = Outcome(kind=OutcomeKind.CONTENT, code="file_gone")
_WAITED: Final = Outcome(kind=OutcomeKind.RETRY_LATER, code="waited")


def steady() -> float:
    """Seconds on a clock that nobody sets and that goes on while the machine sleeps, where the system has one."""
    return time.clock_gettime(time.CLOCK_BOOTTIME) if hasattr(time, "CLOCK_BOOTTIME") else time.monotonic()


class Lines:
    """Up to `size` adapters with a connection each, made when there is work for them and kept from run to run."""

    def __init__(self, connect: Callable[[], Adapter], *, size: int = CONNECTIONS) -> None:
        self.size = size
        self.used_at = time.monotonic()
        #: Messages handed over whose outcome is not there yet.
        self.busy = 0
        self._connect = connect
        self._idle: list[Adapter] = []

    def borrow(self) -> Adapter:
        """An adapter that nobody else uses. Raises what making one raises."""
        return self._idle.pop() if self._idle else self._connect()

    def give_back(self, adapter: Adapter) -> None:
        """Keep an adapter for the next message."""
        self._idle.append(adapter)

    def close(self) -> None:
        """Let the idle connections say goodbye, all at once."""
        hub = Hub()
        for adapter in self._idle:
            hub.spawn(adapter.close)
        self._idle.clear()
        hub.finish(until=time.monotonic() + GOODBYE_SECONDS)


class Lane:
    """What one coordinator has given to the lines: its answers come back here, and to nobody else.

    The lines take turns in the coordinator's own thread, whenever it waits through `hub`. They touch no database.
    Whatever happens in one becomes an outcome: an adapter that raises leaves the message unknown, because nobody can
    say how far it got. `leased_until` tells until when (`steady`) the coordinator's claim is its own. With a `journal`
    each attempt is marked there before its bytes leave.
    """

    def __init__(
        self, lines: Lines, hub: Hub, *, leased_until: Callable[[], float], journal: Journal | None = None
    ) -> None:
        self._lines = lines
        self._hub = hub
        self._leased_until = leased_until
        self._journal = journal
        #: What waits for a connection, and since when (`steady`).
        self._tasks: deque[tuple[Started, float]] = deque()
        self._answers: list[Finished] = []
        self._running = 0
        self._in_flight = 0
        self._per_second = 0.0
        self._paced_at = time.monotonic()

    def may_leave(self) -> bool:
        """Whether the coordinator's lease still runs.

        A process that was frozen beyond its lease must send nothing of what it held: it may be somebody else's by now.
        """
        return steady() < self._leased_until()

    @property
    def is_over(self) -> bool:
        """Whether nothing can leave any more: no mark can be set."""
        return self._journal is not None and self._journal.is_over

    @property
    def in_flight(self) -> int:
        """Messages handed over whose outcome was not collected yet."""
        return self._in_flight

    def hand_over(self, started: list[Started]) -> None:
        """Give messages to the lines; their attempts must be committed."""
        self._lines.used_at = time.monotonic()
        self._lines.busy += len(started)
        self._in_flight += len(started)
        now = steady()
        self._tasks.extend((each, now) for each in started)
        for _ in range(min(self._lines.size - self._running, len(started))):
            self._running += 1
            self._hub.spawn(self._work)

    @property
    def answered(self) -> int:
        """Outcomes that wait to be collected."""
        return len(self._answers)

    def collect(self) -> list[Finished]:
        """The outcomes that are there."""
        found, self._answers = self._answers, []
        self._in_flight -= len(found)
        if found:
            now = time.monotonic()
            passed, self._paced_at = max(now - self._paced_at, 1e-6), now
            # What was kept back took nobody's time and says nothing about the server.
            left = sum(done.outcome.code not in KEPT_BACK for done in found)
            self._per_second += (left / passed - self._per_second) * min(1.0, passed / PACE_SECONDS)
        return found

    @property
    def per_second(self) -> float:
        """Messages that the lines got through in a second, lately."""
        return self._per_second

    def _work(self) -> None:
        """One line: messages one after the other, until there is none."""
        adapter: Adapter | None = None
        try:
            while self._tasks:
                started, since = self._tasks.popleft()
                try:
                    # Without a mark it would go as far as its last look, and cost a connection each time.
                    if self.is_over or not self.may_leave():
                        outcome = _LEASE_OVER
                    elif steady() - since > STALE_SECONDS:
                        outcome = _WAITED
                    else:
                        adapter = adapter or self._lines.borrow()
                        outcome = self._send(adapter, started)
                except Exception as error:
                    log.exception("adapter_raised", message=str(started.item.message_id))
                    outcome = Outcome(kind=OutcomeKind.UNKNOWN, code="adapter_error", detail=type(error).__name__)
                    # It may be in the middle of a conversation.
                    adapter = None
                if outcome.kind is OutcomeKind.ACCEPTED:
                    reach(Failpoint.AFTER_ACCEPT)
                if self._journal is not None and outcome.kind is not OutcomeKind.UNKNOWN:
                    self._journal.note(started.attempt_id, is_taken=outcome.kind is OutcomeKind.ACCEPTED)
                self._lines.busy -= 1
                self._answers.append(Finished(started, outcome))
        finally:
            self._running -= 1
        if adapter is not None:
            self._lines.give_back(adapter)

    def _send(self, adapter: Adapter, started: Started) -> Outcome:
        last_look = self._last_look(started.attempt_id)
        try:
            letter = outbound(started, may_leave=last_look)
        except FileGoneError:
            return _FILE_GONE
        if not (asks_to_leave(adapter) or last_look()):
            return _LEASE_OVER
        return adapter.send(letter) if takes_turns(adapter) else apart(lambda: adapter.send(letter))

    def _last_look(self, attempt_id: UUID) -> Callable[[], bool]:
        """Whether the bytes of an attempt may leave: it is marked, and the lease still runs, in this order.

        Frozen before the mark, it finds the seal of whoever took the claim; frozen after it, it was found marked.
        """
        journal = self._journal
        is_marked = journal is None

        def may_leave() -> bool:
            nonlocal is_marked
            if not is_marked and journal is not None:
                is_marked = journal.mark(attempt_id)
            return is_marked and self.may_leave()

        return may_leave


def outbound(started: Started, *, may_leave: Callable[[], bool]) -> Outbound:
    """The frozen words of a started message as an adapter takes them."""
    item, frozen = started.item, started.item.headers
    chosen = frozen.get("template")
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
        to_platform_id=frozen.get("platform_id"),
        template=None
        if chosen is None
        else OutboundTemplate(
            name=chosen["name"], language=chosen["language"], parameters=tuple(chosen.get("parameters", ()))
        ),
        attachments=load_listed(frozen.get("files", ())),
        may_leave=may_leave,
    )
