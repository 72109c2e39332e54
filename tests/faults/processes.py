"""The clock and the worker as processes of their own: forked from a server that has imported everything already.

Starting Python anew for each would cost seconds a test; the processes are as real, and die as really.
"""

import multiprocessing
import os
from multiprocessing.process import BaseProcess

CONTEXT = multiprocessing.get_context("forkserver")
CONTEXT.set_forkserver_preload(["crm.wiring", "workers.clock", "workers.outreach", "workers.process"])


def start(what: str, environment: dict[str, str], log: str) -> BaseProcess:
    """Start "clock" or "worker" with this environment; its output goes to the file `log`."""
    process = CONTEXT.Process(target=_main, args=(what, environment, log), daemon=True)
    process.start()
    return process


def _main(what: str, environment: dict[str, str], log: str) -> None:
    output = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    os.dup2(output, 1)
    os.dup2(output, 2)
    os.environ.clear()
    os.environ.update(environment)
    import threading

    from crm.jobs import QueueName
    from crm.settings import Settings
    from crm.web import logs
    from workers import clock, process

    settings = Settings.load()
    logs.init(level="INFO", as_json=True)
    if what == "clock":
        clock.run(settings, threading.Event())
    else:
        process.work(settings, QueueName.OUTREACH)
