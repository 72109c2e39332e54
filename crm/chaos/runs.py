"""Plays runs: a fault, a house, the count; one after the other in a lane, several lanes beside each other."""

import multiprocessing
import os
import queue
import signal
import sys
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory

from crm import wiring
from crm.chaos.count import Result, judge, rows_of
from crm.chaos.faults import CATALOGUE, fault_of
from crm.chaos.house import PATIENCE_SECONDS, House, StuckError
from crm.chaos.scene import Fault, Scene
from crm.chaos.servers import Servers, mail_server
from crm.db import Database
from crm.embedded.launch import follow_parent
from crm.settings import current

#: How long a run at the shipped settings may take: what the promise says about a single kill.
SHIPPED_SECONDS = 180.0
SHIPPED = "worker killed at after_attempt_commit"
#: Minutes in seconds: a lease, a clock and a patience towards mail servers that make a run last a few seconds.
FAST = {"CRM_LEASE_SECONDS": "3", "CRM_CLOCK_SECONDS": "0.1", "CRM_SMTP_PATIENCE": "0.03"}
#: How long a lane may take to stop its servers when there is nothing left to play.
ENDING_SECONDS = 30.0
#: People who don't want to be written to any more: two before the first message leaves, two in the middle.
CLOSED_BEFORE = 2
CLOSED_MEANWHILE = 2


def play(servers: Servers, fault: Fault, seed: int, *, fast: bool = True) -> Result:
    """Play one run on these servers. `fast` shortens leases and time-outs; without it the shipped settings hold."""
    dice = Random(f"{seed}/{fault.name}")  # noqa: S311 - repeatable, no secret.
    script = {"seed": seed, "certificate": str(servers.certificate), **fault.script(dice)}
    name = f"chaos_{os.getpid()}_{time.monotonic_ns()}"
    family = fault.family if fast else "a single kill at the shipped settings"
    result = Result(seed, fault.name, family, fault.number)
    with (
        TemporaryDirectory(prefix="run-", dir=servers.home, ignore_cleanup_errors=True) as folder,
        servers.database(name) as url,
        mail_server(Path(folder), **script) as mail,
    ):
        database = Database(url, handlers=wiring.handlers())
        servers.flush_valkey()
        house = House(database, environment(servers, url, Path(folder), fast=fast), Path(folder))
        scene = Scene(servers, house, mail, dice, name, fault.number)
        try:
            house.fill(mail, number=fault.number, encrypted=fault.encrypted)
            for number in range(CLOSED_BEFORE):
                house.suppress(number)
            fault.play(scene)
            for number in range(fault.number - CLOSED_MEANWHILE, fault.number):
                house.suppress(number)
            house.settle(seconds=PATIENCE_SECONDS if fast else SHIPPED_SECONDS)
            result.recovery = (scene.recovered_at or time.monotonic()) - scene.struck_at
            judge(scene, fault, result, house.ask(rows_of))
        except StuckError as error:
            judge(scene, fault, result, house.ask(rows_of))
            result.violations.append(str(error))
        finally:
            house.end()
            database.dispose()
            if result.violations and (keep := os.environ.get("CRM_CHAOS_KEEP")):
                Path(keep, f"{seed}.log").write_bytes(house.log.read_bytes() + b"\n" + mail.journal.read_bytes())
    return result


def environment(servers: Servers, url: str, home: Path, *, fast: bool) -> dict[str, str]:
    """The variables of a run's processes; nothing of the operator's but what every program needs, and the keys."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("CRM_") or name.endswith("_KEY")}
    return {
        **kept,
        "CRM_CHANNEL_KEY": current().secret("channel_key"),
        "CRM_SECRET_KEY": current().secret("secret_key"),
        "CRM_HOME": str(home),
        "CRM_TEST_SWITCH": "1",
        "DATABASE_URL": url,
        "REDIS_URL": servers.valkey.url,
        "NET_ALLOW": "127.0.0.1",
        "SSL_CERT_FILE": str(servers.certificate),
        **(FAST if fast else {}),
    }


def run(seeds: Sequence[int], *, only: Sequence[str] = (), lanes: int = 1, shipped: bool = False) -> Iterator[Result]:
    """Play the runs of these seeds, in `lanes` processes with servers of their own; results come as they end.

    `only` takes the faults from these names, in turn, instead of from the seeds. `shipped` adds one run without
    shortened leases and time-outs: a single kill, and the recovery that an operator sees.
    """
    context = multiprocessing.get_context("forkserver")
    tasks, results = context.Queue(), context.Queue()
    plan = [(seed, only[index % len(only)] if only else fault_of(seed).name, True) for index, seed in enumerate(seeds)]
    # First, because it takes longest.
    plan[:0] = [(seeds[0], SHIPPED, False)] if shipped else []
    for task in plan:
        tasks.put(task)
    workers = [context.Process(target=_lane, args=(tasks, results)) for _ in range(min(lanes, len(plan)))]
    for worker in workers:
        worker.start()
    try:
        for _ in plan:
            yield _next(results, [worker.is_alive for worker in workers])
        for worker in workers:
            worker.join(ENDING_SECONDS)
    finally:
        for worker in workers:
            worker.terminate()
            worker.join()


def _next(results: "multiprocessing.Queue[Result]", lives: Sequence[Callable[[], bool]]) -> Result:
    while True:
        try:
            return results.get(timeout=1.0)
        except queue.Empty:
            if not any(lives_on() for lives_on in lives):
                raise RuntimeError("every lane ended before its runs did; see the messages above") from None


def _lane(tasks: "multiprocessing.Queue[tuple[int, str, bool]]", results: "multiprocessing.Queue[Result]") -> None:
    # Broken off, also with the command that started it, it still stops its servers and removes their folder.
    follow_parent(signal.SIGTERM)
    signal.signal(signal.SIGTERM, lambda _number, _frame: sys.exit(1))
    with Servers() as servers:
        while True:
            try:
                seed, name, fast = tasks.get(timeout=1.0)
            except queue.Empty:
                return
            fault = CATALOGUE[name]
            try:
                results.put(play(servers, fault, seed, fast=fast))
            except Exception:  # noqa: BLE001 - a broken run is a result, and must not end the others.
                results.put(Result(seed, name, fault.family, fault.number, violations=[traceback.format_exc(limit=-4)]))
