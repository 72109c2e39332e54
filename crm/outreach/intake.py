"""Works through what channels told an account: all that is stored, in order, many events to a transaction."""

import time
from dataclasses import dataclass
from typing import Final
from uuid import UUID

import structlog
from sqlalchemy import or_, select
from sqlalchemy.exc import DBAPIError, OperationalError
from sqlalchemy.orm import Session

from crm.accounts.rules import Actor, system_actor
from crm.db import Database, database_now
from crm.outreach.inbound_models import InboundEvent
from crm.outreach.kinds import InboundState
from crm.outreach.services.receive import PARKED_PAUSE, give_up, handle_inbound

log = structlog.get_logger(__name__)

#: Events of one transaction: a commit costs as much as handling an event, and what fails alone undoes itself alone.
BATCH: Final = 25


@dataclass(slots=True)
class Drained:
    """What one run did: events handled and set aside, and whether it stopped with more to do."""

    handled: int = 0
    failed: int = 0
    has_more: bool = False


def drain(database: Database, *, workspace_id: UUID, account_id: UUID, seconds: float) -> Drained:
    """Handle the stored events of an account, the oldest first, for about so many seconds.

    One that fails is set aside and keeps no other waiting; one that met another transaction in its way (a deadlock)
    stays stored, and comes up again with the clock's next look. Two runs at once share the events and handle none
    twice.
    """
    actor, done, until = system_actor(workspace_id), Drained(), time.monotonic() + seconds
    skipped: set[UUID] = set()
    while True:
        with database.scope(workspace_id) as session:
            event_ids = [one for one in _next(session, account_id, len(skipped)) if one not in skipped]
            for event_id in event_ids:
                _one(session, actor, event_id, done, skipped)
        if not event_ids:
            return done
        if time.monotonic() >= until:
            done.has_more = True
            return done


def _next(session: Session, account_id: UUID, skipped: int) -> list[UUID]:
    """The oldest events that wait; those that another run holds are its own."""
    now = database_now(session)
    waiting = (
        select(InboundEvent.id)
        .where(
            InboundEvent.account_id == account_id,
            InboundEvent.state.in_((InboundState.STORED.value, InboundState.PARKED.value)),
            or_(InboundEvent.state == InboundState.STORED, InboundEvent.handled_at < now - PARKED_PAUSE),
        )
        .order_by(InboundEvent.received_at, InboundEvent.id)
        .limit(BATCH + skipped)
        .with_for_update(skip_locked=True)
    )
    return list(session.scalars(waiting))


def _one(session: Session, actor: Actor, event_id: UUID, done: Drained, skipped: set[UUID]) -> None:
    """Handle one event in a savepoint of its own."""
    now = database_now(session)
    try:
        with session.begin_nested():
            handle_inbound(session, actor, event_id=event_id, now=now)
        done.handled += 1
    except OperationalError:
        log.warning("event_in_the_way", event_id=str(event_id))
        skipped.add(event_id)
    except Exception as error:
        if isinstance(error, DBAPIError) and error.connection_invalidated:
            raise
        log.exception("event_failed", event_id=str(event_id))
        give_up(session, event_id=event_id, error=type(error).__name__, now=now)
        done.failed += 1
