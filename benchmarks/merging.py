"""A merge of two people with 1,000 links each, and its undo, each in one transaction."""

import statistics
import time

from sqlalchemy import text
from sqlalchemy.orm import Session

from benchmarks.stand import Stand, table
from crm.accounts.rules import Actor
from crm.contacts import services
from crm.contacts.kinds import FactOrigin
from crm.contacts.models import Contact
from crm.db import database_now
from crm.lifecycle.services import merging

ROUNDS = 5
LINKS = 1_000
_ROWS = {
    "interaction": ("kind, happened_at, direction", "'call', now() - n * interval '1 hour', 'outbound'"),
    "task": ("title, due_at", "'Call', now() + n * interval '1 hour'"),
    "message": ("channel, purpose, state", "'email', 'personal', 'sent'"),
}


def _person(session: Session, actor: Actor, name: str) -> Contact:
    """A person with a third of the links on the timeline, a third as tasks, a third as messages."""
    data = services.parsed(services.ContactInput, {"first_name": name, "last_name": "Bench"})
    made = services.create(session, actor, data=data, origin=FactOrigin.TYPED, source="", now=database_now(session))
    for name_of_table, (columns, values) in _ROWS.items():
        session.execute(
            text(
                f"insert into {name_of_table} (id, workspace_id, contact_id, {columns})"
                f" select gen_random_uuid(), :w, :p, {values} from generate_series(1, :n) n"
            ),
            {"w": actor.workspace_id, "p": made.id, "n": LINKS // len(_ROWS) + 1},
        )
    return made


def measure(place: Stand) -> None:
    """Print how long a merge and its undo take, commit included."""
    actor = place.empty("merges")
    forth: list[float] = []
    back: list[float] = []
    for number in range(ROUNDS):
        with place.database.scope(actor.workspace_id) as session:
            kept, other = _person(session, actor, f"Kept {number}"), _person(session, actor, f"Other {number}")
        started = time.monotonic()
        with place.database.scope(actor.workspace_id) as session:
            now = database_now(session)
            done = merging.merge(session, actor, kept_id=kept.id, other_id=other.id, now=now)
        forth.append(time.monotonic() - started)
        started = time.monotonic()
        with place.database.scope(actor.workspace_id) as session:
            merging.undo_merge(session, actor, change_set_id=done.change_set.id, now=database_now(session))
        back.append(time.monotonic() - started)
    rows = [
        (what, f"{statistics.median(times) * 1000:.0f} ms", f"{max(times) * 1000:.0f} ms")
        for what, times in (("merge", forth), ("undo", back))
    ]
    table(("1,000 links each", "median", "longest"), rows)
