"""One workspace with one sender account and many messages, its processes, and its time."""

import hashlib
import signal
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from typing import Final, TypeVar
from uuid import UUID

from sqlalchemy import delete, func, select, text, update
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from crm.accounts.models import Workspace
from crm.accounts.rules import Actor, system_actor
from crm.channels.base import ChannelKind
from crm.chaos import processes
from crm.chaos.processes import Part
from crm.chaos.servers import MailServer
from crm.consent import services as consent
from crm.consent.kinds import Purpose, SuppressionReason
from crm.contacts.models import Contact, Handle
from crm.db import Database, database_now, new_id
from crm.outreach import services
from crm.outreach.kinds import AccountState, MessageState
from crm.outreach.models import Message, SenderAccount
from crm.outreach.pace_models import DomainPace

T = TypeVar("T")

#: How long anything may take before a run is called stuck.
PATIENCE_SECONDS: Final = 60.0
LOOK_SECONDS: Final = 0.02
#: A message in one of these is still on its way.
UNDER_WAY: Final = frozenset({MessageState.SCHEDULED, MessageState.CLAIMED, MessageState.SENDING})


class StuckError(Exception):
    """Something that must happen didn't happen in time: a violation, or a mistake of this kit."""


def until(condition: Callable[[], bool], what: str, *, seconds: float = PATIENCE_SECONDS) -> None:
    """Look every fiftieth of a second until `condition` holds, because a database can't be waited on.

    Raises `StuckError` naming `what` after `seconds`.
    """
    pause, deadline = threading.Event(), time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise StuckError(f"waited {seconds:.0f} s for {what}")
        pause.wait(LOOK_SECONDS)


