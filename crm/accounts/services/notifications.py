"""Writes the bell: one line per person, told as a kind with its values and put into words by the reader's page."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import update
from sqlalchemy.orm import Session

from crm.accounts.models import Notification
from crm.accounts.rules import Actor


def notify(
    session: Session,
    actor: Actor,  # noqa: ARG001 - every service receives it; a line has no author.
    *,
    user_ids: Iterable[UUID],
    kind: str,
    params: dict[str, Any],
    url: str = "",
    now: datetime,
) -> list[Notification]:
    """Ring the bell of each user; `kind` is a row of `places.WORDS`, `params` fills its sentence."""
    rows = [
        Notification(user_id=user_id, kind=kind, params=params, url=url, created_at=now) for user_id in set(user_ids)
    ]
    session.add_all(rows)
    session.flush()
    return rows


def mark_read(session: Session, actor: Actor, *, notification_ids: Iterable[UUID] | None = None, now: datetime) -> int:
    """Mark the actor's own lines as read, all of them or the given ones; answers how many changed."""
    statement = (
        update(Notification)
        .where(Notification.user_id == actor.user_id, Notification.read_at.is_(None))
        .values(read_at=now)
        .returning(Notification.id)
    )
    if notification_ids is not None:
        statement = statement.where(Notification.id.in_(list(notification_ids)))
    return len(session.execute(statement).all())
