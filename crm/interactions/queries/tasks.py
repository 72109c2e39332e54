"""Owns reading tasks and promises."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Select, and_, literal_column, or_, select, tuple_, union
from sqlalchemy.orm import Session

from crm.accounts.models import User
from crm.accounts.rules import Actor
from crm.channels.sentences import N_
from crm.clock import local_day
from crm.contacts import queries as contact_queries
from crm.contacts.models import Company, Contact
from crm.db import among
from crm.errors import NotFoundError
from crm.interactions.models import Task, TaskLink
from crm.interactions.rules import due
from crm.interactions.rules.recurrence import Recurrence, read
from crm.web.paging import Page, decode_cursor, page_of


class TaskNotFoundError(NotFoundError):
    """No such task for this actor."""

    code = "task_not_found"


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskView:
    """A task with the names of who it is about and who does it."""

    id: UUID
    title: str
    contact_id: UUID | None
    contact_name: str
    company_id: UUID | None
    company_name: str
    is_promise: bool
    due_on: date | None
    due_at: datetime | None
    assignee_id: UUID | None
    assignee_name: str
    done_at: datetime | None
    snoozed_until: datetime | None
    created_at: datetime
    remind_at: datetime | None
    repeat: str
    #: The row itself, for whoever shows all of it.
    task: Task

    def is_overdue(self, today: date, now: datetime) -> bool:
        """Open, and its day or hour is past."""
        return self.done_at is None and due.is_overdue(due_on=self.due_on, due_at=self.due_at, today=today, now=now)

    def day(self, tz: str) -> date | None:
        """The day it is due on for somebody in `tz`."""
        return local_day(self.due_at, tz=tz) if self.due_at else self.due_on

    @property
    def rule(self) -> Recurrence | None:
        """How it comes back; None for a task that comes once."""
        return read(self.repeat) if self.repeat else None


@dataclass(slots=True)
class Links:
    """What else a task is about, as far as the reader may see it."""

    contact_ids: list[UUID] = field(default_factory=list)
    company_ids: list[UUID] = field(default_factory=list)
    names: dict[UUID, str] = field(default_factory=dict)


def _visible(actor: Actor) -> ColumnElement[bool]:
    """A task is seen with its person; without one by everybody in the workspace who sees people at all."""
    return or_(Task.contact_id.is_(None), contact_queries.alive(actor))


def _select(actor: Actor) -> Select[Task, str, str, str, str]:
    return (
        select(Task, Contact.display_name, Company.name, User.name, User.email)
        .outerjoin(Contact, Contact.id == Task.contact_id)
        .outerjoin(Company, Company.id == Task.company_id)
        .outerjoin(User, User.id == Task.assignee_id)
        .where(_visible(actor))
    )


def _views(session: Session, wanted: Select[Task, str, str, str, str]) -> list[TaskView]:
    return [
        TaskView(
            id=row.id,
            title=row.title,
            contact_id=row.contact_id,
            contact_name=contact_name or "",
            company_id=row.company_id,
            company_name=company_name or "",
            is_promise=row.is_promise,
            due_on=row.due_on,
            due_at=row.due_at,
            assignee_id=row.assignee_id,
            assignee_name=user_name or user_email or "",
            done_at=row.done_at,
            snoozed_until=row.snoozed_until,
            created_at=row.created_at,
            remind_at=row.remind_at,
            repeat=row.repeat,
            task=row,
        )
        for row, contact_name, company_name, user_name, user_email in session.execute(wanted)
    ]


def task(session: Session, actor: Actor, *, task_id: UUID, lock: bool = False) -> Task:
    """The task; raises `TaskNotFoundError`."""
    wanted = select(Task).outerjoin(Contact, Contact.id == Task.contact_id).where(Task.id == task_id, _visible(actor))
    if lock:
        wanted = wanted.with_for_update(of=Task)
    row = session.scalars(wanted).one_or_none()
    if row is None or contact_queries.scope(actor) is contact_queries.Scope.NOTHING:
        raise TaskNotFoundError(N_("There is no such task."))
    return row


def tasks_of(
    session: Session, actor: Actor, *, contact_id: UUID | None = None, company_id: UUID | None = None
) -> list[TaskView]:
    """The open tasks about a person or company, also as one of several: promises first, then by date."""
    if contact_id is not None:
        own, also = Task.contact_id == contact_id, TaskLink.contact_id == contact_id
    else:
        own, also = Task.company_id == company_id, TaskLink.company_id == company_id
    # Two look-ups by index; an OR between the two tables would read all open tasks.
    keys = union(select(Task.id).where(own, Task.done_at.is_(None)), select(TaskLink.task_id).where(also))
    wanted = _select(actor).where(Task.id.in_(keys), Task.done_at.is_(None))
    wanted = wanted.order_by(Task.is_promise.desc(), Task.due_on.asc().nulls_last(), Task.id)
    return _views(session, wanted.limit(contact_queries.SHORT_LIST))


def open_tasks(session: Session, actor: Actor, *, task_ids: Collection[UUID]) -> list[TaskView]:
    """Those of some tasks that are open and that the actor sees: promises first, then by date."""
    if not task_ids or contact_queries.scope(actor) is contact_queries.Scope.NOTHING:
        return []
    wanted = _select(actor).where(among(Task.id, list(task_ids)), Task.done_at.is_(None))
    return _views(session, wanted.order_by(Task.is_promise.desc(), Task.due_on.asc().nulls_last(), Task.id))


def links_of_tasks(session: Session, actor: Actor, *, task_ids: Collection[UUID]) -> dict[UUID, Links]:
    """What else each task is about, by task id, in one statement; hidden people are left out."""
    found = {task_id: Links() for task_id in task_ids}
    if not found:
        return found
    rows = session.execute(
        select(TaskLink.task_id, TaskLink.contact_id, TaskLink.company_id, Contact.display_name, Company.name)
        .outerjoin(Company, Company.id == TaskLink.company_id)
        .outerjoin(Contact, Contact.id == TaskLink.contact_id)
        .where(among(TaskLink.task_id, list(found)), or_(TaskLink.contact_id.is_(None), contact_queries.alive(actor)))
        .order_by(TaskLink.id)
    )
    for task_id, contact_id, company_id, contact_name, company_name in rows:
        links = found[task_id]
        if contact_id is not None:
            links.contact_ids.append(contact_id)
            links.names[contact_id] = contact_name or ""
        elif company_id is not None:
            links.company_ids.append(company_id)
            links.names[company_id] = company_name or ""
    return found


def links_of_task(session: Session, actor: Actor, *, task_id: UUID) -> Links:
    """What else one task is about."""
    return links_of_tasks(session, actor, task_ids=[task_id])[task_id]


def is_due(today: Any, tonight: Any) -> ColumnElement[bool]:
    """`rules.due.is_due` as a condition; `tonight` is the instant at which the reader's `today` ends.

    An hour can have another day for its writer than for its reader, by two at most (zones lie 26 hours apart): the
    second bound lets the index by day find both.
    """
    day = and_(Task.due_at.is_(None), Task.due_on <= today)
    return and_(or_(day, Task.due_at < tonight), Task.due_on <= today + literal_column("2"))


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskFilter:
    """What the list of tasks shows; `assignee_id` None means everybody's."""

    assignee_id: UUID | None = None
    done: bool = False
    promises_only: bool = False
    #: Snoozed tasks are shown only from their time on, unless this is None.
    awake_at: datetime | None = None
    due_until: date | None = None


