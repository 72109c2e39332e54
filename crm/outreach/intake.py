"""Works through what channels told an account: all that is stored, in order, many events to a transaction."""

import time
from dataclasses import dataclass, field
from typing import Any, Final
from uuid import UUID

import structlog
from sqlalchemy import or_, select, text, update
from sqlalchemy.exc import DBAPIError, OperationalError
from sqlalchemy.orm import Session

from crm.accounts.rules import system_actor
from crm.db import Database, database_now
from crm.interactions import services as interactions
from crm.outreach.inbound_models import InboundEvent, InboundRaw
from crm.outreach.kinds import InboundState
from crm.outreach.models import SenderAccount
from crm.outreach.services.receive import PARKED_PAUSE, Stored, handle_stored

log = structlog.get_logger(__name__)

#: Events of one transaction: a commit costs as much as handling an event.
BATCH: Final = 25
#: Held until the transaction ends, also by a process that was killed.
_MINE: Final = text("select pg_try_advisory_xact_lock(hashtextextended('inbound ' || :account, 0))")


@dataclass(slots=True)
class Drained:
    """What one run did: events handled and set aside, and whether it stopped with more to do."""

    handled: int = 0
    failed: int = 0
    has_more: bool = False
    in_the_way: set[UUID] = field(default_factory=set)


def drain(database: Database, *, workspace_id: UUID, account_id: UUID, seconds: float) -> Drained:
    """Handle the stored events of an account, the oldest first, for about so many seconds.

    One that fails is set aside and keeps no other waiting; one that met another transaction in its way (a deadlock)
    stays stored, and comes up again with the clock's next look. Of two runs at once one does the work.
    """
    done, until = Drained(), time.monotonic() + seconds
    while True:
        try:
            with database.scope(workspace_id) as session:
                found = _together(session, account_id, done.in_the_way)
            done.handled += found
        except Exception as error:
            # One of them failed, and took what was done with the others along: each for itself, then.
            if isinstance(error, DBAPIError) and error.connection_invalidated:
                raise
            with database.scope(workspace_id) as session:
                found = _one_by_one(session, account_id, done)
        if not found:
            return done
        if time.monotonic() >= until:
            done.has_more = True
            return done


def _together(session: Session, account_id: UUID, skipped: set[UUID]) -> int:
    """Handle a batch in one go; how many there were."""
    now, waiting = database_now(session), _next(session, account_id, skipped)
    if not waiting:
        return 0
    account = session.get_one(SenderAccount, account_id)
    actor = system_actor(account.workspace_id)
    entries: list[interactions.Entry] = []
    ends = [
        {"id": stored.id, **handle_stored(session, actor, account, stored, now=now, entries=entries)}
        for stored in waiting
    ]
    interactions.log_many(session, actor, entries=entries, now=now)
    session.execute(update(InboundEvent), ends)
    return len(ends)


def _one_by_one(session: Session, account_id: UUID, done: Drained) -> int:
    """Handle a batch with a savepoint for each; how many there were."""
    now, waiting = database_now(session), _next(session, account_id, done.in_the_way)
    ends: list[dict[str, Any]] = []
    for stored in waiting:
        account = session.get_one(SenderAccount, account_id)
        actor = system_actor(account.workspace_id)
        try:
            with session.begin_nested():
                ends.append({"id": stored.id, **handle_stored(session, actor, account, stored, now=now)})
            done.handled += 1
        except OperationalError:
            log.warning("event_in_the_way", event_id=str(stored.id))
            done.in_the_way.add(stored.id)
        except Exception as error:
            if isinstance(error, DBAPIError) and error.connection_invalidated:
                raise
            log.exception("event_failed", event_id=str(stored.id))
            failed = {"state": InboundState.FAILED.value, "error": type(error).__name__, "handled_at": now}
            ends.append({"id": stored.id, "kind": "", "message_id": None, **failed})
            done.failed += 1
    if ends:
        session.execute(update(InboundEvent), ends)
    return len(waiting)


def _next(session: Session, account_id: UUID, skipped: set[UUID]) -> list[Stored]:
    """The oldest events that wait, locked; none while another run is at work on this account.

    So what one person wrote is read in its order, and two runs don't wait for each other's people in a circle.
    """
    if not session.scalar(_MINE, {"account": str(account_id)}):
        return []
    now = database_now(session)
    waiting = (
        select(InboundEvent.id, InboundEvent.received_at, InboundEvent.error, InboundRaw.raw)
        .join(InboundRaw, InboundRaw.event_id == InboundEvent.id)
        .where(
            InboundEvent.account_id == account_id,
            InboundEvent.state.in_((InboundState.STORED.value, InboundState.PARKED.value)),
            or_(InboundEvent.state == InboundState.STORED, InboundEvent.handled_at < now - PARKED_PAUSE),
        )
        .order_by(InboundEvent.received_at, InboundEvent.id)
        .limit(BATCH + len(skipped))
        .with_for_update(of=InboundEvent, skip_locked=True)
    )
    return [Stored(*row) for row in session.execute(waiting) if row.id not in skipped]
