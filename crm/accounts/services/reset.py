"""Makes and uses the single-use links by which a person sets a new password."""

from datetime import datetime, timedelta

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from crm.accounts.credentials import NewPassword, digest, new_secret
from crm.accounts.kinds import LinkPurpose
from crm.accounts.models import OneTimeLink, User
from crm.accounts.services import users
from crm.errors import NotFoundError, worded

# security.md: reset links are single use and live 10 minutes.
LINK_LIVES = timedelta(minutes=10)


class LinkGoneError(NotFoundError):
    """The link is unknown, used or too old; all three look the same."""

    code = "link_gone"


def reset_link(session: Session, *, user: User, public_url: str, now: datetime) -> str:
    """The address under which the user can set a new password once; older links of theirs stop working.

    Built from the configured base of the installation, never from what a browser claims it is talking to.
    """
    session.execute(
        update(OneTimeLink)
        .where(
            OneTimeLink.user_id == user.id,
            OneTimeLink.purpose == LinkPurpose.RESET,
            OneTimeLink.used_at.is_(None),
        )
        .values(used_at=now)
    )
    secret = new_secret()
    session.add(
        OneTimeLink(
            purpose=LinkPurpose.RESET,
            token_hash=digest(secret),
            user_id=user.id,
            expires_at=now + LINK_LIVES,
            created_at=now,
        )
    )
    session.flush()
    return f"{public_url}/reset/{secret}"


def holder(session: Session, *, secret: str, now: datetime) -> User:
    """The user whom a reset link belongs to, without using it up; raises `LinkGoneError`."""
    user = session.scalar(
        select(User)
        .join(OneTimeLink, OneTimeLink.user_id == User.id)
        .where(
            OneTimeLink.token_hash == digest(secret),
            OneTimeLink.purpose == LinkPurpose.RESET,
            OneTimeLink.used_at.is_(None),
            OneTimeLink.expires_at > now,
            User.active,
        )
    )
    if user is None:
        raise LinkGoneError(worded("This link was used or is too old. Ask for a new one."))
    return user


def use_reset_link(session: Session, *, secret: str, password: NewPassword, now: datetime) -> User:
    """Set the password, use the link up and end every browser of the user; of two at once only one succeeds."""
    user = holder(session, secret=secret, now=now)
    used = session.execute(
        update(OneTimeLink)
        .where(OneTimeLink.token_hash == digest(secret), OneTimeLink.used_at.is_(None))
        .values(used_at=now)
        .returning(OneTimeLink.id)
    ).first()
    if used is None:
        raise LinkGoneError(worded("This link was used or is too old. Ask for a new one."))
    users.set_password(session, user=user, password=password, now=now)
    return user


def user_by_address(session: Session, *, email: str) -> User | None:
    """The active user with this address, if any."""
    _written, compared = users.normal_address(email)
    return session.scalar(select(User).where(User.email_norm == compared, User.active))
