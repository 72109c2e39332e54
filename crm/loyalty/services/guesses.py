"""Slows down guessing of codes: counters that survive a restart and the refusal itself, and the record of refusals."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import case, select
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.orm import Session

from crm.accounts.models import AuditDetail, AuditEntry, Throttle
from crm.accounts.rules import Actor
from crm.db import aside, new_id
from crm.loyalty.errors import TooManyGuessesError
from crm.loyalty.rules.offers import Refusal

WINDOW = timedelta(minutes=10)
BLOCK = timedelta(minutes=15)


@dataclass(frozen=True, slots=True)
class Counter:
    """A counter of unknown codes and how many it takes in ten minutes."""

    key: str
    limit: int


def counters(actor: Actor, *, address: str = "") -> tuple[Counter, ...]:
    """The counters of one try: the account, the network address (kept as a hash), the workspace."""
    held = [Counter(f"voucher:workspace:{actor.workspace_id}", 300)]
    account = actor.user_id or actor.token_id
    if account is not None:
        held.append(Counter(f"voucher:account:{account}", 20))
    if address:
        digest = hashlib.sha256(f"{actor.workspace_id}:{address}".encode()).hexdigest()[:32]
        held.append(Counter(f"voucher:address:{digest}", 20))
    return tuple(sorted(held, key=lambda counter: counter.key))


def require_patience(session: Session, tries: Sequence[Counter], *, now: datetime) -> None:
    """Raise `TooManyGuessesError` while one of the counters is full."""
    blocked = session.scalar(
        select(Throttle.key).where(Throttle.key.in_([counter.key for counter in tries]), Throttle.blocked_until > now)
    )
    if blocked is not None:
        raise TooManyGuessesError("too many wrong codes; wait a quarter of an hour")


def count_miss(session: Session, tries: Sequence[Counter], *, now: datetime) -> None:
    """Count an unknown code, in a transaction of its own."""
    with aside(session) as other:
        for counter in tries:
            stale = Throttle.window_start <= now - WINDOW
            count = case((stale, 1), else_=Throttle.tries + 1)
            other.execute(
                upsert(Throttle)
                .values(key=counter.key, window_start=now, tries=1)
                .on_conflict_do_update(
                    index_elements=["key"],
                    set_={
                        "tries": count,
                        "window_start": case((stale, now), else_=Throttle.window_start),
                        "blocked_until": case((count >= counter.limit, now + BLOCK), else_=Throttle.blocked_until),
                    },
                )
            )


def record_refusal(session: Session, actor: Actor, *, reason: Refusal, voucher_id: UUID | None, now: datetime) -> None:
    """Keep the true reason of a refused code in the audit log, although the request itself leaves nothing."""
    with aside(session) as other:
        entry_id = new_id()
        other.add(
            AuditEntry(
                id=entry_id,
                at=now,
                actor_kind=actor.kind.value,
                user_id=actor.user_id,
                token_id=actor.token_id,
                action="voucher.refused",
                object_kind="voucher",
                object_id=voucher_id,
            )
        )
        other.flush()
        other.add(AuditDetail(entry_id=entry_id, after={"reason": reason.value}))
