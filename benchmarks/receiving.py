"""A burst of events through the door of a webhook and the workers behind it, beside bare inserts of the same bytes."""

import base64
import hashlib
import hmac
import json
import random
import subprocess
import sys
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from uuid import UUID

from flask.testing import FlaskClient
from sqlalchemy import func, select

from benchmarks.stand import ROOT, Stand, table
from crm.accounts.rules import Actor
from crm.app import create_app
from crm.channels.base import ChannelKind
from crm.contacts import services as contacts
from crm.contacts.kinds import FactOrigin
from crm.db import database_now, new_id
from crm.jobs import JobName
from crm.outreach import intake
from crm.outreach.inbound_models import InboundEvent
from crm.outreach.models import Message, SenderAccount
from crm.outreach.setup import keyring
from crm.settings import Settings

EVENTS = 10_000
#: Accounts that get them; each is worked through by one process at a time.
ACCOUNTS = 2
PEOPLE = 1_000
#: One delivery in so many is a repetition of another one, as after a time-out of the platform.
REPEATED = 20
KEY = b"a secret of thirty-two letters!!"
SECRET = "whsec_" + base64.b64encode(KEY).decode()


class _Silent:
    """No worker is woken: they are started when everything is stored."""

    def enqueue(self, name: JobName, *, id: str, **ids: UUID | str | int) -> bool:  # noqa: A002, ARG002 - as in Jobs.
        return True

    def wake(self, account_id: UUID, *, workspace_id: UUID) -> bool:  # noqa: ARG002 - as in Jobs.
        return True


def measure(stand: Stand) -> None:
    """Print events a second: bare, through the door, and through the workers; and that each counts once."""
    actor = stand.empty("receiving")
    accounts = _prepare(stand, actor)
    bodies = _bodies()
    bare = _bare(stand, bodies)
    app = create_app(Settings.load(home=stand.home), database=stand.database, jobs=_Silent())
    app.config["RATELIMIT_ENABLED"] = False
    app.extensions["crm_settings"] = Settings.load(home=stand.home)
    started = time.monotonic()
    _deliver(app.test_client(), accounts, bodies)
    door = time.monotonic() - started
    stand.settle()
    workers = _work(stand, actor, [account_id for account_id, _public_id in accounts])
    _check(stand, actor)
    rows = [
        ("two bare inserts and a commit for each", f"{EVENTS / bare:,.0f}", "100 %"),
        ("through the door: proof, storing, answer (1 process)", f"{EVENTS / door:,.0f}", f"{100 * bare / door:.0f} %"),
        (
            f"handled: author, conversation, timeline ({ACCOUNTS} processes)",
            f"{EVENTS / workers:,.0f}",
            f"{100 * bare / workers:.0f} %",
        ),
    ]
    table([f"{EVENTS:,} events of {PEOPLE:,} people, {100 // REPEATED} % of them twice", "events/s", "share"], rows)


def _prepare(stand: Stand, actor: Actor) -> list[tuple[UUID, UUID]]:
    """The accounts, and half of the people as contacts with their address."""
    made: list[tuple[UUID, UUID]] = []
    with stand.database.scope(actor.workspace_id) as session:
        now = database_now(session)
        for number in range(ACCOUNTS):
            account = SenderAccount(
                id=new_id(),
                public_id=new_id(),
                workspace_id=actor.workspace_id,
                channel=ChannelKind.WEBHOOK.value,
                name=f"Hook {number}",
                config={"url": "https://hooks.example/in"},
            )
            account.secret = keyring().seal(
                {"secret": SECRET, "send_secret": SECRET}, workspace_id=actor.workspace_id, row_id=account.id
            )
            session.add(account)
            made.append((account.id, account.public_id))
        for number in range(0, PEOPLE, 2):
            data = contacts.parsed(contacts.ContactInput, {"first_name": "Ada", "last_name": f"Rossi {number}"})
            person = contacts.create(session, actor, data=data, origin=FactOrigin.TYPED, source="", now=now)
            contacts.add_handle(
                session,
                actor,
                channel=ChannelKind.WEBHOOK,
                address=f"ada-{number}",
                contact_id=person.id,
                now=now,
            )
    return made


