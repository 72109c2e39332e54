"""Owns when a message leaves, as far as anybody knows: what was agreed, and what the gate has made of it since."""

from datetime import datetime, timedelta
from typing import Protocol

from crm.channels.sentences import N_
from crm.errors import InvalidInputError
from crm.outreach.kinds import MessageState

#: Consents, offers and people change: what is agreed today says nothing about a day further away.
AHEAD = timedelta(days=366)
#: A request takes a moment; a time this little behind is "now".
CLOCK_TOLERANCE = timedelta(minutes=1)
#: Seconds between the agreed moment and the next look of the sender are no news.
NOTICEABLE = timedelta(minutes=1)


def check_moment(moment: datetime, *, now: datetime, field: str) -> None:
    """Raise `InvalidInputError` beside `field` for a time that has passed, or that is more than `AHEAD` away."""
    if moment < now - CLOCK_TOLERANCE:
        sentence = N_("This time has passed. Choose one that is still to come.")
        raise InvalidInputError(sentence, code="past", fields={field: sentence})
    if moment > now + AHEAD:
        sentence = N_("This is more than a year away. Choose a time within the next twelve months.")
        raise InvalidInputError(sentence, code="too_far", fields={field: sentence})


class Timed(Protocol):
    """What a line of a list knows about its message; `message_state` is None before there is a message."""

    @property
    def message_state(self) -> MessageState | None: ...
    @property
    def planned_at(self) -> datetime | None: ...
    @property
    def due_at(self) -> datetime | None: ...
    @property
    def held_until(self) -> datetime | None: ...
    @property
    def sent_at(self) -> datetime | None: ...


def leaves_at(line: Timed) -> datetime | None:
    """When it left; else when it will by itself, which the gate may have moved; else what was agreed."""
    if line.sent_at is not None:
        return line.sent_at
    if line.message_state is MessageState.HELD:
        return line.held_until or line.planned_at
    if line.message_state is MessageState.SCHEDULED:
        return line.due_at or line.planned_at
    return line.planned_at


def is_moved(line: Timed) -> bool:
    """Whether it still waits and leaves later than agreed, so that lists have to say why."""
    leaves = leaves_at(line)
    if line.sent_at is not None or leaves is None or line.planned_at is None:
        return False
    return leaves - line.planned_at > NOTICEABLE
