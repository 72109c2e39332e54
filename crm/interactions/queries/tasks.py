"""Owns reading tasks and promises."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from uuid import UUID

from sqlalchemy import ColumnElement, Select, and_, or_, select, tuple_
from sqlalchemy.orm import Session

from crm.accounts.models import User
from crm.accounts.rules import Actor
from crm.channels.sentences import N_
from crm.contacts import queries as contact_queries
from crm.contacts.models import Company, Contact
from crm.errors import NotFoundError
from crm.interactions.models import Task
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

    def is_overdue(self, today: date, now: datetime) -> bool:
        """Open, and its day or hour is past."""
        late = self.due_at < now if self.due_at else self.due_on is not None and self.due_on < today
        return self.done_at is None and late


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
    """The open tasks about a person or company: promises first, then by date."""
    about = Task.contact_id == contact_id if contact_id is not None else Task.company_id == company_id
    wanted = _select(actor).where(about, Task.done_at.is_(None))
    wanted = wanted.order_by(Task.is_promise.desc(), Task.due_on.asc().nulls_last(), Task.id)
    return _views(session, wanted.limit(contact_queries.SHORT_LIST))


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
    due, last_id = decode_cursor(after, str, UUID) if after else (None, None)
    rows: list[TaskView] = []
    if not after or due is not None:
        dated = wanted.where(Task.due_on.is_not(None))
        if due is not None:
            dated = dated.where(tuple_(Task.due_on, Task.id) > (date.fromisoformat(due), last_id))
        rows = _views(session, dated.order_by(Task.due_on, Task.id).limit(limit + 1))
    if len(rows) <= limit:
        undated = wanted.where(Task.due_on.is_(None))
        if after and due is None:
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