def _bodies() -> list[bytes]:
    """The events in a random order, each person to the account of their number."""
    source = random.Random(1)
    numbers = list(range(EVENTS))
    source.shuffle(numbers)
    return [
        json.dumps(
            {
                "type": "message.received",
                "timestamp": datetime.now(UTC).isoformat(),
                "data": {
                    "id": f"m-{number}",
                    "from": {"id": f"u-{number % PEOPLE}", "address": f"ada-{number % PEOPLE}", "name": "Ada Rossi"},
                    "text": f"Buongiorno, è la domanda numero {number}: quando arriva il mio ordine? Grazie.",
                },
            }
        ).encode()
        for number in numbers
    ]


def _bare(stand: Stand, bodies: Sequence[bytes]) -> float:
    with stand.owner() as connection:
        connection.execute("create table bare_event (id uuid primary key, name text unique)")
        connection.execute("create table bare_raw (id uuid primary key, raw bytea)")
        started = time.monotonic()
        for number, body in enumerate(bodies):
            key = new_id()
            with connection.transaction():
                connection.execute("insert into bare_event values (%s, %s)", [key, f"m-{number}"])
                connection.execute("insert into bare_raw values (%s, %s)", [key, body])
        seconds = time.monotonic() - started
        connection.execute("drop table bare_event, bare_raw")
    return seconds


def _deliver(client: FlaskClient, accounts: Sequence[tuple[UUID, UUID]], bodies: Sequence[bytes]) -> None:
    for number, body in enumerate(bodies):
        name, seconds = f"msg_{number}", str(int(time.time()))
        digest = hmac.new(KEY, f"{name}.{seconds}.".encode() + body, hashlib.sha256).digest()
        headers = {
            "webhook-id": name,
            "webhook-timestamp": seconds,
            "webhook-signature": f"v1,{base64.b64encode(digest).decode()}",
        }
        person = int(json.loads(body)["data"]["id"][2:]) % PEOPLE
        address = f"/hooks/webhook/{accounts[person % ACCOUNTS][1]}"
        for _ in range(2 if number % REPEATED == 0 else 1):
            answer = client.post(address, data=body, headers=headers, content_type="application/json")
            assert answer.status_code == 200, answer.status_code


def _work(stand: Stand, actor: Actor, account_ids: Sequence[UUID]) -> float:
    """Let one process for each account handle everything, as the workers do."""
    processes = [
        subprocess.Popen(
            [sys.executable, "-m", "benchmarks.receiving", str(actor.workspace_id), str(account_id)],
            cwd=ROOT,
            env=stand.env(),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        for account_id in account_ids
    ]
    for process in processes:
        assert process.stdout is not None
        process.stdout.readline()
    started = time.monotonic()
    for process in processes:
        process.communicate(b"go\n")
        assert process.returncode == 0
    return time.monotonic() - started


def _check(stand: Stand, actor: Actor) -> None:
    with stand.database.scope(actor.workspace_id) as session:
        events = session.scalar(select(func.count()).select_from(InboundEvent).where(InboundEvent.state == "handled"))
        messages = session.scalar(select(func.count()).select_from(Message))
    assert (events, messages) == (EVENTS, EVENTS), (events, messages)


def main(workspace_id: str, account_id: str) -> None:
    """One worker: says that it is there, waits for the word, handles all that is stored."""
    from workers import runtime

    database = runtime().database
    print("ready", flush=True)
    sys.stdin.readline()
    while intake.drain(database, workspace_id=UUID(workspace_id), account_id=UUID(account_id), seconds=2).has_more:
        pass


if __name__ == "__main__":
    main(*sys.argv[1:])
