"""Looks for what keeps messages from leaving and rings the bell: the clock for all else, a worker for the clock."""

import time
from collections.abc import Callable
from typing import Final

import redis
import structlog
from sqlalchemy.exc import SQLAlchemyError

from crm.accounts.rules import system_actor
from crm.accounts.services import alerts
from crm.db import Database, database_now
from crm.jobs import Listener, QueueName
from crm.outreach.troubles import CLOCK, CLOCK_SILENCE, QUEUE, WORKER, Trouble, clock_silence, find, ring

log = structlog.get_logger(__name__)

#: Restarts take seconds; a trouble of the machinery is told when it lasts.
PATIENCE: Final = 60.0


class Watch:
    """Remembers since when the queue or the senders are away, between the looks of one clock."""

    def __init__(self, *, patience: float = PATIENCE) -> None:
        self._patience = patience
        self._since: dict[str, float] = {}

    def look(self, database: Database, listeners: Callable[[], list[Listener]]) -> int:
        """Bring every bell in line; returns how many troubles began or ended."""
        common = self._lasting(self._machinery(listeners))
        with database.scope() as session:
            found = find(session)
        changed = 0
        # Who could send is told of the machinery; who has lines to take back is told in any case.
        for workspace_id in {*found.by_workspace, *(found.senders if common else ())}:
            own = [
                trouble
                for trouble in found.by_workspace.get(workspace_id, [])
                # Without a sender every account stands still, and one line says so.
                if not (common and trouble.kind.endswith("stalled"))
            ]
            with database.scope(workspace_id) as session:
                change = ring(session, workspace_id, own=own, common=common, now=database_now(session))
            changed += change.rung + change.cleared
        return changed

    def _machinery(self, listeners: Callable[[], list[Listener]]) -> set[str]:
        try:
            known = listeners()
        except redis.RedisError:
            return {QUEUE}
        return set() if any(QueueName.OUTREACH.value in each.queues for each in known) else {WORKER}

    def _lasting(self, kinds: set[str]) -> frozenset[str]:
        at = time.monotonic()
        self._since = {kind: self._since.get(kind, at) for kind in kinds}
        return frozenset(kind for kind, since in self._since.items() if at - since >= self._patience)


def miss_clock(database: Database) -> bool:
    """Ring for a clock that has been silent for too long; it takes the lines back itself. True when it is missed."""
    try:
        with database.scope() as session:
            silence = clock_silence(session)
            if silence is None or silence < CLOCK_SILENCE:
                return False
            senders = find(session).senders
        for workspace_id in senders:
            with database.scope(workspace_id) as session:
                trouble = [Trouble(CLOCK, url="/calendar")]
                alerts.keep(
                    session,
                    system_actor(workspace_id),
                    kinds=[CLOCK],
                    troubles=trouble,
                    now=database_now(session),
                )
    except SQLAlchemyError as error:
        log.warning("watch_failed", error=type(error).__name__)
        return False
    return True
