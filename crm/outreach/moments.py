"""Owns when a message leaves, as far as anybody knows: what was agreed, and what the gate has made of it since."""

from datetime import datetime, timedelta
from typing import Protocol

from crm.outreach.kinds import MessageState

#: Seconds between the agreed moment and the next look of the sender are no news.
NOTICEABLE = timedelta(minutes=1)


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
