"""What keeps messages from leaving rings once for those who run the house, and falls silent when it is over."""

from datetime import timedelta

import pytest
import redis
from factories import outreach
from sqlalchemy import select, text, update

from crm.accounts.kinds import Role
from crm.accounts.models import Membership, Notification, User, Workspace
from crm.accounts.rules import system_actor
from crm.accounts.services import alerts
from crm.accounts.services.alerts import Trouble
from crm.db import database_now, new_id
from crm.jobs import Listener
from crm.outreach.models import Message, SenderAccount
from workers.watch import Watch, miss_clock

SENDER = Listener(name="s", queues=("outreach",), host="h", pid=1, last_heartbeat=None)
ROLES = (Role.OWNER, Role.MANAGER, Role.SALES)


class Bells:
    """A committed house with an account, a planned message, and one person in each of some roles."""

    def __init__(self, database) -> None:
        self.database, self.workspace_id = database, new_id()
        self.actor = system_actor(self.workspace_id)
        with self.scope() as session:
            now = database_now(session)
            session.add(Workspace(id=self.workspace_id, name="Lanterna", slug=f"w-{self.workspace_id.hex}"))
            session.flush()
            for role in ROLES:
                user = User(
                    id=new_id(),
                    email=f"{role}@lanterna.example",
                    email_norm=f"{role}-{new_id().hex}@lanterna.example",
                    name=role.value,
                    fs_uniquifier=new_id().hex,
                )
                session.add(user)
                session.flush()
                session.add(Membership(user_id=user.id, role=role.value))
            self.account_id = outreach.account(session, self.actor, now=now).id
            person = outreach.person(session, self.actor)
            outreach.message(session, self.actor, person, send_at=now, now=now)

    def scope(self):
        return self.database.scope(self.workspace_id)

    def change(self, table, **values) -> None:
        with self.scope() as session:
            now = database_now(session)
            session.execute(
                update(table).values(
                    {key: now + each if isinstance(each, timedelta) else each for key, each in values.items()}
                )
            )

    def lines(self, *, unread: bool = True) -> list[tuple[str, str]]:
        """(role, kind) of the bell's lines."""
        with self.scope() as session:
            wanted = (
                select(Membership.role, Notification.kind)
                .join(Membership, Membership.user_id == Notification.user_id)
                .order_by(Membership.role, Notification.kind)
            )
            return [
                tuple(row)
                for row in session.execute(wanted.where(Notification.read_at.is_(None)) if unread else wanted)
            ]

    def look(self, watch: Watch, listeners=lambda: [SENDER]) -> int:
        return watch.look(self.database, listeners)


@pytest.fixture
def bells(fresh_database) -> Bells:
    return Bells(fresh_database.database)


def for_both(kind: str) -> list[tuple[str, str]]:
    return [("manager", kind), ("owner", kind)]


def test_a_quiet_house_rings_no_bell(bells):
    assert bells.look(Watch(patience=0)) == 0
    assert bells.lines(unread=False) == []


def test_a_held_account_rings_once_however_long_it_lasts(bells):
    watch = Watch()
    bells.change(SenderAccount, state="held", hold_reason="auth_535")
    assert bells.look(watch) == 1
    assert bells.lines() == for_both("alert.account")
    with bells.scope() as session:
        line = session.scalars(select(Notification)).first()
        assert (line.url, line.params["name"]) == (f"/settings/channels/{bells.account_id}", "Sales")

    bells.change(Notification, read_at=timedelta())
    assert bells.look(watch) == 0, "a line that was read does not come again"
    assert bells.lines() == []

    bells.change(SenderAccount, state="active")
    assert bells.look(watch) == 1
    bells.change(SenderAccount, state="held")
    assert bells.look(Watch()) == 1, "another trouble of the same account rings again, also after a restart"
    assert bells.lines() == for_both("alert.account")


def test_a_trouble_that_is_over_takes_its_lines_back(bells):
    bells.change(SenderAccount, state="held")
    bells.look(Watch())
    bells.change(SenderAccount, state="active")
    assert bells.look(Watch()) == 1
    assert bells.lines() == []
    assert bells.lines(unread=False) == for_both("alert.account"), "what happened can still be read"


def test_uncertain_messages_ring_when_the_machine_could_not_settle_them(bells):
    bells.change(Message, state="uncertain")
    assert bells.look(Watch()) == 0
    bells.change(Message, updated_at=-timedelta(minutes=3))
    bells.look(Watch())
    assert bells.lines() == for_both("alert.uncertain")
    bells.change(Message, state="sent")
    bells.look(Watch())
    assert bells.lines() == []


def test_due_messages_that_nobody_looks_after_are_a_stalled_queue(bells):
    bells.change(Message, due_at=-timedelta(minutes=6))
    bells.change(SenderAccount, attended_at=-timedelta(minutes=1))
    assert bells.look(Watch()) == 0, "a sender that keeps its pace is at work"
    bells.change(SenderAccount, attended_at=-timedelta(minutes=6))
    bells.look(Watch())
    assert bells.lines() == for_both("alert.stalled")


def test_missing_senders_are_one_line_and_only_when_it_lasts(bells):
    bells.change(Message, due_at=-timedelta(minutes=6))
    bells.change(SenderAccount, attended_at=-timedelta(minutes=6))
    other = Listener(name="b", queues=("background",), host="h", pid=2, last_heartbeat=None)
    patient = Watch()
    bells.look(patient, lambda: [other])
    assert bells.lines() == for_both("alert.stalled"), "a restart is no trouble"
    now = Watch(patience=0)
    bells.look(now, lambda: [other])
    assert bells.lines() == for_both("alert.worker")
    bells.look(now)
    assert bells.lines() == for_both("alert.stalled")


def test_a_queue_that_is_away_is_told(bells):
    def away() -> list[Listener]:
        raise redis.ConnectionError

    watch = Watch(patience=0)
    assert bells.look(watch, away) == 1
    assert bells.look(watch, away) == 0
    assert bells.lines() == for_both("alert.queue")
    assert bells.look(watch) == 1
    assert bells.lines() == []


def test_a_worker_misses_the_clock_and_the_clock_takes_it_back(bells):
    assert not miss_clock(bells.database), "before the first tick nobody is missed"
    beat = text(
        "insert into clock_lease (name, holder, until, ticked_at) values ('clock', 'h', now(), now() - :ago)"
        " on conflict (name) do update set ticked_at = excluded.ticked_at"
    )
    for ago, is_missed in ((timedelta(seconds=20), False), (timedelta(minutes=3), True), (timedelta(minutes=4), True)):
        with bells.database.scope() as session:
            session.execute(beat, {"ago": ago})
        assert miss_clock(bells.database) is is_missed
    assert bells.lines() == for_both("alert.clock")
    bells.look(Watch())
    assert bells.lines() == []


def test_the_bell_tells_each_trouble_in_words(client, session, workspace, actor, now):
    troubles = [
        Trouble(f"alert.{kind}", url="/calendar", params={"name": "Sales"})
        for kind in ("account", "uncertain", "stalled", "worker", "queue", "clock")
    ]
    alerts.keep(session, actor, kinds=[each.kind for each in troubles], troubles=troubles, now=now)
    page = client.get("/notifications").text
    assert "“Sales” can’t send: the account needs you" in page
    assert "Messages of “Sales” are due" in page
    assert "alert." not in page
