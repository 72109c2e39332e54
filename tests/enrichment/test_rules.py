"""When to ask, and when not to."""

from datetime import UTC, datetime, timedelta

import pytest

from crm.enrichment.kinds import RunState
from crm.enrichment.rules import LOST_AFTER, is_under_way, retry_after, wait_for_pace
from crm.net.errors import NetCode

NOW = datetime(2026, 11, 23, 10, tzinfo=UTC)


@pytest.mark.parametrize(
    ("state", "started", "under_way"),
    [
        (RunState.QUEUED, None, True),
        (RunState.RUNNING, NOW - timedelta(minutes=1), True),
        (RunState.RUNNING, NOW - LOST_AFTER, False),
        (RunState.DONE, NOW, False),
        (RunState.FAILED, NOW, False),
    ],
)
def test_a_run_is_under_way_until_it_ends_or_is_lost(state, started, under_way):
    assert is_under_way(state, created_at=NOW, started_at=started, now=NOW) is under_way


@pytest.mark.parametrize(("ago", "wait"), [(None, 0), (0, 1), (0.4, 0.6), (1, 0), (9, 0)])
def test_questions_stand_apart_by_the_pace(ago, wait):
    last = None if ago is None else NOW - timedelta(seconds=ago)
    assert wait_for_pace(last_started=last, pace=timedelta(seconds=1), now=NOW) == timedelta(seconds=wait)


@pytest.mark.parametrize("code", NetCode)
def test_every_failure_is_remembered_for_a_while(code):
    assert retry_after(code) >= timedelta(hours=6)
