"""Reads of erasures and of nights: that it happened, when, and by whom; and for how long data is kept."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import select, tuple_
from sqlalchemy.orm import Session

from crm.accounts.kinds import Permission
from crm.accounts.models import User
from crm.accounts.rules import Actor
from crm.lifecycle.kinds import ErasureCause
from crm.lifecycle.privacy_models import Erasure, RetentionRule, RetentionRun
from crm.lifecycle.rules.retention import DEFAULT_DAYS, FIXED_DAYS, DataClass
from crm.web.paging import Page, decode_cursor, page_of


@dataclass(frozen=True, slots=True, kw_only=True)
class ErasureLine:
    """One erasure; `done_at` None while texts of others and files are looked through."""

    id: UUID
    subject_id: UUID
    at: datetime
    cause: ErasureCause
    user_name: str
    rows: int
    done_at: datetime | None


def erasures(session: Session, actor: Actor, *, after: str | None = None, limit: int = 50) -> Page[ErasureLine]:
    """A page of erasures, the latest first; raises `ForbiddenError`."""
    actor.require(Permission.ERASE)
    wanted = select(Erasure, User.name).outerjoin(User, User.id == Erasure.user_id)
    if after:
        wanted = wanted.where(tuple_(Erasure.at, Erasure.id) < tuple(decode_cursor(after, datetime, UUID)))
    wanted = wanted.order_by(Erasure.at.desc(), Erasure.id.desc()).limit(limit + 1)
    return page_of(
        [shown(row, name or "") for row, name in session.execute(wanted)],
        limit=limit,
        key=lambda line: (line.at, line.id),
    )


def shown(row: Erasure, user_name: str) -> ErasureLine:
    """An erasure as lists show it."""
    return ErasureLine(
        id=row.id,
        subject_id=row.subject_id,
        at=row.at,
        cause=ErasureCause(row.cause),
        user_name=user_name,
        rows=sum(row.counts.values()),
        done_at=row.done_at,
    )


def nights(session: Session, actor: Actor, *, limit: int = 14) -> Sequence[RetentionRun]:
    """What the last nights took away, the latest first; raises `ForbiddenError`."""
    actor.require(Permission.MANAGE_WORKSPACE)
    return session.scalars(select(RetentionRun).order_by(RetentionRun.day.desc()).limit(limit)).all()


def days_of(session: Session) -> dict[DataClass, int | None]:
    """For how many days the workspace keeps each class; None keeps it."""
    rules = session.execute(select(RetentionRule.data_class, RetentionRule.days))
    chosen = {DataClass(name): days for name, days in rules}
    days = {**DEFAULT_DAYS, **chosen, **FIXED_DAYS}
    return {kind: days[kind] for kind in DataClass}
