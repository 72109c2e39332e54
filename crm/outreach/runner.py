"""Sends what is due for one account: one coordinator with the only database connection, threads with the connections.

Work goes in waves. Each wave is one transaction: the outcomes that came back, and the attempts of as many next messages
as there are free connections. Nothing is handed over before its attempt is committed, and no transaction is open while
anything waits for the network.
"""

import os
import socket
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, TypeVar
from uuid import UUID

import psycopg
import structlog
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from crm.accounts.rules import system_actor
from crm.channels.email import ConfigError
from crm.db import Database, commit, rollback
from crm.failpoints import Failpoint, reach
from crm.outreach.adapters import SenderSpec, connect, load_spec
from crm.outreach.lines import CONNECTIONS, Lane, Lines, steady
from crm.outreach.secrets import SecretError
from crm.outreach.services.accounts import hold_account
from crm.outreach.services.claim import Claimed, Sendable, claim, finish, renew
from crm.outreach.services.outcomes import Finished
from crm.outreach.services.wave import WaveResult, was_committed, wave
from crm.roundtrip import begin

log = structlog.get_logger(__name__)
T = TypeVar("T")

#: Attempts written ahead of the free connections, above a backlog only: it hides the commit from the connections and
#: costs this many uncertain messages more after a crash.
AHEAD: Final = 8
#: How long a wave may wait to become half full once its first outcome is there.
LINGER_SECONDS: Final = 0.01
#: A deadlock or a lost connection is tried again this often, with growing pauses of seconds.
TRIES: Final = 6
FIRST_PAUSE: Final = 0.2
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
    with database.kept(workspace_id) as session:
        return _Run(session, job).run()


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

    def __init__(self, session: Session, job: _Job) -> None:
        self._session = session
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
        self._waiting: deque[Sendable] = deque()
        self._is_dry = False
        self._is_stopping = False

    def run(self) -> Report:
        self._take()
        if self._claimed is not None:
            self._send(self._open_lines(self._job.connections))
        return self._report

    def _send(self, lines: Lines | None) -> None:
        try:
            if lines is not None:
                self._pump(Lane(lines, leased_until=lambda: self._leased_until), lines.size)
            self._let_go()
        except _LostClaimError:
            # What the threads still hold belongs to whoever took the claim; their answers reach nobody.
            log.warning("claim_lost", account=str(self._account_id))

    def _open_lines(self, connections: int) -> Lines | None:
        """The kept connections of the account; None (and the account held) when its settings can't be used."""
        try:
            spec = self._transaction(lambda session, _now: load_spec(session, self._account_id))
            return None if spec is None else _lines_for(spec, connections)
        except (SecretError, ConfigError, KeyError) as error:
            code = type(error).__name__
            log.warning("account_unusable", account=str(self._account_id), error=code)
            self._transaction(
                lambda session, now: hold_account(session, account_id=self._account_id, code="config", now=now)
            )
            return None

    def _take(self) -> None:
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
        claimed = self._transaction(take)
        if claimed is None:
            self._is_dry = True
            return
        reach(Failpoint.AFTER_CLAIM)
        self._renew_at = time.monotonic() + self._lease.total_seconds() / 3
        self._leased_until = asked_at + self._lease.total_seconds()
        self._claimed = claimed
        self._waiting.extend(claimed.items)
        self._report.claimed += len(claimed.items)

    def _pump(self, lane: Lane, size: int) -> None:
        """Keep the threads busy until nothing is due, time is over, or the account held."""
        while True:
            self._refill()
            ahead = AHEAD if self._claimed is not None and self._claimed.is_backlog else 0
            capacity = size + ahead
            can_begin = bool(self._waiting) and lane.in_flight < capacity
            finished = lane.collect(
                seconds=0.0 if can_begin else self._patience(), enough=capacity // 2, linger=LINGER_SECONDS
            )
            # Beyond the lease nothing may be begun; what came back is written down, and the claim asked for again.
            room = capacity - lane.in_flight if lane.may_leave() else 0
            following = [self._waiting.popleft() for _ in range(min(len(self._waiting), room))]
            if finished or following:
                self._wave(lane, finished, following)
            elif not lane.in_flight and not self._waiting:
                return
            self._keep_claim()

    def _refill(self) -> None:
        if time.monotonic() >= self._until:
            self._is_stopping = True
        if self._is_stopping:
            self._report.has_more = self._report.has_more or bool(self._waiting) or not self._is_dry
            self._waiting.clear()
        elif not self._is_dry and len(self._waiting) < self._job.connections:
            self._take()

    def _patience(self) -> float:
        """How long the coordinator may wait for a thread before it must renew its lease."""
        return max(0.05, self._renew_at - time.monotonic())

    def _keep_claim(self) -> None:
        if self._claimed is None or time.monotonic() < self._renew_at:
            return
        claim_id = self._claimed.claim_id
        self._renew_at = time.monotonic() + self._lease.total_seconds() / 3
        asked_at = steady()
        if not self._transaction(lambda session, _now: renew(session, claim_id=claim_id, lease=self._lease)):
            raise _LostClaimError
        self._leased_until = asked_at + self._lease.total_seconds()

    def _wave(self, lane: Lane, finished: list[Finished], following: list[Sendable]) -> None:
        claimed = self._claimed
        if claimed is None:
            raise _LostClaimError
        result = self._commit_wave(claimed, finished, following)
        if result.started:
            reach(Failpoint.AFTER_ATTEMPT_COMMIT)
        if result.sent:
            reach(Failpoint.AFTER_FINAL_COMMIT)
        lane.hand_over(result.started)
        self._report.started += len(result.started)
        self._report.sent += result.sent
        self._report.refused += len(result.refused)
        self._report.orphaned += result.orphaned
        if result.is_account_held or result.is_pace_used_up:
            self._is_stopping = True
        if result.orphaned:
            raise _LostClaimError

    def _commit_wave(self, claimed: Claimed, finished: list[Finished], following: list[Sendable]) -> WaveResult:
        """The wave's transaction; when the answer to its commit is lost, the database is asked before a repetition."""
        last: list[WaveResult] = []

        def work(session: Session, now: datetime) -> WaveResult:
            if last and was_committed(session, started=last[-1].started, finished=finished):
                return last[-1]
            result = wave(session, self._actor, claimed=claimed, finished=finished, following=following, now=now)
            last.append(result)
            return result

        return self._transaction(work)

    def _let_go(self) -> None:
        if self._claimed is not None:
            claim_id = self._claimed.claim_id
            self._transaction(lambda session, now: finish(session, self._actor, claim_id=claim_id, now=now))

    def _transaction(self, work: Callable[[Session, datetime], T]) -> T:
        """One transaction with the database's time; a deadlock or a server that went away is tried again."""
        pause = FIRST_PAUSE
        for number in range(1, TRIES + 1):
            try:
                result = work(self._session, begin(self._session))
                commit(self._session)
            except (DBAPIError, psycopg.Error) as error:
                rollback(self._session)
                self._session.expunge_all()
                if number == TRIES or not _is_passing(error):
                    raise
                log.warning("transaction_repeated", number=number, error=type(error).__name__)
                time.sleep(pause)
                pause *= 2
            else:
                # What was read in one transaction must not stand for the state in the next.
                self._session.expunge_all()
                return result
        raise AssertionError("unreachable")


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
