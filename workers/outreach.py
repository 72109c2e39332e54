"""The jobs of outreach: send what is due for an account, handle what came in, look into mailboxes.

They carry ids only.
"""

import time
from datetime import timedelta
from typing import Final
from uuid import UUID

import redis
import structlog

from crm import failpoints
from crm.accounts.rules import system_actor
from crm.db import database_now
from crm.jobs import QueueName
from crm.outreach import readback, runner
from crm.outreach.services import give_up, handle_inbound
from workers import STOP, Runtime

log = structlog.get_logger(__name__)

#: After this long a busy account lets others have a turn, so that a big campaign delays nobody's message.
SLICE_SECONDS: Final = 2.0
#: A job ends after this long in any case; a stop that was asked for ends it with the slice.
JOB_SECONDS: Final = 45.0


def send_due(runtime: Runtime, *, workspace_id: str, account_id: str) -> None:
    """Send what is due for one account, in slices; ends early when another account waits."""
    failpoints.arm(runtime.settings)
    until = time.monotonic() + JOB_SECONDS
    while True:
        report = runner.run(
            runtime.database,
            workspace_id=UUID(workspace_id),
            account_id=UUID(account_id),
            lease=timedelta(seconds=runtime.settings.lease_seconds),
            seconds=SLICE_SECONDS,
        )
        if report.claimed:
            log.info("sent", started=report.started, sent=report.sent, refused=report.refused)
        is_over = STOP.was_asked_for or time.monotonic() >= until
        if not report.has_more or is_over or _others_wait(runtime):
            return


def _others_wait(runtime: Runtime) -> bool:
    try:
        return runtime.jobs.waiting()[QueueName.OUTREACH] > 0
    except redis.RedisError:
        # The queue server is away: nobody can be waiting there, and the clock finds us again.
        return False


def receive(runtime: Runtime, *, workspace_id: str, event_id: str) -> None:
    """Handle one stored inbound event; one that can't be handled is set aside with its error."""
    workspace, event = UUID(workspace_id), UUID(event_id)
    try:
        with runtime.database.scope(workspace) as session:
            handle_inbound(session, system_actor(workspace), event_id=event, now=database_now(session))
    except Exception as error:
        with runtime.database.scope(workspace) as session:
            give_up(session, event_id=event, error=type(error).__name__, now=database_now(session))
        raise


def read_back(runtime: Runtime, *, workspace_id: str, account_id: str) -> None:
    """Look what became of an account's uncertain messages."""
    found = readback.run(runtime.database, workspace_id=UUID(workspace_id), account_id=UUID(account_id))
    if found.looked or found.settled:
        log.info("read_back", looked=found.looked, settled=found.settled)
