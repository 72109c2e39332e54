"""Owns ringing the bell for tasks whose reminder is due: once each, however often the clock looks or dies."""

from collections.abc import Sequence
from datetime import datetime
from typing import Final
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from crm.accounts import queries as account_queries
from crm.accounts.rules import Actor
from crm.accounts.services import notifications
from crm.contacts import queries as contact_queries
from crm.interactions.models import Task

#: Rung in one transaction; the clock looks again for the rest.
MOST: Final = 200


def ring_due(session: Session, actor: Actor, *, now: datetime) -> int:
    """Ring for every open task whose reminder has come; how many.

    The line of the bell and the mark that it rang are one transaction, and a row that another clock holds is left to
    it: a clock killed in the middle rings again from the start, and none rings twice. A task about somebody whom its
    owner may not see any more rings for nobody.
    """
    due = session.scalars(
        select(Task)
        .where(Task.remind_at.is_not(None), Task.remind_at <= now, Task.reminded_at.is_(None), Task.done_at.is_(None))
        .order_by(Task.remind_at)
        .limit(MOST)
        .with_for_update(skip_locked=True)
    ).all()
    hidden = _hidden(session, actor, due)
    for task in due:
        task.reminded_at = now
        whose = _whose(task)
        if whose is not None and task.id not in hidden:
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


def _whose(task: Task) -> UUID | None:
    return task.assignee_id or task.created_by_id


def _hidden(session: Session, actor: Actor, tasks: Sequence[Task]) -> set[UUID]:
    """The tasks about people whom those may not see for whom they would ring; asked once for each of these."""
    found: set[UUID] = set()
    for user_id in {user_id for task in tasks if task.contact_id and (user_id := _whose(task))}:
        mine = [task for task in tasks if task.contact_id and _whose(task) == user_id]
        colleague = account_queries.member_actor(session, workspace_id=actor.workspace_id, user_id=user_id)
        ids = {task.contact_id for task in mine if task.contact_id}
        seen = contact_queries.contacts(session, colleague, contact_ids=ids) if colleague else {}
        found |= {task.id for task in mine if task.contact_id not in seen}
    return found
