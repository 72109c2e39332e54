"""The whole outreach pipeline in one worker process to smtp-sink, beside a bare smtplib loop with ready-made bytes."""

import contextlib
import multiprocessing
import shutil
import smtplib
import socket
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from uuid import UUID

from sqlalchemy import func, select

from benchmarks import mailing
from benchmarks.stand import Stand, table
from crm import wiring
from crm.accounts.rules import Actor
from crm.db import Database
from crm.embedded import ValkeyServer
from crm.outreach import handover, runner
from crm.outreach.models import Message
from workers.outreach import SLICE_SECONDS

MESSAGES, CONNECTIONS, ROUNDS = 2_000, 8, 3
SINGLES, CAMPAIGN = 10, 100_000


def measure(stand: Stand) -> None:
    """The rate beside a loop that only calls `sendmail`, in alternating runs."""
    bare, ours = [], []
    with sink() as (name, port):
        house = _house(stand, port, past=1_000)
        for _ in range(ROUNDS):
            bare.append(_bare(port))
            ours.append(_pipeline(stand, *house, port))
    share = statistics.median(own / other for own, other in zip(ours, bare, strict=True))
    table(
        [f"{MESSAGES} messages to {name}, {CONNECTIONS} connections", "messages/s (median)", "share"],
        [
            ("bare smtplib loop with ready-made bytes", f"{statistics.median(bare):,.0f}", "100 %"),
            ("whole pipeline, one worker process", f"{statistics.median(ours):,.0f}", f"{100 * share:.0f} %"),
        ],
    )
    print(f"\nAlternating runs, messages/s: bare {_all(bare)}; pipeline {_all(ours)}.")


def _all(values: list[float]) -> str:
    return ", ".join(f"{value:,.0f}" for value in values)


