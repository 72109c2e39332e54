"""Owns tasks and promises: making, doing and what comes back by it, putting off."""

from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from crm.accounts.kinds import ActorKind, Permission
from crm.accounts.models import Membership
from crm.accounts.rules import Actor
from crm.channels.sentences import N_
from crm.clock import local_day
from crm.contacts import queries as contact_queries
from crm.contacts.inputs import parsed
from crm.errors import InvalidInputError
from crm.events import TaskRepeated, publish
from crm.interactions import queries
from crm.interactions.models import Task, TaskLink
from crm.interactions.rules.due import due_instant
from crm.interactions.rules.recurrence import CountedFrom, next_day, read
from crm.interactions.services.task_input import LINKS, WHEN, TaskInput, arm, set_reminder, set_repeat, set_when

_PLAIN: Final = frozenset({"title", "contact_id", "company_id", "is_promise", "assignee_id"})
#: What the next time of a repeating task takes over from the last.
_KEPT: Final = (
    *("title", "contact_id", "company_id", "is_promise", "assignee_id", "created_by_id", "due_time", "time_zone"),
    *("remind_days", "remind_time", "remind_minutes", "repeat", "repeat_from", "repeat_anchor"),
)


def create_task(session: Session, actor: Actor, *, data: TaskInput, now: datetime) -> Task:
    """A new task, of the one who makes it unless assigned; raises `InvalidInputError` and not-found errors."""
    actor.require(Permission.EDIT)
    _check_records(session, actor, data)
    _check_assignee(session, actor, data.assignee_id)
    task = Task(
        title=data.title,
        contact_id=data.contact_id,
        company_id=data.company_id,
        is_promise=data.is_promise,
        assignee_id=data.assignee_id or (actor.user_id if actor.kind is ActorKind.USER else None),
        created_by_id=actor.user_id,
        created_at=now,
        time_zone="",
    )
    set_when(task, {name: getattr(data, name) for name in WHEN if getattr(data, name) is not None}, tz=actor.time_zone)
    set_reminder(task, data.reminder)
    set_repeat(task, data.repeat)
    arm(task, now=now)
    session.add(task)
    session.flush()
    _set_links(session, actor, task, data, LINKS)
    return task


def update_task(session: Session, actor: Actor, *, task_id: UUID, changes: Mapping[str, Any], now: datetime) -> Task:
    """Change fields of a task; `changes` as `TaskInput`."""
    actor.require(Permission.EDIT)
    task = queries.task(session, actor, task_id=task_id, lock=True)
    data = parsed(TaskInput, {"title": task.title, **changes})
    _check_records(session, actor, data)
    if "assignee_id" in changes:
        _check_assignee(session, actor, data.assignee_id)
    for field in _PLAIN & changes.keys():
        setattr(task, field, getattr(data, field))
    set_when(task, {name: getattr(data, name) for name in WHEN & changes.keys()}, tz=actor.time_zone)
    if "reminder" in changes or task.due_on is None:
        set_reminder(task, data.reminder)
    if "repeat" in changes or task.due_on is None:
        set_repeat(task, data.repeat)
    if (WHEN | {"reminder"}) & changes.keys():
        arm(task, now=now)
    if task.snoozed_until is not None and WHEN & changes.keys() and task.snoozed_until > now:
        task.snoozed_until = None
    session.flush()
    _set_links(session, actor, task, data, LINKS & changes.keys())
    return task


def _check_records(session: Session, actor: Actor, data: TaskInput) -> None:
    """Everything a task is about is there, and this person may see it."""
    for contact_id in {data.contact_id, *data.contact_ids} - {None}:
        contact_queries.require_contact(session, actor, contact_id=contact_id)
    for company_id in {data.company_id, *data.company_ids} - {None}:
        contact_queries.company(session, actor, company_id=company_id)


def _set_links(session: Session, actor: Actor, task: Task, data: TaskInput, fields: AbstractSet[str]) -> None:
    """Make the links of a task those of `data`; links to people whom the actor may not see stay as they are."""
    for field, column in (("contact_ids", TaskLink.contact_id), ("company_ids", TaskLink.company_id)):
        if field not in fields:
            continue
        wanted: set[UUID] = set(getattr(data, field)) - {task.contact_id, task.company_id}
        held = queries.links_of_task(session, actor, task_id=task.id)
        known = set(held.contact_ids if field == "contact_ids" else held.company_ids)
        if gone := known - wanted:
            session.execute(delete(TaskLink).where(TaskLink.task_id == task.id, column.in_(gone)))
        for key in wanted - known:
            session.add(TaskLink(task_id=task.id, **{column.key: key}))
    session.flush()


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
    """Done; done twice stays done at the first time. One that repeats makes its next time, once."""
    actor.require(Permission.EDIT)
    task = queries.task(session, actor, task_id=task_id, lock=True)
    if task.done_at is None:
        task.done_at = now
        session.flush()
        if task.repeat:
            _make_next(session, task, now=now)
    return task


def _make_next(session: Session, task: Task, *, now: datetime) -> None:
    """The next time of a task that was just done, unless its series ends or the next one is there."""
    if task.due_on is None or task.repeat_left == 1:
        return
    if session.scalars(select(Task.id).where(Task.follows_id == task.id)).first() is not None:
        return
    day = next_day(
        read(task.repeat),
        anchor=task.repeat_anchor or task.due_on,
        due_on=task.due_on,
        done_on=local_day(now, tz=task.time_zone or "UTC"),
        counted_from=CountedFrom(task.repeat_from),
    )
    if day is None:
        return
    following = Task(
        **{name: getattr(task, name) for name in _KEPT},
        due_on=day,
        due_at=due_instant(day, task.due_time, tz=task.time_zone or "UTC"),
        repeat_left=task.repeat_left - 1 if task.repeat_left is not None else None,
        follows_id=task.id,
        created_at=now,
    )
    arm(following, now=now)
    session.add(following)
    session.flush()
    links = select(TaskLink.contact_id, TaskLink.company_id).where(TaskLink.task_id == task.id)
    for contact_id, company_id in session.execute(links).all():
        session.add(TaskLink(task_id=following.id, contact_id=contact_id, company_id=company_id))
    session.flush()
    workspace_id: UUID = session.info["workspace_id"]
    publish(session, TaskRepeated(workspace_id=workspace_id, now=now, task_id=following.id, follows_id=task.id))


def reopen_task(session: Session, actor: Actor, *, task_id: UUID) -> Task:
    """Not done after all: the next time that was made by doing it goes, unless that one is done already."""
    actor.require(Permission.EDIT)
    task = queries.task(session, actor, task_id=task_id, lock=True)
    if task.done_at is not None:
        task.done_at = None
        session.flush()
        session.execute(delete(Task).where(Task.follows_id == task.id, Task.done_at.is_(None)))
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
