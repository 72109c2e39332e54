"""Starts and ends signed-in browsers: each has a row of its own, so it can be listed and ended at once."""

from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from crm.accounts.credentials import digest, new_secret
from crm.accounts.models import User, UserSession
from crm.accounts.rules import BROWSER_IDLE
from crm.errors import NotFoundError

# Writing a row at every click would only move the same minute forward.
SEEN_EVERY = timedelta(minutes=5)


def start(session: Session, *, user_id: UUID, ip: str, agent: str, now: datetime) -> str:
    """Sign a browser in; answers with the secret that its cookie holds (stored as a hash)."""
    secret = new_secret()
    session.add(
        UserSession(
            user_id=user_id, token_hash=digest(secret), ip=ip[:64], agent=agent[:300], created_at=now, seen_at=now
        )
    )
    session.flush()
    return secret


def holder(session: Session, *, secret: str, uniquifier: str, now: datetime) -> User | None:
    """The active user of a signed-in browser, None when it was ended, idle too long, or the password changed since."""
    row = session.execute(
        select(UserSession, User)
        .join(User, User.id == UserSession.user_id)
        .where(
            UserSession.token_hash == digest(secret),
            UserSession.ended_at.is_(None),
            UserSession.seen_at > now - BROWSER_IDLE,
            User.fs_uniquifier == uniquifier,
            User.active,
        )
    ).one_or_none()
    if row is None:
        return None
    browser, user = row
    if browser.seen_at < now - SEEN_EVERY:
        browser.seen_at = now
    return user


def end(session: Session, *, secret: str, now: datetime) -> None:
    """Sign out the browser that holds `secret`."""
    session.execute(
        update(UserSession)
        .where(UserSession.token_hash == digest(secret), UserSession.ended_at.is_(None))
        .values(ended_at=now)
    )


def end_one(session: Session, *, user_id: UUID, session_id: UUID, now: datetime) -> None:
    """End one browser of this user; raises `NotFoundError` for anybody else's."""
    found = session.execute(
        update(UserSession)
        .where(UserSession.id == session_id, UserSession.user_id == user_id, UserSession.ended_at.is_(None))
        .values(ended_at=now)
        .returning(UserSession.id)
    ).first()
    if found is None:
        raise NotFoundError


def end_all(session: Session, *, user_id: UUID, now: datetime, but_secret: str | None = None) -> int:
    """End every browser of a user, but the one that holds `but_secret`; answers how many."""
    statement = (
        update(UserSession)
        .where(UserSession.user_id == user_id, UserSession.ended_at.is_(None))
        .values(ended_at=now)
        .returning(UserSession.id)
    )
    if but_secret is not None:
        statement = statement.where(UserSession.token_hash != digest(but_secret))
    return len(session.execute(statement).all())
