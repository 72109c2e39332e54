"""Slows down guessing of codes: counters that survive a restart and the refusal itself, and the record of refusals."""

import hashlib
from contextlib import suppress
from datetime import datetime
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from crm.accounts.models import Throttle
from crm.accounts.rules import Actor, Limit
from crm.accounts.services import audit, throttle
from crm.db import aside
from crm.errors import worded
from crm.loyalty.errors import TooManyGuessesError
from crm.loyalty.rules.offers import Refusal

PER_ACCOUNT = Limit(free=20, first_block=900, longest_block=900, window=600)
PER_ADDRESS = Limit(free=20, first_block=900, longest_block=900, window=600)
PER_WORKSPACE = Limit(free=300, first_block=900, longest_block=900, window=600)


def counters(session: Session, actor: Actor) -> dict[str, Limit]:
    """The counters of one try: the account, the network address (kept as a hash), the workspace."""
    held = {f"voucher:workspace:{actor.workspace_id}": PER_WORKSPACE}
    account = actor.user_id or actor.token_id
    if account is not None:
        held[f"voucher:account:{account}"] = PER_ACCOUNT
    origin: audit.Origin | None = session.info.get("origin")
    if origin is not None and origin.ip:
        digest = hashlib.sha256(f"{actor.workspace_id}:{origin.ip}".encode()).hexdigest()[:32]
        held[f"voucher:address:{digest}"] = PER_ADDRESS
    return held


def require_patience(session: Session, actor: Actor, *, now: datetime) -> None:
    """Raise `TooManyGuessesError` while one of the actor's counters is full."""
    keys = counters(session, actor)
    blocked = session.scalar(select(Throttle.key).where(Throttle.key.in_(list(keys)), Throttle.blocked_until > now))
    if blocked is not None:
        raise TooManyGuessesError(worded("Too many wrong codes. Wait a quarter of an hour."))


def count_miss(session: Session, actor: Actor, *, now: datetime) -> None:
    """Count an unknown code, in transactions of their own: a refused request leaves nothing else behind."""
    for key, limit in sorted(counters(session, actor).items()):
        # Somebody else's miss may have filled the counter this very moment; then it is full already.
        with suppress(throttle.BlockedError), aside(session) as other:
            throttle.take(other, key=key, limit=limit, now=now)


def record_refusal(session: Session, actor: Actor, *, reason: Refusal, voucher_id: UUID | None) -> None:
    """Keep the true reason of a refused code in the audit log, although the request itself leaves nothing."""
    with aside(session) as other:
        other.info["origin"] = session.info.get("origin")
        audit.record(
            other,
            actor,
            action="voucher.refused",
            object_kind="voucher",
            object_id=voucher_id,
            after={"reason": reason.value},
        )
