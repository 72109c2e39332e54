"""Removes what is over: answers of idempotent calls, old counters, ended browsers and used links."""

from datetime import datetime, timedelta

from sqlalchemy import delete, func, or_, select
from sqlalchemy.orm import Session

from crm.accounts.models import OneTimeLink, Throttle, UserSession

KEPT = timedelta(days=30)


def sweep(session: Session, *, now: datetime) -> int:
    """Run once a day by the clock, over all workspaces; answers how many rows went."""
    gone = session.scalar(select(func.public.crm_forget_answers())) or 0
    for statement in (
        delete(Throttle)
        .where(
            Throttle.window_start < now - timedelta(days=2),
            or_(Throttle.blocked_until.is_(None), Throttle.blocked_until < now),
        )
        .returning(Throttle.key),
        delete(UserSession)
        .where(or_(UserSession.ended_at < now - KEPT, UserSession.seen_at < now - KEPT))
        .returning(UserSession.id),
        delete(OneTimeLink).where(OneTimeLink.expires_at < now - KEPT).returning(OneTimeLink.id),
    ):
        gone += len(session.execute(statement).all())
    return gone
