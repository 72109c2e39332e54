"""Owns the tasks of a deal."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import delete, func, select
from sqlalchemy.orm import Session

from crm.accounts.kinds import Permission
from crm.accounts.rules import Actor
from crm.contacts.queries import SHORT_LIST
from crm.deals import queries
from crm.deals.models import DealTask
from crm.errors import InvalidInputError, worded
from crm.interactions import queries as timeline
from crm.interactions.models import Task
from crm.interactions.services import TaskInput, create_task


def add_task(session: Session, actor: Actor, *, deal_id: UUID, data: TaskInput, now: datetime) -> Task:
    """A new task about a deal, and about its main person unless `data` names another.

    Raises `DealNotFoundError`, and what `interactions.services.create_task` raises.
    """
    actor.require(Permission.EDIT)
    card = queries.card(session, actor, deal_id=deal_id, now=now)
    if data.contact_id is None and data.company_id is None:
        data = data.model_copy(update={"contact_id": card.contact_id})
    task = create_task(session, actor, data=data, now=now)
    link_task(session, actor, deal_id=deal_id, task_id=task.id)
    return task


def link_task(session: Session, actor: Actor, *, deal_id: UUID, task_id: UUID) -> None:
    """Let a task be about a deal; twice is once. Raises `DealNotFoundError` and `TaskNotFoundError`."""
    actor.require(Permission.EDIT)
    queries.deal(session, actor, deal_id=deal_id, lock=True)
    timeline.task(session, actor, task_id=task_id)
    known = set(session.scalars(select(DealTask.task_id).where(DealTask.deal_id == deal_id)))
    if task_id in known:
        return
    if _open(session, deal_id) >= SHORT_LIST:
        sentence = worded("There are too many tasks in this deal already.")
        raise InvalidInputError(sentence, fields={"title": sentence})
    session.add(DealTask(deal_id=deal_id, task_id=task_id))
    session.flush()


def _open(session: Session, deal_id: UUID) -> int:
    wanted = select(func.count()).select_from(DealTask).join(Task, Task.id == DealTask.task_id)
    return session.scalars(wanted.where(DealTask.deal_id == deal_id, Task.done_at.is_(None))).one()


def unlink_task(session: Session, actor: Actor, *, deal_id: UUID, task_id: UUID) -> None:
    """Let a task be about a deal no longer; the task stays."""
    actor.require(Permission.EDIT)
    queries.deal(session, actor, deal_id=deal_id, lock=True)
    timeline.task(session, actor, task_id=task_id)
    session.execute(delete(DealTask).where(DealTask.deal_id == deal_id, DealTask.task_id == task_id))


def keep_next(session: Session, *, task_id: UUID, follows_id: UUID) -> None:
    """The next time of a repeating task is about the same deals."""
    deals = select(DealTask.deal_id).where(DealTask.task_id == follows_id)
    for deal_id in session.scalars(deals).all():
        session.add(DealTask(deal_id=deal_id, task_id=task_id))
    session.flush()
