"""Owns tasks and promises: making, doing, putting off."""

from collections.abc import Mapping
from datetime import date, datetime
from typing import Annotated, Any
from uuid import UUID

from pydantic import AwareDatetime, Field
from sqlalchemy import select
from sqlalchemy.orm import Session

from crm.accounts.kinds import ActorKind, Permission
from crm.accounts.models import Membership
from crm.accounts.rules import Actor
from crm.channels.sentences import N_
from crm.clock import local_day
from crm.contacts import queries as contact_queries
from crm.contacts.inputs import Input, Line, parsed
from crm.errors import InvalidInputError
from crm.interactions import queries
from crm.interactions.models import Task


class TaskInput(Input):
    """Something to do, with a person or company in mind; a promise is shown before writing to them."""

    title: Annotated[Line, Field(min_length=1)]
    contact_id: UUID | None = None
    company_id: UUID | None = None
    is_promise: bool = False
    due_on: date | None = None
    due_at: AwareDatetime | None = None
    assignee_id: UUID | None = None


def create_task(session: Session, actor: Actor, *, data: TaskInput, now: datetime) -> Task:
    """A new task, of the one who makes it unless assigned; raises `InvalidInputError` and not-found errors."""
    actor.require(Permission.EDIT)
    if data.contact_id is not None:
        contact_queries.contact(session, actor, contact_id=data.contact_id)
    if data.company_id is not None:
        contact_queries.company(session, actor, company_id=data.company_id)
    _check_assignee(session, actor, data.assignee_id)
    assignee_id = data.assignee_id or (actor.user_id if actor.kind is ActorKind.USER else None)
    values = data.model_dump(exclude={"assignee_id"})
    values["due_on"] = data.due_on or (local_day(data.due_at, tz=actor.time_zone) if data.due_at else None)
    task = Task(**values, assignee_id=assignee_id, created_by_id=actor.user_id, created_at=now)
    session.add(task)
    session.flush()
    return task


def update_task(session: Session, actor: Actor, *, task_id: UUID, changes: Mapping[str, Any], now: datetime) -> Task:
    """Change fields of a task; `changes` as `TaskInput`."""
    actor.require(Permission.EDIT)
    task = queries.task(session, actor, task_id=task_id, lock=True)
    data = parsed(TaskInput, {"title": task.title, **changes})
    if "contact_id" in changes and data.contact_id is not None:
        contact_queries.contact(session, actor, contact_id=data.contact_id)
    if "company_id" in changes and data.company_id is not None:
        contact_queries.company(session, actor, company_id=data.company_id)
    if "assignee_id" in changes:
        _check_assignee(session, actor, data.assignee_id)
    for field in changes:
        setattr(task, field, getattr(data, field))
    if data.due_at and "due_on" not in changes:
        task.due_on = local_day(data.due_at, tz=actor.time_zone)
    if task.snoozed_until is not None and {"due_on", "due_at"} & changes.keys() and task.snoozed_until > now:
        task.snoozed_until = None
    session.flush()
    return task


def _check_assignee(session: Session, actor: Actor, user_id: UUID | None) -> None:
    if user_id is None or user_id == actor.user_id:
        return
    member = select(Membership.id).where(
        Membership.workspace_id == actor.workspace_id, Membership.user_id == user_id, Membership.ended_at.is_(None)
    )
    if session.scalars(member).first() is None:
        sentence = N_("This person doesn't work here.")
        raise InvalidInputError(sentence, fields={"assignee_id": sentence})


def complete_task(session: Session, actor: Actor, *, task_id: UUID, now: datetime) -> Task:
    """Done; done twice stays done at the first time."""
    actor.require(Permission.EDIT)
    task = queries.task(session, actor, task_id=task_id, lock=True)
    task.done_at = task.done_at or now
    session.flush()
    return task


def reopen_task(session: Session, actor: Actor, *, task_id: UUID) -> Task:
    """Not done after all."""
    actor.require(Permission.EDIT)
    task = queries.task(session, actor, task_id=task_id, lock=True)
    task.done_at = None
    session.flush()
    return task


def snooze_task(session: Session, actor: Actor, *, task_id: UUID, until: datetime, now: datetime) -> Task:
    """Out of sight until an instant ahead; the due date stays what it was."""
    actor.require(Permission.EDIT)
    if until <= now:
        sentence = N_("Choose a time that is still to come.")
        raise InvalidInputError(sentence, fields={"until": sentence})
    task = queries.task(session, actor, task_id=task_id, lock=True)
    task.snoozed_until = until
    session.flush()
    return task


def delete_task(session: Session, actor: Actor, *, task_id: UUID) -> None:
    """Away for good."""
    actor.require(Permission.EDIT)
    session.delete(queries.task(session, actor, task_id=task_id, lock=True))
    session.flush()
