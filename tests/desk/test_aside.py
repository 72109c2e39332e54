"""Working through Today: done, put off, skipped; and what comes back."""

from datetime import timedelta

import pytest
from factories.accounts import user
from factories.contacts import contact, interaction, task
from factories.waiting import complaint, conversation

from crm.accounts.kinds import ActorKind, Role
from crm.accounts.rules import Actor
from crm.clock import local_day
from crm.contacts.kinds import Importance
from crm.db import database_now
from crm.desk.counters import counts
from crm.desk.queue import Kind, queue
from crm.desk.working import set_aside, tomorrow
from crm.interactions.services import keeping


@pytest.fixture
def now(session):
    return database_now(session)


@pytest.fixture
def ann(session, actor, now):
    return contact(session, actor, "Ann Bo", email="ann@example.com", owner_id=actor.user_id, now=now)


def kinds(session, actor, now):
    return {kind for kind, rows in queue(session, actor, is_mine=True, now=now).items() if rows}


def post(client, action, *items, **more):
    return client.post("/today/aside", data={"action": action, "item": list(items), **more})


def test_done_does_what_the_first_reason_asks_for_and_the_others_stay(client, session, actor, ann, now):
    row = conversation(session, ann.id, since=now)
    angry = complaint(session, actor, ann, now=now)
    due = task(session, actor, due_on=now.date(), contact_id=ann.id, assignee_id=actor.user_id, now=now)
    assert counts(session, actor, now=now)["today"] == 1
    for item, left in (
        (f"reply:{row.id}", {Kind.COMPLAINT, Kind.TASK}),
        (f"complaint:{angry.id}", {Kind.TASK}),
        (f"task:{due.id}", set()),
    ):
        assert post(client, "done", item).status_code == 303
        session.expire_all()
        assert kinds(session, actor, now) == left
    assert due.done_at is not None


def test_put_off_is_gone_until_tomorrow_and_counted_no_more(client, session, actor, ann, now):
    row = conversation(session, ann.id, since=now)
    assert post(client, "snooze", f"reply:{row.id}").status_code == 303
    assert kinds(session, actor, now) == set()
    assert counts(session, actor, now=now) == {"inbox": 0, "today": 0, "bell": 0}
    assert kinds(session, actor, tomorrow(now, tz=actor.time_zone)) == {Kind.REPLY}


def test_skipped_comes_back_only_when_something_new_happens(client, session, actor, ann, now):
    row = conversation(session, ann.id, since=now)
    page = client.get(f"/today/skip?item=reply:{row.id}").text
    assert "not the right moment" in page
    assert post(client, "skip", f"reply:{row.id}", reason="nonsense").status_code == 422
    assert post(client, "skip", f"reply:{row.id}", reason="elsewhere").status_code == 303
    assert kinds(session, actor, now + timedelta(days=400)) == set()
    row.last_inbound_at = now + timedelta(hours=1)
    session.flush()
    assert kinds(session, actor, now + timedelta(hours=2)) == {Kind.REPLY}


def test_a_skip_is_ones_own(session, actor, ann, now):
    conversation(session, ann.id, since=now)
    rows = queue(session, actor, is_mine=True, now=now)[Kind.REPLY]
    set_aside(session, actor, rows=rows, until=None, reason="x", now=now)
    other = Actor(
        workspace_id=actor.workspace_id, kind=ActorKind.USER, role=Role.OWNER, user_id=user(session).id, name="Marco"
    )
    assert queue(session, actor, is_mine=False, now=now)[Kind.REPLY] == []
    assert len(queue(session, other, is_mine=False, now=now)[Kind.REPLY]) == 1


def test_what_waits_no_more_or_never_did_is_answered_kindly(client, session, actor, ann, now):
    for item in ("reply:x", "", "nothing:1", f"reply:{ann.id}"):
        assert post(client, "done", item).status_code == 303
        assert "waits for you no more" in client.get("/today/skip", query_string={"item": item}).text
    assert post(client, "done", f"reply:{ann.id}", back="//evil.example").location == "/"


def test_the_rhythm_and_the_birthday_bring_a_person_to_today(client, session, actor, now):
    today = local_day(now, tz=actor.time_zone)
    born = now - timedelta(days=90)
    bea = contact(session, actor, "Bea Rossi", importance=Importance.KEY, owner_id=actor.user_id, now=born)
    bea.birth_month, bea.birth_day = today.month, today.day
    session.flush()
    keeping.follow_importance(session, actor, now=now)
    assert kinds(session, actor, now) == {Kind.DATE, Kind.CADENCE, Kind.QUIET}
    assert counts(session, actor, now=now)["today"] == 1
    page = client.get("/").text
    assert "Birthday today" in page
    assert "Time to be in touch: every 30 days" in page
    assert post(client, "done", f"cadence:{bea.id}").status_code == 303
    assert Kind.CADENCE not in kinds(session, actor, now)
    interaction(session, actor, bea.id, "call", happened_at=now, now=now)
    assert Kind.CADENCE in kinds(session, actor, now + timedelta(days=31))