def list_tasks(
    session: Session, actor: Actor, *, where: TaskFilter, after: str | None = None, limit: int = 50
) -> Page[TaskView]:
    """A page of tasks: open ones by due date (those without one last), done ones newest first."""
    if contact_queries.scope(actor) is contact_queries.Scope.NOTHING:
        return Page([])
    wanted = _select(actor).where(*_conditions(where))
    if where.done:
        if after:
            wanted = wanted.where(tuple_(Task.done_at, Task.id) < tuple(decode_cursor(after, datetime, UUID)))
        rows = _views(session, wanted.order_by(Task.done_at.desc(), Task.id.desc()).limit(limit + 1))
        return page_of(rows, limit=limit, key=lambda row: (row.done_at, row.id))
    return _by_due_day(session, wanted, after=after, limit=limit)


def _by_due_day(
    session: Session, wanted: Select[Task, str, str, str, str], *, after: str | None, limit: int
) -> Page[TaskView]:
    """The soonest first, then those without a day: two ranges of one index."""
    day, last_id = decode_cursor(after, str, UUID) if after else (None, None)
    rows: list[TaskView] = []
    if not after or day is not None:
        dated = wanted.where(Task.due_on.is_not(None))
        if day is not None:
            dated = dated.where(tuple_(Task.due_on, Task.id) > (date.fromisoformat(day), last_id))
        rows = _views(session, dated.order_by(Task.due_on, Task.id).limit(limit + 1))
    if len(rows) <= limit:
        undated = wanted.where(Task.due_on.is_(None))
        if after and day is None:
            undated = undated.where(Task.id > last_id)
        rows += _views(session, undated.order_by(Task.id).limit(limit + 1 - len(rows)))
    return page_of(rows, limit=limit, key=lambda row: (row.due_on.isoformat() if row.due_on else None, row.id))


def _conditions(where: TaskFilter) -> Sequence[ColumnElement[bool]]:
    conditions: list[ColumnElement[bool]] = [Task.done_at.is_not(None) if where.done else Task.done_at.is_(None)]
    if where.assignee_id is not None:
        conditions.append(Task.assignee_id == where.assignee_id)
    if where.promises_only:
        conditions.append(Task.is_promise.is_(True))
    if where.awake_at is not None:
        conditions.append(or_(Task.snoozed_until.is_(None), Task.snoozed_until <= where.awake_at))
    if where.due_until is not None:
        conditions.append(and_(Task.due_on.is_not(None), Task.due_on <= where.due_until))
    return conditions
