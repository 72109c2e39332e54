"""Owns working through Today: what is done to a reason, and what a reader puts off or skips."""

from collections.abc import Callable, Sequence
from datetime import datetime, time, timedelta
from typing import Any, Final
from uuid import UUID

from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from crm.accounts.kinds import Permission
from crm.accounts.rules import Actor
from crm.channels.sentences import N_
from crm.clock import local_day, local_instant
from crm.db import new_id
from crm.desk.queue import Kind, Waiting, queue
from crm.errors import ForbiddenError, InvalidInputError
from crm.interactions import services as timeline
from crm.interactions.keeping_models import SetAside
from crm.outreach.services import conversations

MORNING: Final = time(8)
#: A page has no more reasons; whoever names more is no browser.
MOST_ITEMS: Final = 200


class NoTodayError(ForbiddenError):
    """Only a person has a Today on which something can be put off or skipped."""

    code = "no_today"


def item_of(row: Waiting) -> str:
    """A reason as forms and programs name it."""
    return f"{row.kind.value}:{row.id}"


def on_today(session: Session, actor: Actor, *, items: Sequence[str], now: datetime) -> list[Waiting]:
    """The reasons named by `items`, in that order, as far as they are on the actor's Today now."""
    found = queue(session, actor, is_mine=False, now=now)
    known = {item_of(row): row for rows in found.values() for row in rows}
    return [known[value] for value in dict.fromkeys(items[:MOST_ITEMS]) if value in known]


def set_aside(
    session: Session, actor: Actor, *, rows: Sequence[Waiting], until: datetime | None, reason: str, now: datetime
) -> None:
    """Keep reasons off the actor's Today until a moment, or for good; something newer brings each of them back.

    Raises `NoTodayError` for who is no person here, and `InvalidInputError` for a moment that is over.
    """
    if actor.user_id is None:
        raise NoTodayError(N_("A token has no Today of its own."))
    if until is not None and until <= now:
        sentence = N_("Choose a time that is still to come.")
        raise InvalidInputError(sentence, fields={"until": sentence})
    if not rows:
        return
    values = [
        {
            "id": new_id(),
            "workspace_id": actor.workspace_id,
            "user_id": actor.user_id,
            "kind": row.kind.value,
            "object_id": row.id,
            "contact_id": row.contact_id,
            "mark": row.news or now,
            "until": until,
            "reason": reason,
            "created_at": now,
        }
        for row in rows
    ]
    fresh = insert(SetAside).values(values)
    again = {name: fresh.excluded[name] for name in ("mark", "until", "reason", "created_at", "contact_id")}
    keys = ["workspace_id", "user_id", "kind", "object_id"]
    session.execute(fresh.on_conflict_do_update(index_elements=keys, set_=again))


def tomorrow(now: datetime, *, tz: str) -> datetime:
    """Eight in the morning of the next local day."""
    return local_instant(local_day(now, tz=tz) + timedelta(days=1), MORNING, tz=tz)


_DEEDS: Final[dict[Kind, Callable[[Session, Actor, UUID, datetime], Any]]] = {
    Kind.REPLY: lambda session, actor, key, _now: conversations.close(session, actor, conversation_id=key),
    Kind.COMPLAINT: lambda session, actor, key, now: timeline.mark_answered(
        session, actor, interaction_id=key, now=now
    ),
    Kind.TASK: lambda session, actor, key, now: timeline.complete_task(session, actor, task_id=key, now=now),
}
"""What "done" does to a reason; of the others it is enough that nobody is told again."""


def do(session: Session, actor: Actor, *, row: Waiting, now: datetime) -> None:
    """A reason is dealt with: the conversation closed, the complaint answered, the task done, or not told again."""
    actor.require(Permission.EDIT)
    deed = _DEEDS.get(row.kind)
    if deed is None:
        set_aside(session, actor, rows=[row], until=None, reason="done", now=now)
    else:
        deed(session, actor, row.id, now)
