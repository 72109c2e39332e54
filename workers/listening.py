"""The job that asks a platform for what came in: each account in a thread of its own, so that none waits for another.

A platform that doesn't answer keeps its thread until its own time-out; the job that began it has long ended.
"""

import contextvars
import threading
from typing import Final
from uuid import UUID

import structlog

from crm.jobs import JobName
from crm.outreach import polling
from workers import STOP, Runtime

log = structlog.get_logger(__name__)

#: Accounts that are asked at once by one process; each thread holds no database connection while it waits.
MOST_AT_ONCE: Final = 32

_asking: dict[str, threading.Thread] = {}


def poll(runtime: Runtime, *, workspace_id: str, account_id: str) -> None:
    """Begin to ask for one account; the clock asks again for whoever finds no room."""
    for known in [known for known, thread in _asking.items() if not thread.is_alive()]:
        del _asking[known]
    if account_id in _asking or len(_asking) >= MOST_AT_ONCE:
        return
    context = contextvars.copy_context()
    # A turn that is broken off with the process brings nothing and loses nothing: the cursor stands where it was.
    thread = threading.Thread(
        target=context.run, args=(_one, runtime, workspace_id, account_id), name=f"asking {account_id}", daemon=True
    )
    _asking[account_id] = thread
    thread.start()
    if STOP.comes_with_job:
        thread.join()


def _one(runtime: Runtime, workspace_id: str, account_id: str) -> None:
    try:
        stored = polling.poll(runtime.database, workspace_id=UUID(workspace_id), account_id=UUID(account_id))
    except Exception:
        log.exception("job_failed")
        return
    if stored:
        log.info("polled", stored=stored)
        runtime.jobs.enqueue(
            JobName.RECEIVE, id=f"account:{account_id}", workspace_id=workspace_id, account_id=account_id
        )


def wait_for_those_asking() -> None:
    """Wait until nobody is asked any more."""
    for thread in list(_asking.values()):
        thread.join()
    _asking.clear()
