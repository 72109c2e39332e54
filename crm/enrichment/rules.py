"""Owns the decisions about asking: whether it is too early, lost or due, and when a failure may be tried again."""

from datetime import datetime, timedelta
from typing import Final

from crm.enrichment.kinds import RunState
from crm.net.errors import NetCode

#: A person who presses twice gets the first answer.
REPEAT_AFTER: Final = timedelta(minutes=1)
#: Longer than any job may run: what is still running then was lost with its worker.
LOST_AFTER: Final = timedelta(minutes=10)

_BY_CODE: Final = {
    NetCode.ROBOTS: timedelta(days=7),
    NetCode.FORBIDDEN_ADDRESS: timedelta(days=30),
    NetCode.SCHEME: timedelta(days=30),
    NetCode.URL: timedelta(days=30),
    NetCode.PORT: timedelta(days=30),
    NetCode.DNS: timedelta(days=1),
    NetCode.CERTIFICATE: timedelta(days=7),
    NetCode.TOO_BIG: timedelta(days=30),
    NetCode.ENCODING: timedelta(days=30),
}


def retry_after(code: NetCode) -> timedelta:
    """How long a failed look is remembered, so that a dead site is not knocked at again and again."""
    return _BY_CODE.get(code, timedelta(hours=6))


def is_under_way(state: RunState, *, created_at: datetime, started_at: datetime | None, now: datetime) -> bool:
    """Whether a run still waits or works; one that was lost with its worker counts as ended."""
    if state is RunState.QUEUED:
        return True
    return state is RunState.RUNNING and now - (started_at or created_at) < LOST_AFTER


def wait_for_pace(*, last_started: datetime | None, pace: timedelta, now: datetime) -> timedelta:
    """How long to wait so that two questions to one source stand `pace` apart; zero when it is free."""
    if last_started is None:
        return timedelta(0)
    return max(timedelta(0), last_started + pace - now)
