"""What the mailbox knows of an uncertain message settles it; what it doesn't know is evidence for a person."""

from datetime import timedelta

import pytest
from factories import outreach
from mailboxes import MARKED, PASSWORD
from sqlalchemy import select, text, update

from crm.accounts.models import Workspace
from crm.accounts.rules import system_actor
from crm.channels.base import Outcome, OutcomeKind
from crm.db import database_now, new_id
from crm.interactions import queries as interactions
from crm.jobs import JobName
from crm.outreach import queries, readback, services
from crm.outreach.kinds import AccountState, DeliveryState, MessageState
from crm.outreach.models import AttemptOutcome, Claim, Message, SenderAccount
from crm.outreach.services.claim import claim
from crm.outreach.services.outcomes import Finished
from crm.outreach.services.readback import PAUSES
from crm.outreach.services.recover import recover
from crm.outreach.services.wave import wave
from workers import clock

LOST = Outcome(kind=OutcomeKind.UNKNOWN, code="final_hang_up")
LATER = Outcome(kind=OutcomeKind.RETRY_LATER, code="final_451")


class House:
    """A committed workspace whose account can be looked into, and what its clock and its sender do."""

    def __init__(self, database, **account) -> None:
        self.database = database
        self.workspace_id = new_id()
        self.actor = system_actor(self.workspace_id)
        with self.scope() as session:
            session.add(Workspace(id=self.workspace_id, name="Lanterna", slug=f"w-{self.workspace_id.hex}"))
            session.flush()
            made = outreach.account(session, self.actor, **account)
            self.account_id = made.id
            services.set_secret(session, self.actor, account_id=made.id, secret={"secret": PASSWORD})
            self.contact_id = outreach.person(session, self.actor)

    def scope(self):
        return self.database.scope(self.workspace_id)

    def begin(self, number: int = 1):
        """Messages whose attempts are committed; (claim, started)."""
        with self.scope() as session:
            now = database_now(session)
            for _ in range(number):
                outreach.message(session, self.actor, self.contact_id, send_at=now, now=now)
        with self.scope() as session:
            now = database_now(session)
            claimed = claim(
                session, self.actor, account_id=self.account_id, worker="t", lease=timedelta(seconds=60), now=now
            )
            result = wave(session, self.actor, claimed=claimed, finished=[], following=claimed.items, now=now)
        return claimed, result.started

    def end(self, begun, outcome: Outcome) -> None:
        claimed, started = begun
        with self.scope() as session:
            done = [Finished(each, outcome) for each in started]
            wave(session, self.actor, claimed=claimed, finished=done, following=[], now=database_now(session))

    def doubtful(self, number: int = 1) -> list[Message]:
        """Messages whose connection broke after the final dot, a minute ago and more."""
        self.end(self.begin(number), LOST)
        self.wait(PAUSES[0])
        return self.messages()

    def wait(self, pause: timedelta) -> None:
        """Let time pass: everything known of the messages is older by `pause`. Only the owner may change history."""
        with self.owner.begin() as connection:
            connection.execute(text("update attempt_outcome set at = at - :pause"), {"pause": pause})

    def look(self) -> readback.Report:
        return readback.run(self.database, workspace_id=self.workspace_id, account_id=self.account_id)

    def messages(self) -> list[Message]:
        with self.scope() as session:
            return list(session.scalars(select(Message).order_by(Message.id)))

    def codes(self) -> list[str]:
        with self.scope() as session:
            return list(session.scalars(select(AttemptOutcome.code).order_by(AttemptOutcome.at)))


@pytest.fixture
def house(fresh_database, mail_server, monkeypatch):
    """Make a house; by default its mailbox is the real server's, and the operator allows loopback."""
    from sqlalchemy import NullPool, create_engine

    from crm.settings import current

    monkeypatch.setenv("SSL_CERT_FILE", str(mail_server.certificate))
    monkeypatch.setattr(
        "crm.outreach.adapters.current", lambda: current().model_copy(update={"net_allow": ("127.0.0.1",)})
    )
    owner = create_engine(fresh_database.owner_url, poolclass=NullPool)

    def make(user: str = "", **fields) -> House:
        name = user or f"u{new_id().hex}"
        made = House(
            fresh_database.database,
            **{"imap_host": "127.0.0.1", "imap_port": mail_server.tls_port, "imap_username": name, **fields},
        )
        made.owner, made.user = owner, name
        return made

    return make


def test_a_copy_among_the_sent_mail_settles_the_message(house, mail_server):
    home = house()
    found, missing = home.doubtful(2)
    mail_server.make_folder(home.user, MARKED)
    mail_server.file(home.user, MARKED, found.reference)

    report = home.look()
    assert (report.looked, report.settled) == (2, 1)
    states = {message.id: message.state for message in home.messages()}
    assert states == {found.id: "sent", missing.id: "uncertain"}
    with home.scope() as session:
        entries = interactions.timeline(session, home.actor, contact_id=home.contact_id).items
        assert [entry.kind for entry in entries].count("message.sent") == 1
        told = [line.code for line in queries.attempts(session, home.actor, message_id=found.id)]
        assert told == ["final_hang_up", "found_in_sent"]
        (evidence,) = queries.uncertain(session, home.actor)
        assert (evidence.line.id, evidence.code, evidence.stage) == (missing.id, "not_in_sent", "read_back")
    assert home.look().looked == 0, "the next look has its time"


