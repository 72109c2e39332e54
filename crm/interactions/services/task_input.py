"""Owns what a task may be given: due day or hour, reminder, repetition, and what it is about."""

from collections.abc import Mapping
from datetime import date, datetime, time
from typing import Annotated, Any, Final, Self
from uuid import UUID

from pydantic import AwareDatetime, Field, model_validator

from crm.channels.sentences import N_
from crm.clock import is_near, local_day, zone
from crm.contacts.inputs import Input, Line
from crm.errors import InvalidInputError
from crm.interactions.models import Task
from crm.interactions.rules.due import Reminder, due_instant, reminder_instant
from crm.interactions.rules.recurrence import MOST_EVERY, WEEKDAYS, CountedFrom, Frequency, Recurrence, read

#: Nobody keeps more records in mind with one task.
MOST_LINKS: Final = 50
_YEAR: Final = 366


class ReminderInput(Input):
    """When the bell rings: `days` before the due day at the local time `at`, or `minutes` before the due hour."""

    days: Annotated[int | None, Field(ge=0, le=_YEAR)] = None
    at: time | None = None
    minutes: Annotated[int | None, Field(ge=0, le=_YEAR * 24 * 60)] = None

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        if (self.days is None) != (self.at is None) or (self.days is None) == (self.minutes is None):
            raise ValueError("Give days and at, or minutes.")
        return self


class RepeatInput(Input):
    """Every `every` days, weeks, months or years, until a day or for `count` times in all, this one included."""

    frequency: Frequency
    every: Annotated[int, Field(ge=1, le=MOST_EVERY)] = 1
    #: Of a weekly repetition: MO to SU. Without any, the weekday it is due on.
    weekdays: Annotated[list[str], Field(max_length=7)] = []
    until: date | None = None
    count: Annotated[int | None, Field(ge=1, le=10_000)] = None
    counted_from: CountedFrom = CountedFrom.DUE

    @model_validator(mode="after")
    def _known_days(self) -> Self:
        if set(self.weekdays) - set(WEEKDAYS):
            raise ValueError("Weekdays are MO, TU, WE, TH, FR, SA and SU.")
        if self.weekdays and self.frequency is not Frequency.WEEKLY:
            raise ValueError("Only a weekly repetition has weekdays.")
        return self

    def rule(self) -> Recurrence:
        """The rule, with its weekdays in their order."""
        days = tuple(name for name in WEEKDAYS if name in self.weekdays)
        return Recurrence(frequency=self.frequency, every=self.every, weekdays=days, until=self.until)


class TaskInput(Input):
    """Something to do, with people and companies in mind; a promise is shown before writing to them.

    `due_on` with `due_time` is a moment on the wall clock of who writes it; `due_at` says the same as an instant.
    """

    title: Annotated[Line, Field(min_length=1)]
    contact_id: UUID | None = None
    company_id: UUID | None = None
    #: Whom and what else it is about.
    contact_ids: Annotated[list[UUID], Field(max_length=MOST_LINKS)] = []
    company_ids: Annotated[list[UUID], Field(max_length=MOST_LINKS)] = []
    is_promise: bool = False
    due_on: date | None = None
    due_time: time | None = None
    due_at: AwareDatetime | None = None
    assignee_id: UUID | None = None
    reminder: ReminderInput | None = None
    repeat: RepeatInput | None = None


#: The fields that say when; the others are columns of their own name.
WHEN: Final = frozenset({"due_on", "due_time", "due_at"})
LINKS: Final = frozenset({"contact_ids", "company_ids"})


def set_when(task: Task, changes: Mapping[str, Any], *, tz: str) -> None:
    """Set the due day and hour of `changes`, meant in `tz`; an unchanged moment keeps the zone it was meant in."""
    if not WHEN & changes.keys():
        return
    day, hour = seen_due(task, tz=tz)
    if any(when is not None and not is_near(when) for when in (changes.get("due_on"), changes.get("due_at"))):
        sentence = N_("This day is too far away.")
        raise InvalidInputError(sentence, fields={"due_on": sentence})
    if "due_at" in changes and (given := changes["due_at"]) is not None:
        local = given.astimezone(zone(tz))
        new = local.date(), local.time()
    else:
        hour = None if "due_at" in changes else hour
        new = changes.get("due_on", day), changes.get("due_time", hour)
    if new[0] is None and new[1] is not None:
        sentence = N_("An hour needs its day.")
        raise InvalidInputError(sentence, fields={"due_on": sentence})
    if new == seen_due(task, tz=tz) and task.time_zone:
        return
    task.due_on, task.due_time = new
    task.time_zone = tz
    task.due_at = due_instant(task.due_on, task.due_time, tz=tz)
    task.repeat_anchor = task.due_on


def seen_due(task: Task, *, tz: str) -> tuple[date | None, time | None]:
    """The due day and hour of a task as somebody in `tz` reads them."""
    if task.due_at is None:
        return task.due_on, None
    local = task.due_at.astimezone(zone(tz))
    return local_day(task.due_at, tz=tz), local.time()


def set_reminder(task: Task, reminder: ReminderInput | None) -> None:
    """Set or take away the reminder; raises `InvalidInputError` where the task has nothing to count from."""
    if reminder is not None and (task.due_on is None or (reminder.minutes is not None and task.due_at is None)):
        sentence = (
            N_("A reminder before an hour needs the hour.")
            if reminder.minutes is not None
            else N_("A reminder needs the day that the task is due on.")
        )
        raise InvalidInputError(sentence, fields={"reminder": sentence})
    task.remind_days = reminder.days if reminder else None
    task.remind_time = reminder.at if reminder else None
    task.remind_minutes = reminder.minutes if reminder else None


def set_repeat(task: Task, repeat: RepeatInput | None) -> None:
    """Set or take away the repetition; raises `InvalidInputError` for a task without a due day."""
    if repeat is None:
        task.repeat, task.repeat_left = "", None
        return
    if task.due_on is None:
        sentence = N_("A task that comes back needs the day of its first time.")
        raise InvalidInputError(sentence, fields={"due_on": sentence})
    task.repeat, task.repeat_from = repeat.rule().text(), repeat.counted_from.value
    task.repeat_left, task.repeat_anchor = repeat.count, task.repeat_anchor or task.due_on


def reminder_of(task: Task) -> Reminder:
    """The reminder of a task as the rules take it."""
    return Reminder(days=task.remind_days, at=task.remind_time, minutes=task.remind_minutes)


def repeat_of(task: Task) -> RepeatInput | None:
    """The repetition of a task as it is given; None for a task that comes once."""
    if not task.repeat:
        return None
    rule = read(task.repeat)
    return RepeatInput(
        frequency=rule.frequency,
        every=rule.every,
        weekdays=list(rule.weekdays),
        until=rule.until,
        count=task.repeat_left,
        counted_from=CountedFrom(task.repeat_from),
    )


def arm(task: Task, *, now: datetime) -> None:
    """Set when the bell rings; a moment that is over already rings no more."""
    at = reminder_instant(reminder_of(task), due_on=task.due_on, due_at=task.due_at, tz=task.time_zone or "UTC")
    if at != task.remind_at:
        task.remind_at, task.reminded_at = at, None
    if task.remind_at is not None and task.remind_at <= now and task.reminded_at is None:
        task.reminded_at = now
