"""Runs one look at one source: take the run, ask with no session open, take in the answer."""

import threading
from datetime import timedelta
from typing import Final
from uuid import UUID

from crm.accounts.rules import system_actor
from crm.db import Database, database_now
from crm.enrichment import rules, services
from crm.enrichment.services import Task
from crm.enrichment.sources import SOURCES
from crm.enrichment.sources.base import Found, SourceError
from crm.net.client import HttpClient
from crm.net.errors import NetError

#: A run whose turn does not come in this time stays queued, and the clock wakes it again.
MOST_WAIT: Final = timedelta(seconds=60)


def run(database: Database, client: HttpClient, *, workspace_id: UUID, run_id: UUID) -> None:
    """Do the run if it still waits; every failure ends in its row."""
    task = _claimed(database, workspace_id=workspace_id, run_id=run_id)
    if task is None:
        return
    actor = system_actor(workspace_id)
    answer = _ask(client, task)
    with database.scope(workspace_id) as session:
        now = database_now(session)
        if isinstance(answer, Found):
            services.settle(session, actor, run_id=run_id, found=answer, now=now)
        else:
            code, retry_after = answer
            services.fail(session, actor, run_id=run_id, code=code, retry_after=retry_after, now=now)


def _claimed(database: Database, *, workspace_id: UUID, run_id: UUID) -> Task | None:
    """The task, after waiting for the source's turn between sessions."""
    waited = timedelta(0)
    while True:
        with database.scope(workspace_id) as session:
            result = services.claim(session, system_actor(workspace_id), run_id=run_id, now=database_now(session))
        if not isinstance(result, timedelta):
            return result
        if waited >= MOST_WAIT:
            return None
        threading.Event().wait(result.total_seconds())
        waited += result


def _ask(client: HttpClient, task: Task) -> Found | tuple[str, timedelta]:
    try:
        return SOURCES[task.source].fetch(
            client, task.address, country=task.country, etag=task.etag, last_modified=task.last_modified
        )
    except NetError as error:
        return error.code.value, rules.retry_after(error.code)
    except SourceError as error:
        return error.code, error.retry_after
