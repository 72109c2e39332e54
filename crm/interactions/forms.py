"""Owns the forms of the timeline and of tasks."""

from collections.abc import Mapping
from datetime import date, datetime, time
from typing import Any, Final
from uuid import UUID

from wtforms import BooleanField, DateField, DateTimeLocalField, IntegerField, SelectField, StringField, TextAreaField
from wtforms.validators import InputRequired, Length, NumberRange, Optional

from crm.clock import local_instant, zone
from crm.interactions.kinds import Direction, InteractionKind, Visibility
from crm.web.forms import Form
from crm.web.i18n import _, lazy

#: What a person logs by hand.
LOGGED: Final = (InteractionKind.NOTE, InteractionKind.CALL, InteractionKind.MEETING)


class LogForm(Form):
    """A note, a call or a meeting; empty times mean now."""

    mode = SelectField(choices=[(kind.value, kind.value) for kind in LOGGED], default=InteractionKind.NOTE.value)
    body = TextAreaField(lazy("What was said"), validators=[Length(max=50_000)])
    happened_at = DateTimeLocalField(lazy("When"), format="%Y-%m-%dT%H:%M", validators=[Optional()])
    minutes = IntegerField(lazy("Minutes"), validators=[Optional(), NumberRange(1, 1440)])
    direction = SelectField(
        lazy("Who called"),
        choices=[(Direction.OUTBOUND.value, lazy("we called")), (Direction.INBOUND.value, lazy("they called"))],
        default=Direction.OUTBOUND.value,
        # Script leaves the field out where it makes no sense.
        validate_choice=False,
    )
    private = BooleanField(lazy("Only I see it"))

    def _direction(self) -> Direction:
        return Direction.INBOUND if self.direction.data == Direction.INBOUND else Direction.OUTBOUND

    def values(self, *, tz: str, now: datetime) -> dict[str, Any]:
        """The arguments of `services.log`; the time is the reader's wall clock."""
        kind = InteractionKind(self.mode.data)
        at: datetime | None = self.happened_at.data
        return {
            "kind": kind,
            "body": (self.body.data or "").strip(),
            "happened_at": at.replace(tzinfo=zone(tz)) if at else now,
            "duration_minutes": self.minutes.data if kind is not InteractionKind.NOTE else None,
            "direction": self._direction() if kind is InteractionKind.CALL else None,
            "visibility": Visibility.PRIVATE if self.private.data else Visibility.TEAM,
        }


class TaskForm(Form):
    """A task or promise."""

    title = StringField(lazy("What"), validators=[InputRequired(), Length(max=200)])
    due_on = DateField(lazy("Due on"), validators=[Optional()])
    assignee_id = SelectField(lazy("Who does it"))
    is_promise = BooleanField(lazy("I promised it: remind me before I write"))

    def offer(self, colleagues: Mapping[UUID, str]) -> "TaskForm":
        """Fill the choice of people."""
        self.assignee_id.choices = [("", _("nobody yet")), *((str(key), name) for key, name in colleagues.items())]
        return self

    def changes(self) -> dict[str, Any]:
        """The fields as `TaskInput` takes them."""
        return {
            "title": self.title.data or "",
            "due_on": self.due_on.data,
            "assignee_id": self.assignee_id.data or None,
            "is_promise": bool(self.is_promise.data),
        }


class SnoozeForm(Form):
    """Until which day a task is out of sight."""

    until = DateField(lazy("Until"), validators=[InputRequired()])

    def instant(self, *, tz: str) -> datetime:
        """Eight in the morning of that day, on the reader's wall clock."""
        on: date = self.until.data  # type: ignore[assignment]
        return local_instant(on, time(8), tz=tz)
