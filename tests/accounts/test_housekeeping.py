"""What is over goes, what counts stays."""

from datetime import timedelta

import pytest
from sqlalchemy import select

from crm.accounts.kinds import LinkPurpose
from crm.accounts.models import OneTimeLink, Throttle, UserSession
from crm.accounts.services import housekeeping


@pytest.fixture
def rows(session, house, now):
    day = timedelta(days=1)
    session.add_all(
        [
            Throttle(key="old", window_start=now - 3 * day, tries=9, blocked_until=now - 2 * day),
            Throttle(key="blocked", window_start=now - 3 * day, tries=9, blocked_until=now + day),
            Throttle(key="new", window_start=now, tries=1),
            UserSession(user_id=house.user.id, token_hash="ended long ago", seen_at=now, ended_at=now - 40 * day),
            UserSession(user_id=house.user.id, token_hash="unused", seen_at=now - 40 * day),
            UserSession(user_id=house.user.id, token_hash="alive", seen_at=now),
            OneTimeLink(purpose=LinkPurpose.RESET, token_hash="old", expires_at=now - 40 * day),
            OneTimeLink(purpose=LinkPurpose.RESET, token_hash="new", expires_at=now),
        ]
    )
    session.flush()


def test_the_sweep_removes_what_is_over(session, rows, now):
    assert housekeeping.sweep(session, now=now) == 4

    assert set(session.scalars(select(Throttle.key))) == {"blocked", "new"}
    assert set(session.scalars(select(UserSession.token_hash))) == {"alive"}
    assert set(session.scalars(select(OneTimeLink.token_hash))) == {"new"}
