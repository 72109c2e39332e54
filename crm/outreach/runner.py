"""Sends what is due for one account: a coordinator with the only database connection, and lines with a connection each.

Work goes in waves. Each wave is one transaction: the outcomes that came back, and the attempts of as many next messages
as there are free connections. Nothing is handed over before its attempt is committed, and no transaction is open while
the coordinator waits for the network.

All in one thread: whenever the coordinator waits, for the database or for an outcome, the lines take turns
(`crm.hub`). So while the database works on one half of the messages, the other half leaves.
"""

import os
import socket
import time
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, TypeVar
from uuid import UUID

import psycopg
import structlog
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from crm.accounts.rules import system_actor
from crm.channels.setup import ConfigError
from crm.db import Database, commit, rollback
from crm.failpoints import Failpoint, reach
from crm.hub import Hub
from crm.outreach import handover
from crm.outreach.adapters import SenderSpec, connect, load_spec
from crm.outreach.lines import CONNECTIONS, Lane, Lines, steady
from crm.outreach.secrets import SecretError
from crm.outreach.services.accounts import hold_account
from crm.outreach.services.claim import Claimed, Sendable, claim, finish, renew
from crm.outreach.services.outcomes import Finished, Started
from crm.outreach.services.wave import WaveResult, was_committed, wave
from crm.outreach.tokens import TokenError, with_token
from crm.roundtrip import begin, begin_ahead, beside

log = structlog.get_logger(__name__)
T = TypeVar("T")

#: Attempts written ahead of the free connections, at most: waves get larger, and the lines have something to do while
#: the database works. Never more than leave in `AHEAD_SECONDS`, because nobody can stop them any more.
AHEAD: Final = 248
AHEAD_SECONDS: Final = 0.2
#: Without a journal of what was handed over, each costs an uncertain message more after a crash: above a backlog only.
AHEAD_UNKEPT: Final = 24
#: Database connections: the coordinator works for one wave while the database works for others, or claims.
DESKS: Final = 3
#: With fewer claimed messages than this in hand, or than may be written ahead, the next ones are claimed.
REFILL_BELOW: Final = 32
#: How long a wave may wait to become half full once its first outcome is there.
LINGER_SECONDS: Final = 0.01
#: A deadlock or a lost connection is tried again this often, with growing pauses of seconds.
TRIES: Final = 6
FIRST_PAUSE: Final = 0.2
#: For so long after it was told the database's time the coordinator knows it by its own clock.
FRESH_SECONDS: Final = 1.0
#: Connections that nobody used for this long are closed at the next opportunity.
IDLE_SECONDS: Final = 60.0

#: Serialization failure, deadlock, a transaction in which this process stood still for too long, a prepared statement
#: that the driver or a pooler dropped, and the server shutting down or starting up (PostgreSQL, appendix A).
_RETRYABLE: Final = frozenset({"40001", "40P01", "25P03", "26000", "57P01", "57P02", "57P03"})


@dataclass(slots=True)
class Report:
    """What one run did."""

    claimed: int = 0
    started: int = 0
    sent: int = 0
    refused: int = 0
    orphaned: int = 0
    has_more: bool = False


class _LostClaimError(Exception):
    """Another process took the claim: this run must not touch its messages any more."""


_lines: dict[UUID, tuple[int, Lines]] = {}


def run(
    database: Database,
    *,
    workspace_id: UUID,
    account_id: UUID,
    lease: timedelta,
    seconds: float,
    connections: int = CONNECTIONS,
) -> Report:
    """Send what is due for an account, for about `seconds`; `has_more` tells that work was left.

    Connections to the account's server are kept for the next run of this process.
    """
    job = _Job(database, workspace_id, account_id, lease, time.monotonic() + seconds, connections)
    with ExitStack() as stack:
        hub = Hub()
        sessions = [stack.enter_context(database.kept(workspace_id)) for _ in range(DESKS)]
        for session in sessions:
            beside(session, hub)
        try:
            return _Run(sessions, hub, job).run()
        finally:
            # Nothing is left but after an error, or when the claim was lost.
            hub.close()


