"""Owns what a person's page says about warmth and keeping in touch."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy.orm import Session

from crm.accounts.rules import Actor
from crm.clock import local_day
from crm.interactions.queries import keeping as queries
from crm.interactions.queries.keeping import Rhythm, Warm
from crm.interactions.queries.timeline import Exchange


@dataclass(frozen=True, slots=True)
class Keeping:
    """Warmth, the rhythm, how many days are left of it (nothing left is due), and the newest exchange."""

    warm: Warm | None
    rhythm: Rhythm
    left: int
    last: Exchange | None


def keeping(session: Session, actor: Actor, *, contact_id: UUID, now: datetime) -> Keeping:
    """All of it, with one statement."""
    kept = queries.kept_of(session, actor, contact_id=contact_id, now=now)
    rhythm, left = kept.rhythm, 0
    if rhythm.due_at is not None:
        left = (local_day(rhythm.due_at, tz=actor.time_zone) - local_day(now, tz=actor.time_zone)).days
    return Keeping(kept.warm, rhythm, left, kept.last)
