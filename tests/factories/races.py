"""Real processes on one real database, let go at once."""

import multiprocessing
import os
from collections.abc import Callable
from typing import Any

from sqlalchemy.exc import DBAPIError

from crm import wiring
from crm.accounts.rules import Actor
from crm.db import Database
from crm.errors import AppError

# Children start as copies of this process: fifty new interpreters would spend a minute on importing.
processes = multiprocessing.get_context("fork")


def in_processes(url: str, actor: Actor, jobs: list[Callable[[Any, Any], object]]) -> list[str]:
    """Run each job(session, actor) in a process of its own, let go at once; their answers or the codes of refusals."""
    channels = [processes.SimpleQueue() for _ in jobs]
    ready, go = processes.Semaphore(0), processes.Event()

    def run(job: Callable[[Any, Any], object], answers: Any) -> None:
        database = Database(url, handlers=wiring.handlers(), pooled=False)
        ready.release()
        go.wait()
        try:
            with database.scope(actor.workspace_id) as session:
                answer = str(job(session, actor))
        except AppError as refusal:
            answer = refusal.code
        except DBAPIError as error:
            answer = f"sqlstate {getattr(error.orig, 'sqlstate', '')}"
        except Exception as error:  # noqa: BLE001 - the parent fails on what it does not expect.
            answer = repr(error)
        answers.put(answer)
        os._exit(0)

    children = [processes.Process(target=run, args=pair) for pair in zip(jobs, channels, strict=True)]
    for child in children:
        child.start()
    for _ in children:
        ready.acquire()
    go.set()
    for child in children:
        child.join(60)
    return [answers.get() for answers in channels]
