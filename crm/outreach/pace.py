"""Counts what a sender account hands over in a minute, an hour and a day of its own zone, against its caps."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import ColumnElement, and_, delete, or_, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from crm.clock import end_of_day, local_day, start_of_day
from crm.db import new_id
from crm.outreach.models import SenderAccount
from crm.outreach.pace_models import SenderPace

UNLIMITED = 1_000_000


@dataclass(frozen=True, slots=True)
class Span:
    """One counter: what it counts over, since when, its cap, and when the next one begins."""

    name: str
    starts_at: datetime
    cap: int
    next_at: datetime


def spans(account: SenderAccount, *, now: datetime) -> list[Span]:
    """The capped spans of an account that contain `now`."""
    minute = now.replace(second=0, microsecond=0)
    hour = minute.replace(minute=0)
    day = start_of_day(now, tz=account.time_zone)
    tomorrow = end_of_day(local_day(now, tz=account.time_zone), tz=account.time_zone)
    every = (
        ("minute", minute, account.per_minute, minute + timedelta(minutes=1)),
        ("hour", hour, account.per_hour, hour + timedelta(hours=1)),
        ("day", day, account.per_day, tomorrow),
    )
    return [Span(name, starts_at, cap, next_at) for name, starts_at, cap, next_at in every if cap is not None]


def used(session: Session, *, account: SenderAccount, now: datetime) -> list[tuple[Span, int]]:
    """Each capped span of the account with what it has handed over in it."""
    wanted = spans(account, now=now)
    if not wanted:
        return []
    rows = session.execute(select(SenderPace.span, SenderPace.used).where(*_current(account.id, wanted)))
    counts = dict(rows.all())
    return [(span, counts.get(span.name, 0)) for span in wanted]


def room(session: Session, *, account_id: UUID, now: datetime) -> int:
    """How many more messages the account may hand over now."""
    account = session.get(SenderAccount, account_id)
    if account is None:
        return 0
    return min((span.cap - count for span, count in used(session, account=account, now=now)), default=UNLIMITED)


def take(session: Session, *, account_id: UUID, wanted: int, now: datetime) -> int:
    """Count up to `wanted` attempts on every span, under the counters' locks; returns how many had room."""
    account = session.get(SenderAccount, account_id)
    if account is None:
        return 0
    capped = spans(account, now=now)
    if not capped or wanted <= 0:
        return wanted
    session.execute(
        insert(SenderPace)
        .values(
            [
                {
                    "id": new_id(),
                    "workspace_id": account.workspace_id,
                    "account_id": account_id,
                    "span": span.name,
                    "starts_at": span.starts_at,
                }
                for span in capped
            ]
        )
        .on_conflict_do_nothing(index_elements=["workspace_id", "account_id", "span", "starts_at"])
    )
    counts = dict(
        session.execute(
            select(SenderPace.span, SenderPace.used)
            .where(*_current(account_id, capped))
            .order_by(SenderPace.span)
            .with_for_update()
        ).all()
    )
    taken = max(0, min(wanted, *(span.cap - counts[span.name] for span in capped)))
    session.execute(
        update(SenderPace)
        .where(*_current(account_id, capped))
        .values(used=SenderPace.used + taken)
        .execution_options(synchronize_session=False)
    )
    return taken


def _current(account_id: UUID, wanted: Sequence[Span]) -> tuple[ColumnElement[bool], ...]:
    """The counters of an account's spans."""
    same = (and_(SenderPace.span == span.name, SenderPace.starts_at == span.starts_at) for span in wanted)
    return SenderPace.account_id == account_id, or_(*same)


def forget_old(session: Session, *, now: datetime) -> None:
    """Drop counters of spans that are long over."""
    session.execute(
        delete(SenderPace)
        .where(SenderPace.starts_at < now - timedelta(days=2))
        .execution_options(synchronize_session=False)
    )
