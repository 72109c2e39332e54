"""Counters of tries."""

from datetime import timedelta

import pytest

from crm.accounts.models import Throttle
from crm.accounts.rules import Limit
from crm.accounts.services import throttle
from crm.accounts.services.throttle import BlockedError

LIMIT = Limit(free=3, first_block=60, longest_block=600, window=3600)


def tries(session, now, count):
    for _ in range(count):
        throttle.take(session, key="k", limit=LIMIT, now=now)


def counted(session, key):
    """How many tries are counted, and whether the key is blocked; None when nothing is known of it."""
    row = session.get(Throttle, key, populate_existing=True)
    return None if row is None else (row.tries, row.blocked_until is not None)


def test_free_tries_pass_and_the_next_one_waits(session, now):
    tries(session, now, 3)

    with pytest.raises(BlockedError) as blocked:
        throttle.take(session, key="k", limit=LIMIT, now=now)
    assert blocked.value.until == now + timedelta(seconds=60)


def test_another_key_is_not_blocked(session, now):
    tries(session, now, 3)

    throttle.take(session, key="other", limit=LIMIT, now=now)
    assert (counted(session, "k"), counted(session, "other")) == ((3, True), (1, False))


def test_after_the_wait_one_try_passes_and_the_next_wait_is_longer(session, now):
    tries(session, now, 3)
    later = now + timedelta(seconds=61)
    throttle.take(session, key="k", limit=LIMIT, now=later)

    with pytest.raises(BlockedError) as blocked:
        throttle.take(session, key="k", limit=LIMIT, now=later)
    assert blocked.value.until == later + timedelta(seconds=120)


def test_a_new_window_forgets_the_old_tries(session, now):
    tries(session, now, 3)

    tries(session, now + timedelta(hours=2), 2)
    assert counted(session, "k") == (2, False)


def test_the_right_secret_clears_the_counter(session, now):
    tries(session, now, 3)
    throttle.clear(session, key="k")
    assert counted(session, "k") is None

    tries(session, now, 2)
    assert counted(session, "k") == (2, False)
