"""The jobs of outreach: send what is due for an account, handle what came in, look into mailboxes.

They carry ids only.
"""

import contextvars
import threading
import time
from datetime import timedelta
from typing import Final
from uuid import UUID

import redis
import structlog

from crm import failpoints
from crm.jobs import JobName, QueueName
from crm.outreach import intake, mailbox, readback, runner
from workers import STOP, Runtime

log = structlog.get_logger(__name__)

#: After this long a busy account lets others have a turn, so that a big campaign delays nobody's message.
SLICE_SECONDS: Final = 2.0
#: A job ends after this long in any case; a stop that was asked for ends it with the slice.
JOB_SECONDS: Final = 45.0
#: How much longer than its slice an account may take before others are served beside it, and how often that is asked.
GRACE_SECONDS: Final = 1.0
LOOK_SECONDS: Final = 0.5
#: Accounts whose last conversations may go on beside the others.
MOST_BEHIND: Final = 16

_NOBODY: Final = threading.Thread()
_behind: dict[str, threading.Thread] = {}


def send_due(runtime: Runtime, *, workspace_id: str, account_id: str) -> None:
    """Send what is due for one account, in slices; ends early when another account waits."""
    if _behind.get(account_id, _NOBODY).is_alive():
        # Its last conversations still go on, and more at once than agreed no mail server takes.
        return
    failpoints.arm(runtime.settings)
    until = time.monotonic() + JOB_SECONDS
    while True:
        report = _slice(runtime, UUID(workspace_id), UUID(account_id))
        if report is None:
            # It is left behind.
            return
        if report.claimed:
            log.info("sent", started=report.started, sent=report.sent, refused=report.refused)
        is_over = STOP.was_asked_for or time.monotonic() >= until
        if not report.has_more or is_over or _others_wait(runtime):
            return


class _Slice(threading.Thread):
    """One run, in a thread that can go on beside the next job.

    At the end of the process Python waits for it, as for a job.
    """

    def __init__(self, runtime: Runtime, workspace_id: UUID, account_id: UUID) -> None:
        super().__init__(name=f"sending {account_id}")
        self.is_left = False
        self.report: runner.Report | None = None
        self.error: BaseException | None = None
        self._context = contextvars.copy_context()
        self._run = lambda: runner.run(
            runtime.database,
            workspace_id=workspace_id,
            account_id=account_id,
            lease=timedelta(seconds=runtime.settings.lease_seconds),
            seconds=SLICE_SECONDS,
        )

    def run(self) -> None:
        self._context.run(self._work)

    def _work(self) -> None:
        try:
            self.report = self._run()
        except BaseException as error:
            # It is the job's, as long as there is one.
            self.error = error
            if self.is_left:
                log.exception("job_failed")


def _slice(runtime: Runtime, workspace_id: UUID, account_id: UUID) -> runner.Report | None:
    """One slice of an account; None when its server keeps it longer than that, and others wait.

    A server may think about a message for minutes, and to break that off would leave it uncertain. So the rest of the
    conversations goes on beside the next job.
    """
    work = _Slice(runtime, workspace_id, account_id)
    work.start()
    try:
        work.join(SLICE_SECONDS + GRACE_SECONDS)
        while work.is_alive() and not (_may_be_left() and _others_wait(runtime)):
            work.join(LOOK_SECONDS)
    finally:
        # Also when the job's time is over: the run may still be at work.
        if work.is_alive():
            work.is_left, _behind[str(account_id)] = True, work
            log.info("left_behind", account=str(account_id))
    if work.error is not None:
        raise work.error
    return work.report


def _may_be_left() -> bool:
    for account_id, work in list(_behind.items()):
        if not work.is_alive():
            del _behind[account_id]
    return len(_behind) < MOST_BEHIND and not STOP.comes_with_job


def wait_for_those_behind() -> int:
    """Wait until no account is left behind any more; how many there were."""
    waiting = list(_behind.values())
    for work in waiting:
        work.join()
    _behind.clear()
    return len(waiting)


def _others_wait(runtime: Runtime) -> bool:
    try:
        return runtime.jobs.waiting()[QueueName.OUTREACH] > 0
    except redis.RedisError:
        # The queue server is away: nobody can be waiting there, and the clock finds us again.
        return False


def receive(runtime: Runtime, *, workspace_id: str, account_id: str) -> None:
    """Handle what an account was told, in slices; the next one is asked for when others wait."""
    workspace, account = UUID(workspace_id), UUID(account_id)
    until = time.monotonic() + JOB_SECONDS
    while True:
        done = intake.drain(runtime.database, workspace_id=workspace, account_id=account, seconds=SLICE_SECONDS)
        if done.handled or done.failed:
            log.info("received", handled=done.handled, failed=done.failed)
        if not done.has_more or STOP.was_asked_for or time.monotonic() >= until or _others_wait(runtime):
            return


def read_back(runtime: Runtime, *, workspace_id: str, account_id: str) -> None:
    """Look what became of an account's uncertain messages."""
    found = readback.run(runtime.database, workspace_id=UUID(workspace_id), account_id=UUID(account_id))
    if found.looked or found.settled:
        log.info("read_back", looked=found.looked, settled=found.settled)


def read_mailbox(runtime: Runtime, *, workspace_id: str, mailbox_id: str) -> None:
    """Read what came into a mailbox, and go on with what lay there."""
    house = UUID(workspace_id)
    found = mailbox.run(runtime.database, workspace_id=house, mailbox_id=UUID(mailbox_id))
    if found.stored and found.account_id:
        runtime.jobs.enqueue(
            JobName.RECEIVE, id=f"account:{found.account_id}", workspace_id=house, account_id=found.account_id
        )
    if found.looked:
        log.info("mailbox_read", looked=found.looked, stored=len(found.stored), added=found.added)