@contextmanager
def sink() -> Iterator[tuple[str, int]]:
    """A running mail server that throws everything away: smtp-sink where Postfix is installed, else our own."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    program = shutil.which("smtp-sink", path="/usr/sbin:/usr/bin:/usr/local/sbin")
    if program:
        name, command = "smtp-sink", [program, "-u", "nobody", f"127.0.0.1:{port}", "256"]
    else:
        name, command = "an asyncio sink", [sys.executable, "-m", "benchmarks.sink", str(port)]
    process = subprocess.Popen(command)
    try:
        until = time.monotonic() + 20
        while time.monotonic() < until:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
                break
            time.sleep(0.05)
        yield name, port
    finally:
        process.terminate()
        process.wait()


def _bare(port: int) -> float:
    """Messages a second of threads that only call `sendmail`."""
    data = ("Subject: Ciao\r\nFrom: a@example.com\r\nTo: b@example.com\r\n\r\n" + "x" * 70 + "\r\n").encode()
    data += (b"y" * 70 + b"\r\n") * 18
    lines = [smtplib.SMTP("127.0.0.1", port, local_hostname="localhost") for _ in range(CONNECTIONS)]

    def send(line: smtplib.SMTP) -> None:
        for _ in range(MESSAGES // CONNECTIONS):
            line.sendmail("a@example.com", ["b@example.com"], data)

    threads = [threading.Thread(target=send, args=(line,)) for line in lines]
    started = time.monotonic()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    seconds = time.monotonic() - started
    for line in lines:
        line.quit()
    return MESSAGES / seconds


def _house(stand: Stand, port: int, *, past: int) -> tuple[Actor, UUID]:
    """A workspace that has sent `past` messages, and an account of it, which has spoken to the server before."""
    actor = stand.empty("outreach")
    account_id = mailing.account(stand, actor, port=port)
    mailing.remember(stand, mailing.first(stand, actor, account_id), past)
    return actor, account_id


def _pipeline(stand: Stand, actor: Actor, account_id: UUID, port: int) -> float:
    """Messages a second from the claim to the recorded outcome, in a process of its own."""
    mailing.multiply(stand, mailing.first(stand, actor, account_id), MESSAGES - 1)
    warm_id = mailing.account(stand, actor, port=port, name="Warm")
    mailing.multiply(stand, mailing.first(stand, actor, warm_id), CONNECTIONS - 1)
    stand.settle()
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        # A worker has imported everything and spoken to the server long before its first big campaign.
        pool.apply(_work, (stand.url, actor.workspace_id, warm_id))
        seconds = pool.apply(_work, (stand.url, actor.workspace_id, account_id))
    with stand.database.scope(actor.workspace_id) as session:
        waiting = session.scalar(select(func.count()).where(Message.state != "sent"))
    assert waiting == 0, waiting
    return MESSAGES / seconds


def _work(url: str, workspace_id: UUID, account_id: UUID) -> float:
    database = Database(url, handlers=wiring.handlers(), pooled=False)
    started = time.monotonic()
    while _slice(database, workspace_id, account_id).has_more:
        pass
    return time.monotonic() - started


def _slice(database: Database, workspace_id: UUID, account_id: UUID) -> runner.Report:
    """One turn of an account, as long as the worker gives it."""
    # As the clock does, which settles what killed senders leave behind.
    handover.attend()
    return runner.run(
        database,
        workspace_id=workspace_id,
        account_id=account_id,
        lease=timedelta(seconds=120),
        seconds=SLICE_SECONDS,
        connections=CONNECTIONS,
    )


def measure_growth(stand: Stand) -> None:
    """Whether a message costs more among a million others; needs minutes and some gigabytes."""
    with sink() as (_, port):
        houses = {past: _house(stand, port, past=past) for past in (1_000, 1_000_000)}
        rates: dict[int, list[float]] = {past: [] for past in houses}
        for _round in range(ROUNDS):
            for past, house in houses.items():
                rates[past].append(_pipeline(stand, *house, port))
    few, many = (1000 / statistics.median(found) for found in rates.values())
    table(
        ["messages in the house", "ms a message (median)", "ratio"],
        [("1,000", f"{few:.2f}", "1.00"), ("1,000,000", f"{many:.2f}", f"{many / few:.2f}")],
    )


def measure_latency(stand: Stand) -> None:
    """How long after its minute a single message leaves: of an idle account, and beside a campaign of 100,000."""
    rows = []
    with sink() as (_, port), _valkey(stand) as settings, _people_at_work(settings):
        actor = stand.empty("latency")
        quiet = mailing.account(stand, actor, port=port, name="Quiet")
        # Until the first one has left, the processes are still starting.
        _late(stand, actor, quiet, number=1)
        rows.append(("idle account", _late(stand, actor, quiet)))
        busy = mailing.account(stand, actor, port=port, name="Busy")
        mailing.multiply(stand, mailing.first(stand, actor, busy), CAMPAIGN - 1)
        rows.append((f"another account beside a campaign of {CAMPAIGN:,}", _late(stand, actor, quiet)))
    table(
        ["a single due message of", "median", "longest"],
        [(name, f"{statistics.median(late):.2f} s", f"{max(late):.2f} s") for name, late in rows],
    )


def _late(stand: Stand, actor: Actor, account_id: UUID, *, number: int = SINGLES) -> list[float]:
    """Seconds from due to handed over, for messages that fall due one after the other."""
    found = []
    for _ in range(number):
        message_id = mailing.first(stand, actor, account_id).message_id
        until = time.monotonic() + 60
        while time.monotonic() < until:
            with stand.database.scope(actor.workspace_id) as session:
                row = session.execute(select(Message.due_at, Message.sent_at).where(Message.id == message_id)).one()
            if row.sent_at is not None:
                found.append((row.sent_at - row.due_at).total_seconds())
                break
            time.sleep(0.1)
        else:
            raise TimeoutError("the message didn't leave within a minute")
    return found


@contextmanager
def _valkey(stand: Stand) -> Iterator[dict[str, str]]:
    with ValkeyServer(stand.home) as valkey:
        yield stand.env() | {"REDIS_URL": valkey.url}


@contextmanager
def _people_at_work(environment: dict[str, str]) -> Iterator[None]:
    """A clock and one sending worker, the real commands."""
    commands = (["clock"], ["worker", "--queue", "outreach"])
    processes = [
        subprocess.Popen(
            [sys.executable, "-m", "crm", *command],
            env=environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        for command in commands
    ]
    try:
        yield
    finally:
        for process in processes:
            process.terminate()
        for process in processes:
            process.wait()
