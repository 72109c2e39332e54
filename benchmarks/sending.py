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

from benchmarks.stand import Stand, table
from crm import wiring
from crm.accounts.rules import Actor
from crm.channels.base import ChannelKind
from crm.channels.smtp import Security
from crm.consent.kinds import Purpose
from crm.contacts.models import Contact, Handle
from crm.db import Database, database_now, new_id
from crm.outreach import runner, services
from crm.outreach.models import Message

MESSAGES, CONNECTIONS, ROUNDS = 2_000, 8, 3
BODY = "Gentile **{{ contact.name }}**,\n\n" + "le scrivo per il rapporto di questo mese, che trova qui sotto. " * 8


def measure(stand: Stand) -> None:
    bare, ours = [], []
    with sink() as (name, port):
        for _ in range(ROUNDS):
            bare.append(_bare(port))
            ours.append(_pipeline(stand, port))
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


def _pipeline(stand: Stand, port: int) -> float:
    """Messages a second from the claim to the recorded outcome, in a process of its own."""
    actor = stand.empty("outreach")
    account_id = _due(stand, actor, port)
    context = multiprocessing.get_context("spawn")
    with context.Pool(1) as pool:
        # A worker has imported everything long before its first job.
        seconds = pool.apply(_work, (stand.url, actor.workspace_id, account_id))
    with stand.database.scope(actor.workspace_id) as session:
        states = dict(session.execute(select(Message.state, func.count()).group_by(Message.state)).tuples().all())
    assert states == {"sent": MESSAGES}, states
    return MESSAGES / seconds


def _work(url: str, workspace_id: UUID, account_id: UUID) -> float:
    database = Database(url, handlers=wiring.handlers(), pooled=False)
    started = time.monotonic()
    while True:
        report = runner.run(
            database,
            workspace_id=workspace_id,
            account_id=account_id,
            lease=timedelta(seconds=120),
            seconds=2.0,
            connections=CONNECTIONS,
        )
        if not report.has_more:
            break
    seconds = time.monotonic() - started
    runner.close_lines()
    return seconds


def _due(stand: Stand, actor: Actor, port: int) -> UUID:
    """An account at the sink, and as many people with one approved message each, due now."""
    with stand.database.scope(actor.workspace_id) as session:
        now = database_now(session)
        data = services.AccountInput(
            name="Sales", address="sales@example.com", display_name="Giulia Ferri", host="127.0.0.1", port=port,
            security=Security.NONE,
        )  # fmt: skip
        account = services.create_account(session, actor, data=data, now=now)
        people = [Contact(id=new_id(), display_name=f"Persona {n}", sort_name=f"{n:05}") for n in range(MESSAGES)]
        session.add_all(people)
        session.flush()
        for number, person in enumerate(people):
            address = f"p{number}@example.com"
            session.add(
                Handle(channel="email", address=address, address_norm=address, contact_id=person.id, is_primary=True)
            )
        session.flush()
        drafts = [
            services.DraftInput(contact_id=one.id, subject="Ciao {{ contact.name }}", body=BODY) for one in people
        ]
        made = services.draft_many(
            session, actor, batch_id=None, drafts=drafts, purpose=Purpose.PERSONAL, channel=ChannelKind.EMAIL,
            account_id=account.id, now=now,
        )  # fmt: skip
        ids = list(made.values())
        services.approve(session, actor, message_ids=ids, now=now)
        assert len(services.schedule(session, actor, message_ids=ids, at=now, now=now).done) == MESSAGES
        return account.id
