"""Owns the forms of tasks and promises."""

from collections.abc import Mapping
from datetime import date, datetime, time
from typing import Any, Final
from uuid import UUID

from wtforms import (
    BooleanField,
    DateField,
    IntegerField,
    SelectField,
    SelectMultipleField,
    StringField,
    TimeField,
    widgets,
)
from wtforms.validators import InputRequired, Length, NumberRange, Optional

from crm.clock import local_instant
from crm.errors import AppError
from crm.interactions.models import Task
from crm.interactions.rules.recurrence import MOST_EVERY, WEEKDAYS, CountedFrom, Frequency
from crm.interactions.services import repeat_of, seen_due
from crm.web.forms import Form
from crm.web.i18n import _, lazy, ngettext

#: (name in the form, label, the reminder): "day" ones ring at the hour of `remind_time`.
REMINDERS: Final = (
    ("", lazy("no reminder"), None),
    ("day", lazy("on the day, at"), {"days": 0}),
    ("day-1", lazy("the day before, at"), {"days": 1}),
    ("day-3", lazy("three days before, at"), {"days": 3}),
    ("day-7", lazy("a week before, at"), {"days": 7}),
    ("minutes-0", lazy("at the due hour"), {"minutes": 0}),
    ("minutes-15", lazy("15 minutes before the hour"), {"minutes": 15}),
    ("minutes-60", lazy("an hour before the hour"), {"minutes": 60}),
)
WEEKDAY_CHOICES: Final = tuple(
    zip(
        WEEKDAYS,
        (
            *(lazy("Monday"), lazy("Tuesday"), lazy("Wednesday"), lazy("Thursday"), lazy("Friday")),
            *(lazy("Saturday"), lazy("Sunday")),
        ),
        strict=True,
    )
)
MORNING: Final = time(9)


class TaskForm(Form):
    """A task or promise: what, when, who, and whether it reminds and comes back."""

    title = StringField(lazy("What"), validators=[InputRequired(), Length(max=200)])
    due_on = DateField(lazy("Due on"), validators=[Optional()])
    due_time = TimeField(lazy("Due at"), validators=[Optional()])
    assignee_id = SelectField(lazy("Who does it"))
    is_promise = BooleanField(lazy("I promised it: remind me before I write"))
    remind = SelectField(lazy("Reminder"), choices=[(name, label) for name, label, _how in REMINDERS], default="")
    remind_time = TimeField(lazy("Rings at"), validators=[Optional()], default=MORNING)
    repeat = SelectField(
        lazy("Comes back"),
        choices=[
            ("", lazy("no, once")),
            (Frequency.DAILY.value, lazy("every so many days")),
            (Frequency.WEEKLY.value, lazy("every so many weeks")),
            (Frequency.MONTHLY.value, lazy("every so many months")),
            (Frequency.YEARLY.value, lazy("every so many years")),
        ],
        default="",
    )
    every = IntegerField(lazy("Every"), validators=[Optional(), NumberRange(1, MOST_EVERY)], default=1)
    weekdays = SelectMultipleField(
        lazy("On"),
        choices=list(WEEKDAY_CHOICES),
        widget=widgets.ListWidget(prefix_label=False),
        option_widget=widgets.CheckboxInput(),
    )
    until = DateField(lazy("Last day"), validators=[Optional()])
    times = IntegerField(lazy("How many times in all"), validators=[Optional(), NumberRange(1, 10_000)])
    counted_from = SelectField(
        lazy("Counted from"),
        choices=[
            (CountedFrom.DUE.value, lazy("the day it is due")),
            (CountedFrom.DONE.value, lazy("the day it is done")),
        ],
        default=CountedFrom.DUE.value,
    )

    def offer(self, colleagues: Mapping[UUID, str]) -> "TaskForm":
        """Fill the choice of people."""
        self.assignee_id.choices = [("", _("nobody yet")), *((str(key), name) for key, name in colleagues.items())]
        return self

    def show(self, task: Task, *, tz: str) -> "TaskForm":
        """Fill in a task as somebody in `tz` reads it; a reminder of another kind stands as an extra choice."""
        self.due_on.data, self.due_time.data = seen_due(task, tz=tz)
        self.assignee_id.data = str(task.assignee_id or "")
        self.remind.data = _remind_name(task)
        self._offer_reminder(self.remind.data)
        self.remind_time.data = task.remind_time or MORNING
        repeat = repeat_of(task)
        if repeat is None:
            self.repeat.data = ""
            return self
        self.repeat.data, self.every.data, self.weekdays.data = repeat.frequency.value, repeat.every, repeat.weekdays
        self.until.data, self.times.data = repeat.until, repeat.count
        self.counted_from.data = repeat.counted_from.value
        return self

    def keep_reminder(self, task: Task) -> "TaskForm":
        """Let a posted form name the reminder that the task has already."""
        self._offer_reminder(_remind_name(task))
        return self

    def _offer_reminder(self, name: str) -> None:
        if name in {known for known, _label, _how in REMINDERS}:
            return
        kind, _dash, amount = name.partition("-")
        label = (
            ngettext("%(num)d minute before the hour", "%(num)d minutes before the hour", int(amount))
            if kind == "minutes"
            else ngettext("%(num)d day before, at", "%(num)d days before, at", int(amount))
        )
        self.remind.choices = [*((known, shown) for known, shown, _how in REMINDERS), (name, label)]

    def changes(self) -> dict[str, Any]:
        """The fields as `TaskInput` takes them."""
        return {
            "title": self.title.data or "",
            "due_on": self.due_on.data,
            "due_time": self.due_time.data,
            "assignee_id": self.assignee_id.data or None,
            "is_promise": bool(self.is_promise.data),
            "reminder": self._reminder(),
            "repeat": self._repeat(),
        }

    def _reminder(self) -> dict[str, Any] | None:
        kind, _dash, amount = (self.remind.data or "").partition("-")
        if not kind:
            return None
        if kind == "minutes":
            return {"minutes": int(amount)}
        return {"days": int(amount or 0), "at": self.remind_time.data or MORNING}

    def _repeat(self) -> dict[str, Any] | None:
        if not self.repeat.data:
            return None
        weekly = self.repeat.data == Frequency.WEEKLY
        return {
            "frequency": self.repeat.data,
            "every": self.every.data or 1,
            "weekdays": self.weekdays.data or [] if weekly else [],
            "until": self.until.data,
            "count": self.times.data,
            "counted_from": self.counted_from.data,
        }

    def absorb(self, error: AppError) -> None:
        """What the service says about the reminder stands beside its choice."""
        if "reminder" in error.fields:
            error.fields["remind"] = error.fields.pop("reminder")
        super().absorb(error)


def _remind_name(task: Task) -> str:
    if task.remind_minutes is not None:
        return f"minutes-{task.remind_minutes}"
    if task.remind_days is None:
        return ""
    return f"day-{task.remind_days}" if task.remind_days else "day"


class LinkTaskForm(Form):
    """One more person or company that a task is about, found by name."""

    other = StringField(lazy("Also about"), validators=[InputRequired(), Length(max=200)])


class SnoozeForm(Form):
    """Until which day a task is out of sight."""

    until = DateField(lazy("Until"), validators=[InputRequired()])

    def instant(self, *, tz: str) -> datetime:
        """Eight in the morning of that day, on the reader's wall clock."""
        on: date = self.until.data  # type: ignore[assignment]
        return local_instant(on, time(8), tz=tz)
