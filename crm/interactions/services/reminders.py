"""Owns ringing the bell for tasks whose reminder is due: once each, however often the clock looks or dies."""

from datetime import datetime
from typing import Final

from sqlalchemy import select
from sqlalchemy.orm import Session

from crm.accounts.rules import Actor
from crm.accounts.services import notifications
from crm.interactions.models import Task

#: Rung in one transaction; the clock looks again for the rest.
MOST: Final = 200


def ring_due(session: Session, actor: Actor, *, now: datetime) -> int:
    """Ring for every open task whose reminder has come; how many.

    The line of the bell and the mark that it rang are one transaction, and a row that another clock holds is left to
    it: a clock killed in the middle rings again from the start, and none rings twice.
    """
    due = session.scalars(
        select(Task)
        .where(Task.remind_at.is_not(None), Task.remind_at <= now, Task.reminded_at.is_(None), Task.done_at.is_(None))
        .order_by(Task.remind_at)
        .limit(MOST)
        .with_for_update(skip_locked=True)
    ).all()
    for task in due:
        task.reminded_at = now
        whose = task.assignee_id or task.created_by_id
        if whose is not None:
            notifications.notify(
                session,
                actor,
                user_ids=[whose],
                kind="task.reminder",
                params={"title": task.title},
                url=f"/contacts/{task.contact_id}" if task.contact_id else f"/tasks/{task.id}/edit",
                now=now,
            )
    session.flush()
    return len(due)