@dataclass
class House:
    """A workspace in a database of its own."""

    database: Database
    environment: Mapping[str, str]
    home: Path
    workspace_id: UUID = field(default_factory=new_id)
    running: list[ForkServerProcess] = field(default_factory=list)
    #: Those that are started again when they give up by themselves.
    supervised: list[tuple[ForkServerProcess, Part]] = field(default_factory=list)
    #: When each of these addresses was suppressed for good, by the database's clock.
    closed: dict[str, datetime] = field(default_factory=dict)

    @property
    def actor(self) -> Actor:
        return system_actor(self.workspace_id)

    @property
    def log(self) -> Path:
        """What the processes wrote."""
        return self.home / "processes.log"

    # Processes

    def start(self, part: Part, *, failpoints: str = "", ahead: float = 0.0) -> ForkServerProcess:
        """Start a part; a failpoint arms this process only."""
        environment = {**self.environment, "CRM_FAILPOINTS": failpoints}
        process = processes.start(part, environment, self.log, ahead=ahead)
        self.running.append(process)
        return process

    def supervise(self, process: ForkServerProcess, part: Part) -> None:
        """Do for a process what `crm up` and systemd do: whenever it gives up by itself, start it again.

        It may go on for a while before it notices that Valkey lost everything.
        """
        self.supervised.append((process, part))
        self._start_again()

    def _start_again(self) -> None:
        for process, part in list(self.supervised):
            if process.exitcode is not None:
                self.supervised.remove((process, part))
                self.supervised.append((self.start(part), part))

    def end(self) -> None:
        """Kill what still runs."""
        self.supervised.clear()
        for process in self.running:
            for child in processes.children_of(process.pid or 0):
                processes.send(child, signal.SIGKILL)
            process.kill()
            process.join()
            process.close()
        self.running.clear()

    # Messages

    def fill(self, mail: MailServer, *, number: int, encrypted: bool = False) -> None:
        """`number` people with one approved message each, due now, through the ordinary services."""
        with self.database.scope(self.workspace_id) as session:
            now = database_now(session)
            session.add(Workspace(id=self.workspace_id, name="Lanterna", slug=f"w-{self.workspace_id.hex}"))
            session.flush()
            account_id = self._account(session, mail, encrypted=encrypted, now=now)
            people = self._people(session, number)
            drafts = [
                services.DraftInput(
                    contact_id=person.id, subject="Ciao {{ contact.name }}", body="Solo per **{{ contact.name }}**."
                )
                for person in people
            ]
            made = services.draft_many(
                session,
                self.actor,
                batch_id=None,
                drafts=drafts,
                purpose=Purpose.PERSONAL,
                channel=ChannelKind.EMAIL,
                account_id=account_id,
                now=now,
            )
            ids = list(made.values())
            services.approve(session, self.actor, message_ids=ids, now=now)
            done = services.schedule(session, self.actor, message_ids=ids, at=now, now=now).done
            if len(done) != number:
                raise StuckError(f"only {len(done)} of {number} messages could be scheduled")

    def _account(self, session: Session, mail: MailServer, *, encrypted: bool, now: datetime) -> UUID:
        data = services.AccountInput.model_validate(
            {
                "name": "Sales",
                "address": "sales@lanterna.example.com",
                "host": "127.0.0.1",
                "port": mail.port,
                "security": "starttls" if encrypted else "none",
                "username": "sales" if encrypted else "",
            }
        )
        account = services.create_account(session, self.actor, data=data, now=now)
        if encrypted:
            services.set_secret(session, self.actor, account_id=account.id, secret={"secret": "password"})
        return account.id

    @staticmethod
    def _people(session: Session, number: int) -> list[Contact]:
        people = [Contact(id=new_id(), display_name=f"Person {n}", sort_name=f"{n:05}") for n in range(number)]
        session.add_all(people)
        session.flush()
        session.add_all(
            Handle(channel="email", address=address(n), address_norm=address(n), contact_id=person.id, is_primary=True)
            for n, person in enumerate(people)
        )
        session.flush()
        return people

    def suppress(self, number: int) -> None:
        """Never write to person `number` again, from the moment at which this returns."""

        def close(session: Session) -> None:
            consent.suppress(
                session,
                self.actor,
                channel=ChannelKind.EMAIL,
                address_norm=address(number),
                reason=SuppressionReason.ASKED,
                now=database_now(session),
            )

        self.ask(close)
        self.closed[address(number)] = self.ask(lambda session: session.execute(select(func.now())).scalar_one())

    # Looking

    def ask(self, work: Callable[[Session], T]) -> T:
        """One transaction, again when the database goes away meanwhile; `work` must be repeatable."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while True:
            try:
                with self.database.scope(self.workspace_id) as session:
                    return work(session)
            except DBAPIError:
                if time.monotonic() > deadline:
                    raise
                threading.Event().wait(LOOK_SECONDS)

    def states(self) -> Counter[str]:
        """How many messages are in which state."""
        grouped = select(Message.state, func.count()).group_by(Message.state)
        found = self.ask(lambda session: session.execute(grouped).all())
        return Counter({state: count for state, count in found})  # noqa: C416 - the rows are no pairs to the type checker.

    def sent(self) -> int:
        return self.states()[MessageState.SENT]

    def settle(self, *, passing: bool = True, seconds: float = PATIENCE_SECONDS) -> Counter[str]:
        """Wait until nothing is due or under way; with `passing`, the pauses before repetitions go by at once."""

        def is_settled() -> bool:
            self._start_again()
            if passing:
                self.ask(pass_time)
            return not UNDER_WAY & self.states().keys()

        until(is_settled, "all messages to be settled", seconds=seconds)
        return self.states()

    def decide(self, mail: MailServer) -> None:
        """Do what a person does who looks into the recipient's mailbox: settle every uncertain message."""
        arrived = {entry["reference"] for entry in mail.taken()}
        with self.database.scope(self.workspace_id) as session:
            now = database_now(session)
            rows = session.execute(
                select(Message.id, Message.reference).where(Message.state == MessageState.UNCERTAIN)
            ).all()
            for message_id, reference in rows:
                decision = services.Decision.ARRIVED if reference in arrived else services.Decision.SEND_AGAIN
                services.resolve_uncertain(session, self.actor, message_id=message_id, decision=decision, now=now)


def address(number: int) -> str:
    """The address of person `number`."""
    return f"p{number}@example.com"


def hash_of(words: str) -> str:
    """The hash that the journal keeps of a text."""
    return hashlib.sha256(words.encode()).hexdigest()


def pass_time(session: Session) -> None:
    """Let pauses before repetitions, holds of accounts and slow domains go by: hours that a run doesn't have."""
    session.execute(delete(DomainPace))
    session.execute(
        update(Message)
        .where(Message.state == MessageState.SCHEDULED, Message.due_at > func.now())
        .values(due_at=func.now())
        .execution_options(synchronize_session=False)
    )
    session.execute(
        update(SenderAccount)
        .where(SenderAccount.state == AccountState.HELD)
        .values(hold_until=func.now())
        .execution_options(synchronize_session=False)
    )


def held_accounts(session: Session) -> int:
    """How many accounts wait because their server refused them."""
    return session.execute(text("select count(*) from sender_account where state = 'held'")).scalar_one()