@dataclass(frozen=True, slots=True)
class _Job:
    """What a run is to do; `until` is the process's monotonic time."""

    database: Database
    workspace_id: UUID
    account_id: UUID
    lease: timedelta
    until: float
    connections: int


class _Run:
    """One run of the coordinator."""

    def __init__(self, sessions: Sequence[Session], hub: Hub, job: _Job) -> None:
        #: Database connections that are at nothing just now.
        self._free = list(sessions)
        self._hub = hub
        self._job = job
        self._actor = system_actor(job.workspace_id)
        self._account_id = job.account_id
        self._lease = job.lease
        self._until = job.until
        self._renew_at = time.monotonic() + job.lease.total_seconds() / 3
        self._leased_until = 0.0
        self._worker = f"{socket.gethostname()}:{os.getpid()}"
        self._report = Report()
        self._claimed: Claimed | None = None
        self._journal: handover.Journal | None = None
        self._waiting: deque[Sendable] = deque()
        #: Of each wave under way the larger of what came back and what it begins: its commit swaps them.
        self._pending = 0
        self._is_taking = False
        self._is_dry = False
        self._is_stopping = False
        #: The database's time, and when (`steady`) it was told.
        self._told: tuple[datetime, float] | None = None

    def run(self) -> Report:
        try:
            self._take(self._free[0])
            if self._claimed is not None:
                self._send(self._open_lines(self._job.connections))
        finally:
            # Whatever a thread still holds may not leave any more.
            self._leased_until = 0.0
            if self._journal is not None:
                self._journal.close()
        return self._report

    def _send(self, lines: Lines | None) -> None:
        try:
            if lines is not None:
                lane = Lane(lines, self._hub, leased_until=lambda: self._leased_until, journal=self._journal)
                self._pump(lane, lines.size)
            self._let_go()
        except _LostClaimError:
            # What the lines still hold belongs to whoever took the claim: they end where they stand.
            log.warning("claim_lost", account=str(self._account_id))

    def _open_lines(self, connections: int) -> Lines | None:
        """The kept connections of the account; None (and the account held) when its settings can't be used."""
        try:
            spec = self._transaction(lambda session, _now: load_spec(session, self._account_id))
            if spec is None:
                return None
            return _lines_for(with_token(self._job.database, spec, workspace_id=self._job.workspace_id), connections)
        except TokenError as error:
            # Held already where its owner must sign in again; else its messages wait for the next run.
            log.warning("no_token", account=str(self._account_id), error=error.code)
            return None
        except (SecretError, ConfigError, KeyError) as error:
            code = type(error).__name__
            log.warning("account_unusable", account=str(self._account_id), error=code)
            self._transaction(
                lambda session, now: hold_account(session, account_id=self._account_id, code="config", now=now)
            )
            return None

    def _take(self, session: Session) -> None:
        """Claim the next batch; remembers when there is nothing more."""
        known = self._claimed.claim_id if self._claimed else None

        def take(session: Session, now: datetime) -> Claimed | None:
            claimed = claim(
                session,
                self._actor,
                account_id=self._account_id,
                claim_id=known,
                worker=self._worker,
                lease=self._lease,
                now=now,
            )
            if claimed is not None:
                reach(Failpoint.BEFORE_CLAIM_COMMIT)
            return claimed

        asked_at = steady()
        claimed = self._transaction_in(session, take)
        if claimed is None:
            self._is_dry = True
            return
        reach(Failpoint.AFTER_CLAIM)
        self._renew_at = time.monotonic() + self._lease.total_seconds() / 3
        self._leased_until = asked_at + self._lease.total_seconds()
        if self._claimed is None:
            self._journal = handover.begin(claimed.claim_id)
        self._claimed = claimed
        self._waiting.extend(claimed.items)
        self._report.claimed += len(claimed.items)

    def _pump(self, lane: Lane, size: int) -> None:
        """Keep the lines busy until nothing is due, time is over, or the account held."""
        while True:
            capacity = size + self._ahead(lane)
            can_begin = bool(self._waiting) and self._pending + lane.in_flight < capacity
            self._await(lane, enough=max(size // 2, capacity * 3 // 8), can_begin=can_begin)
            self._refill(lane)
            # Beyond the lease nothing may be begun; what came back is written down, and the claim asked for again.
            room = capacity - self._pending - lane.in_flight + lane.answered if lane.may_leave() else 0
            begins = max(0, min(len(self._waiting), room))
            if self._free and (lane.answered or begins):
                self._begin_wave(lane, [self._waiting.popleft() for _ in range(begins)])
            elif not (self._is_busy(lane) or self._waiting) and (self._is_dry or self._is_stopping):
                return
            self._keep_claim()

    def _ahead(self, lane: Lane) -> int:
        """How many attempts may be written for which no connection is free."""
        if self._journal is not None:
            return min(AHEAD, int(lane.per_second * AHEAD_SECONDS))
        return AHEAD_UNKEPT if self._claimed is not None and self._claimed.is_backlog else 0

    def _is_busy(self, lane: Lane) -> bool:
        """Whether anything is under way that will come back by itself."""
        return bool(lane.in_flight or self._pending or self._is_taking)

    def _await(self, lane: Lane, *, enough: int, can_begin: bool) -> None:
        """Give way until a wave is worth its round trips, or something else changed.

        One transaction for many costs less than many, so the first outcome waits a moment for others.
        """
        until = time.monotonic() + (self._patience() if self._is_busy(lane) else 0.0)
        before = (len(self._free), len(self._waiting))
        has_first = False
        while (len(self._free), len(self._waiting)) == before:
            now = time.monotonic()
            if self._free and lane.answered and not has_first:
                has_first, until = True, min(until, now + LINGER_SECONDS)
            wanted = min(enough, lane.in_flight)
            is_worth = self._free and (lane.answered >= wanted > 0 or can_begin)
            self._hub.turn(0.0 if is_worth else until)
            if is_worth or now >= until:
                return

    def _begin_wave(self, lane: Lane, following: list[Sendable]) -> None:
        """Let one session work on a wave; what it begins is handed over when it is committed."""
        session, finished = self._free.pop(), lane.collect()
        weight = max(len(finished), len(following))
        self._pending += weight

        def work() -> None:
            started = self._wave(session, finished, following)
            self._pending -= weight
            self._free.append(session)
            lane.hand_over(started)

        self._hub.spawn(work)

    def _refill(self, lane: Lane) -> None:
        """Claim more in good time; what is left when the time is over goes back."""
        if time.monotonic() >= self._until or lane.is_over:
            self._is_stopping = True
        if self._is_stopping:
            self._report.has_more = self._report.has_more or bool(self._waiting) or not self._is_dry
            self._waiting.clear()
        elif self._free and not (self._is_dry or self._is_taking) and len(self._waiting) < self._enough(lane):
            session = self._free.pop()
            self._is_taking = True

            def work() -> None:
                self._take(session)
                self._is_taking = False
                self._free.append(session)

            self._hub.spawn(work)

    def _enough(self, lane: Lane) -> int:
        return max(REFILL_BELOW, self._ahead(lane))

    def _patience(self) -> float:
        """How long the coordinator may wait before it must renew its lease."""
        return max(0.05, self._renew_at - time.monotonic())

    def _keep_claim(self) -> None:
        if self._claimed is None or (time.monotonic() < self._renew_at and steady() < self._leased_until):
            return
        claim_id = self._claimed.claim_id
        self._renew_at = time.monotonic() + self._lease.total_seconds() / 3
        asked_at = steady()
        if not self._transaction(lambda session, _now: renew(session, claim_id=claim_id, lease=self._lease)):
            raise _LostClaimError
        self._leased_until = asked_at + self._lease.total_seconds()

    def _wave(self, session: Session, finished: list[Finished], following: list[Sendable]) -> list[Started]:
        """One wave; the messages to hand over, whose attempts are committed."""
        claimed = self._claimed
        if claimed is None:
            raise _LostClaimError
        result = self._commit_wave(session, claimed, finished, following)
        if result.started:
            reach(Failpoint.AFTER_ATTEMPT_COMMIT)
        if result.sent:
            reach(Failpoint.AFTER_FINAL_COMMIT)
        self._report.started += len(result.started)
        self._report.sent += result.sent
        self._report.refused += len(result.refused)
        self._report.orphaned += result.orphaned
        if result.is_account_held or result.is_pace_used_up:
            self._is_stopping = True
        if result.orphaned:
            raise _LostClaimError
        return result.started

    def _commit_wave(
        self, session: Session, claimed: Claimed, finished: list[Finished], following: list[Sendable]
    ) -> WaveResult:
        """The wave's transaction; when the answer to its commit is lost, the database is asked before a repetition."""
        last: list[WaveResult] = []

        def work(session: Session, now: datetime) -> WaveResult:
            if last and was_committed(session, started=last[-1].started, finished=finished):
                return last[-1]
            result = wave(session, self._actor, claimed=claimed, finished=finished, following=following, now=now)
            last.append(result)
            return result

        return self._transaction_in(session, work, is_ahead=True)

    def _let_go(self) -> None:
        if self._claimed is not None:
            claim_id = self._claimed.claim_id
            self._transaction(lambda session, now: finish(session, self._actor, claim_id=claim_id, now=now))

    def _transaction(self, work: Callable[[Session, datetime], T]) -> T:
        """`_transaction_in` one of the free sessions, after those in use were given back; for the coordinator alone."""
        while not self._free:
            self._hub.turn(time.monotonic() + self._patience())
        session = self._free.pop()
        try:
            return self._transaction_in(session, work)
        finally:
            self._free.append(session)

    def _transaction_in(self, session: Session, work: Callable[[Session, datetime], T], *, is_ahead: bool = False) -> T:
        """One transaction with the database's time; a deadlock or a server that went away is tried again.

        `is_ahead` spares the round trip that asks for the time, where it was told a moment ago.
        """
        pause = FIRST_PAUSE
        for number in range(1, TRIES + 1):
            try:
                result = work(session, self._begin(session, is_ahead=is_ahead and number == 1))
                commit(session)
            except (DBAPIError, psycopg.Error) as error:
                rollback(session)
                session.expunge_all()
                if number == TRIES or not _is_passing(error):
                    raise
                log.warning("transaction_repeated", number=number, error=type(error).__name__)
                self._hub.sleep(pause)
                pause *= 2
            except BaseException:
                # It may be in the middle of a conversation, and must keep no row from the other session.
                session.invalidate()
                raise
            else:
                # What was read in one transaction must not stand for the state in the next.
                session.expunge_all()
                return result
        raise AssertionError("unreachable")

    def _begin(self, session: Session, *, is_ahead: bool) -> datetime:
        """Begin a transaction; its time, which is never ahead of the database's."""
        if is_ahead and self._told is not None:
            now, at = self._told
            passed = steady() - at
            if passed < FRESH_SECONDS:
                begin_ahead(session)
                return now + timedelta(seconds=passed)
        now = begin(session)
        self._told = (now, steady())
        return now


def _is_passing(error: DBAPIError | psycopg.Error) -> bool:
    """A deadlock, or a server that went away: the same transaction may succeed in a moment."""
    original = error.orig if isinstance(error, DBAPIError) else error
    state = getattr(original, "sqlstate", None)
    return state in _RETRYABLE or (isinstance(original, psycopg.OperationalError) and state is None)


def _lines_for(spec: SenderSpec, connections: int) -> Lines:
    """The kept connections of an account, made anew when its settings changed."""
    for account_id, (_, lines) in list(_lines.items()):
        if lines.busy == 0 and time.monotonic() - lines.used_at > IDLE_SECONDS and account_id != spec.account_id:
            _drop_lines(account_id)
    known = _lines.get(spec.account_id)
    if known is not None and known[0] == spec.version and known[1].busy == 0:
        return known[1]
    _drop_lines(spec.account_id)
    connect(spec).close()
    lines = Lines(lambda: connect(spec), size=connections)
    _lines[spec.account_id] = (spec.version, lines)
    return lines


def _drop_lines(account_id: UUID) -> None:
    known = _lines.pop(account_id, None)
    if known is not None:
        known[1].close()


def close_lines() -> None:
    """Say goodbye to all servers; the process ends."""
    for account_id in list(_lines):
        _drop_lines(account_id)
