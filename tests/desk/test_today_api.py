"""Today by the API: the queue of the page, in its order, and working through it."""

from datetime import timedelta

import pytest
from factories.contacts import contact, task
from factories.waiting import complaint, conversation

from crm.accounts.kinds import Role
from crm.accounts.models import Membership
from crm.clock import local_day
from crm.contacts.kinds import Importance
from crm.db import database_now
from crm.desk.counters import counts
from crm.desk.queue import Kind, queue
from crm.desk.ranking import ranked

URL = "/api/v1/today"


@pytest.fixture
def now(session):
    return database_now(session)


@pytest.fixture
def waiting(session, actor, now):
    """Somebody with two reasons, somebody with one, and something to do about nobody."""
    ann = contact(session, actor, "Ann Bo", owner_id=actor.user_id, now=now)
    key = contact(session, actor, "Key Person", owner_id=actor.user_id, importance=Importance.KEY, now=now)
    asked = conversation(session, ann.id, since=now - timedelta(hours=2))
    due = task(session, actor, "Call Ann", contact_id=ann.id, due_on=local_day(now, tz=actor.time_zone), now=now)
    angry = complaint(session, actor, key, now=now)
    alone = task(session, actor, "Water", due_on=local_day(now, tz=actor.time_zone), now=now)
    return {"ann": ann, "asked": asked, "due": due, "angry": angry, "alone": alone}


def lines(client, **query):
    answer = client.get(URL, query_string=query)
    assert answer.status_code == 200
    return answer.json["items"]


def test_the_queue_is_the_one_of_the_page_in_its_order_with_the_reasons_in_words(client, session, actor, waiting, now):
    found = lines(client)

    rows = queue(session, actor, is_mine=True, now=now)
    expected = ranked([row for each in rows.values() for row in each], today=local_day(now, tz=actor.time_zone))
    assert [line["name"] for line in found] == [line.first.name or "" for line in expected]
    assert [line["weight"] for line in found] == [line.weight for line in expected]
    ann = next(line for line in found if line["name"] == "Ann Bo")
    assert [reason["item"] for reason in ann["reasons"]] == [
        f"reply:{waiting['asked'].id}", f"task:{waiting['due'].id}",
    ]  # fmt: skip
    assert ann["reasons"][0]["because"].startswith("Waits for your answer since")
    assert ann["reasons"][0]["detail"] == "“Is the offer still good?”"
    assert ann["reasons"][0]["url"] == f"/inbox/{waiting['asked'].id}"
    assert len(found) == counts(session, actor, now=now)["today"]
    assert [line["name"] for line in lines(client, kind="complaint")] == ["Key Person"]
    assert client.get(URL, query_string={"kind": "nothing"}).status_code == 422


def test_reasons_are_done_put_off_and_skipped(client, session, actor, waiting, now):
    items = {name: f"{kind}:{waiting[name].id}" for name, kind in
             (("asked", "reply"), ("due", "task"), ("angry", "complaint"), ("alone", "task"))}  # fmt: skip

    done = client.post(f"{URL}/done", json={"items": [items["due"], "task:gone", items["angry"]]})
    assert (done.status_code, done.json) == (200, {"items": [items["due"], items["angry"]]})
    later = client.post(f"{URL}/snooze", json={"items": [items["asked"]]})
    assert later.json == {"items": [items["asked"]]}
    assert client.post(f"{URL}/skip", json={"items": [items["alone"]], "reason": "not mine"}).status_code == 200

    session.refresh(waiting["due"])
    session.refresh(waiting["angry"])
    assert waiting["due"].done_at is not None
    assert waiting["angry"].answered_at is not None
    assert lines(client) == []
    again = client.post(f"{URL}/done", json={"items": [items["due"]]})
    assert (again.status_code, again.mimetype, again.json["code"]) == (404, "application/problem+json", "waits_no_more")
    tomorrow = queue(session, actor, is_mine=True, now=now + timedelta(days=2))
    assert [row.id for row in tomorrow[Kind.REPLY]] == [waiting["asked"].id]


@pytest.mark.parametrize(
    ("way", "given"),
    [
        ("done", {}),
        ("done", {"items": []}),
        ("done", {"items": ["x"] * 201}),
        ("snooze", {"items": ["reply:1"], "until": "soon"}),
        ("snooze", {"items": ["reply:1"], "until": "2026-01-01T10:00:00"}),
        ("skip", {"items": ["reply:1"]}),
        ("skip", {"items": ["reply:1"], "reason": ""}),
    ],
)
def test_what_can_not_be_asked_is_said_field_by_field(client, way, given):
    answer = client.post(f"{URL}/{way}", json=given)
    assert (answer.status_code, answer.mimetype) == (422, "application/problem+json")
    assert answer.json["errors"]


def test_nothing_is_put_off_to_the_past(client, waiting):
    item = f"reply:{waiting['asked'].id}"
    answer = client.post(f"{URL}/snooze", json={"items": [item], "until": "2001-01-01T10:00:00Z"})
    assert (answer.status_code, list(answer.json["errors"])) == (422, ["until"])


def test_who_may_only_look_reads_and_changes_nothing(client, session, house, waiting):
    session.query(Membership).filter_by(user_id=house.user.id).update({"role": Role.VIEWER})
    session.flush()
    assert lines(client)
    assert client.post(f"{URL}/done", json={"items": [f"task:{waiting['alone'].id}"]}).status_code == 403


def test_another_workspace_has_another_today(signed_in, other_house, waiting):
    there = signed_in(other_house)
    assert lines(there, who="team") == []
    assert there.post(f"{URL}/done", json={"items": [f"reply:{waiting['asked'].id}"]}).status_code == 404


@pytest.mark.parametrize("zone", ["Pacific/Kiritimati", "Pacific/Apia", "Europe/Rome", "Pacific/Honolulu"])
def test_page_badge_queue_and_api_agree_wherever_the_reader_is(client, session, house, actor, zone, now):
    """A task for the local day is due today, and late tomorrow, for all four; one for the next day for none."""
    house.user.time_zone = zone
    session.flush()
    today = local_day(now, tz=zone)
    task(session, actor, "Water", due_on=today, assignee_id=actor.user_id, now=now)
    task(session, actor, "Late rent", due_on=today - timedelta(days=1), assignee_id=actor.user_id, now=now)
    task(session, actor, "Feed", due_on=today + timedelta(days=1), assignee_id=actor.user_id, now=now)

    page, badge = client.get("/").text, client.get("/counters").text
    told = [reason["because"] for line in lines(client) for reason in line["reasons"]]

    assert told == ["Late rent", "Water"]
    assert 'id="side-counter-today" hx-swap-oob="true">2<' in badge
    assert [title for title in ("Late rent", "Water", "Feed") if title in page] == ["Late rent", "Water"]
    late = [line["reasons"][0]["detail"].startswith("due today") for line in lines(client)]
    assert late == [False, True]