def test_absence_is_looked_for_again_with_pauses_and_then_left_to_a_person(house, mail_server):
    home = house()
    home.doubtful()
    mail_server.make_folder(home.user, "Posta inviata")
    for pause in PAUSES[1:]:
        assert home.look().looked == 1
        home.wait(pause - timedelta(seconds=5))
        assert home.look().looked == 0
        home.wait(timedelta(seconds=5))
    assert home.look().looked == 1
    home.wait(timedelta(days=5))
    assert home.look().looked == 0
    (message,) = home.messages()
    assert message.state == "uncertain"
    assert home.codes() == ["final_hang_up", *["not_in_sent"] * len(PAUSES)]
    with home.scope() as session:
        told = queries.attempts(session, home.actor, message_id=message.id)
        assert [line.code for line in told] == ["final_hang_up", "not_in_sent"], "the last look stands for all"


def test_what_a_dead_sender_left_is_uncertain_first_and_then_looked_for(house, mail_server):
    home = house()
    claimed, started = home.begin()
    with home.scope() as session:
        session.execute(update(Claim).values(leased_until=database_now(session) - timedelta(seconds=1)))
    with home.scope() as session:
        found = recover(session, home.actor, claim_id=claimed.claim_id, now=database_now(session))
    assert found.uncertain == 1
    home.wait(PAUSES[0])
    mail_server.make_folder(home.user, MARKED)
    mail_server.file(home.user, MARKED, started[0].item.reference)
    assert home.look().settled == 1
    assert home.codes() == ["worker_stopped", "found_in_sent"]


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"imap_port": 1}, "imap_connect_connect"),
        ({"imap_folder": "Non c'è"}, "imap_no_sent_folder"),
    ],
)
def test_a_mailbox_that_can_not_be_read_is_asked_once_for_all(house, fields, code):
    home = house(**fields)
    home.doubtful(3)
    assert home.look().settled == 0
    assert [message.state for message in home.messages()] == ["uncertain"] * 3
    assert home.codes() == [*["final_hang_up"] * 3, *[code] * 3]
    assert home.look().looked == 0


def test_credentials_of_another_key_leave_the_evidence(house):
    home = house()
    home.doubtful()
    with home.scope() as session:
        session.execute(update(SenderAccount).values(secret=b"\x01nonsense-that-no-key-opens" * 3))
    assert home.look().settled == 0
    assert home.codes() == ["final_hang_up", "config"]


@pytest.mark.parametrize(("outcome", "state"), [(LOST, "uncertain"), (LATER, "scheduled")])
def test_a_receipt_that_came_while_the_try_ran_settles_it_afterwards(house, outcome, state):
    home = house(imap_host="")
    begun = home.begin()
    with home.scope() as session:
        session.execute(update(Message).values(delivery=DeliveryState.BOUNCED.value))
    home.end(begun, outcome)
    assert [message.state for message in home.messages()] == [state]
    assert asked(home) == [home.account_id]
    assert home.look().settled == 1
    (message,) = home.messages()
    assert (message.state, message.delivery) == ("sent", "bounced")
    assert home.codes() == [outcome.code, "early_receipt"]
    assert asked(home) == []


def asked(home: House) -> list:
    """The accounts that the clock asks to look into."""
    jobs = []

    class Wakes:
        def enqueue(self, name, *, id, workspace_id, account_id):  # noqa: A002 - the queue's own word.
            jobs.append((name, id, workspace_id, account_id))

    clock.wake_to_read_back(clock.Clock(home.database, Wakes()))
    assert all(job == (JobName.READ_BACK, f"account:{job[3]}", home.workspace_id, job[3]) for job in jobs), (
        "a job carries ids"
    )
    return [job[3] for job in jobs]


def test_the_clock_asks_when_a_look_is_due_and_not_before(house):
    home = house()
    home.end(home.begin(2), LOST)
    assert asked(home) == []
    home.wait(PAUSES[0])
    assert asked(home) == [home.account_id]
    home.look()
    assert asked(home) == []
    home.wait(PAUSES[1])
    assert asked(home) == [home.account_id]


@pytest.mark.parametrize("fields", [{"imap_host": ""}, {"is_sandbox": True}])
def test_an_account_that_can_not_be_looked_into_is_left_alone(house, fields):
    home = house(**fields)
    home.doubtful()
    assert asked(home) == []


def test_a_decision_made_meanwhile_stands(house, mail_server):
    home = house()
    (message,) = home.doubtful()
    mail_server.make_folder(home.user, MARKED)
    mail_server.file(home.user, MARKED, message.reference)
    with home.scope() as session:
        session.execute(update(Message).values(state=MessageState.CANCELLED.value))
    assert home.look().settled == 0
    assert home.codes() == ["final_hang_up"]


def test_a_held_account_is_looked_into_as_well(house, mail_server):
    home = house()
    (message,) = home.doubtful()
    mail_server.make_folder(home.user, MARKED)
    mail_server.file(home.user, MARKED, message.reference)
    with home.scope() as session:
        session.execute(update(SenderAccount).values(state=AccountState.HELD.value))
    assert asked(home) == [home.account_id]
    assert home.look().settled == 1
