"""Counts tries at secrets, across sessions and restarts; callers run it in a transaction of its own (`db.aside`)."""

from datetime import datetime, timedelta

from sqlalchemy import delete, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from crm.accounts.models import Throttle
from crm.accounts.rules import Limit, block_seconds
from crm.errors import TooManyError, worded


class BlockedError(TooManyError):
    """Too many tries; `until` says when the next one is heard."""

    code = "too_many_tries"

    def __init__(self, until: datetime) -> None:
        super().__init__(worded("Too many tries. Wait a little and try again."))
        self.until = until


def take(session: Session, *, key: str, limit: Limit, now: datetime) -> None:
    """Count one try at `key` before it is looked at; raises `BlockedError` while the key is blocked.

    Counting first means that many tries at the same moment can't all slip through before the first is counted.
    """
    start = insert(Throttle).values(key=key, window_start=now, tries=0).on_conflict_do_nothing()
    session.execute(start)
    row = session.execute(select(Throttle).where(Throttle.key == key).with_for_update()).scalar_one()
    if row.blocked_until is not None and row.blocked_until > now:
        raise BlockedError(row.blocked_until)
    if row.window_start + timedelta(seconds=limit.window) <= now:
        row.window_start, row.tries = now, 0
    row.tries += 1
    seconds = block_seconds(row.tries, limit)
    row.blocked_until = now + timedelta(seconds=seconds) if seconds else None
    session.flush()


def clear(session: Session, *, key: str) -> None:
    """Forget the tries at `key`: the right secret was given."""
    session.execute(delete(Throttle).where(Throttle.key == key))
