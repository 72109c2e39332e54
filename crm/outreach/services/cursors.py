"""Owns how far each account was asked for what came in: whose turn it is, what a look brought, what kept it away."""

import random
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from sqlalchemy import select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from crm.accounts.rules import Actor
from crm.channels.base import OutcomeKind, Polled, PollError
from crm.db import new_id
from crm.outreach.inbound_models import InboundCursor
from crm.outreach.kinds import AccountState
from crm.outreach.models import SenderAccount
from crm.outreach.services.outcomes import AUTH_HOLD
from crm.outreach.services.receive import store_pieces

#: Between two looks where nothing came.
PAUSE: Final = timedelta(seconds=4)
#: While one asks nobody else does; longer than any platform is waited for.
TURN: Final = timedelta(seconds=90)
#: After failures the pause doubles up to this, with a spread so that accounts don't come back all at once.
LONGEST: Final = timedelta(minutes=10)
_SPREAD: Final = 0.2


def take_turn(session: Session, actor: Actor, *, account_id: UUID, now: datetime) -> str | None:
    """Be the one that asks for this account: where to begin, or None when somebody else asks or it isn't due."""
    session.execute(
        insert(InboundCursor)
        .values(id=new_id(), workspace_id=actor.workspace_id, account_id=account_id, next_at=now)
        .on_conflict_do_nothing(index_elements=["workspace_id", "account_id"])
    )
    return session.scalars(
        update(InboundCursor)
        .where(InboundCursor.account_id == account_id, InboundCursor.next_at <= now)
        .values(next_at=now + TURN)
        .returning(InboundCursor.cursor)
        .execution_options(synchronize_session=False)
    ).one_or_none()


def ask_from_the_beginning(session: Session, *, account_id: UUID, now: datetime) -> None:
    """Forget how far an account was asked: behind other credentials there may be another bot, which counts anew.

    Asked with the number of the one before, the platform would throw away what waits. What comes twice is known.
    """
    session.execute(
        update(InboundCursor)
        .where(InboundCursor.account_id == account_id)
        .values(cursor="", next_at=now, failures=0, code="")
        .execution_options(synchronize_session=False)
    )


def keep_polled(session: Session, actor: Actor, *, account_id: UUID, polled: Polled, now: datetime) -> int:
    """Store what a look brought, and from where the next one asks; how many events are new."""
    stored = store_pieces(session, actor, account_id=account_id, pieces=polled.pieces, now=now)
    session.execute(
        update(InboundCursor)
        .where(InboundCursor.account_id == account_id)
        .values(cursor=polled.cursor, next_at=now + PAUSE, failures=0, code="")
        .execution_options(synchronize_session=False)
    )
    session.execute(
        update(SenderAccount)
        .where(
            SenderAccount.id == account_id, SenderAccount.state == AccountState.HELD, SenderAccount.hold_until <= now
        )
        .values(state=AccountState.ACTIVE.value, hold_reason="", hold_until=None)
        .execution_options(synchronize_session=False)
    )
    return stored


def note_failure(session: Session, *, account_id: UUID, error: PollError, now: datetime) -> None:
    """Ask again after a growing pause; where the account is at fault, all of it is held like after a refused send."""
    row = session.scalars(select(InboundCursor).where(InboundCursor.account_id == account_id).with_for_update()).one()
    row.failures += 1
    pause = min(PAUSE * 2 ** min(row.failures, 10), LONGEST)
    row.code, row.next_at = error.code[:100], now + pause * (1 + _SPREAD * random.random())  # noqa: S311 - no secret.
    account = session.get_one(SenderAccount, account_id)
    account.last_error_at, account.last_error_code = now, row.code
    if error.kind is OutcomeKind.AUTH and account.state != AccountState.PAUSED:
        account.state, account.hold_reason, account.hold_until = AccountState.HELD.value, row.code, now + AUTH_HOLD
        row.next_at = now + AUTH_HOLD
    session.flush()
