"""Logging in two clicks, and the list of what is to do."""

import re
from datetime import UTC, datetime
from urllib.parse import urlparse

import pytest
from factories.contacts import contact, interaction, task

from crm.accounts.rules import system_actor
from crm.interactions import queries
from crm.interactions.queries import TaskFilter

LOG = {"mode": "note", "direction": "outbound"}


@pytest.fixture
def ann(session, actor):
    return contact(session, actor)


def text(response):
    return response.get_data(as_text=True)


def saved(client, url, **fields):
    response = client.post(url, data=fields)
    assert response.status_code == 303, text(response)[:800]
    return urlparse(response.headers["Location"]).path


def entries(session, actor, ann):
    return queries.timeline(session, actor, contact_id=ann.id).items


def test_a_call_is_logged_with_the_button_alone(client, session, actor, ann):
    page = text(client.get(f"/contacts/{ann.id}?mode=call"))
    assert f'action="/contacts/{ann.id}/log"' in page
    assert saved(client, f"/contacts/{ann.id}/log", mode="call", direction="inbound") == f"/contacts/{ann.id}"
    (entry,) = entries(session, actor, ann)
    assert (entry.kind, entry.direction, entry.body) == ("call", "inbound", "")


def test_a_meeting_of_the_past_is_logged_at_the_readers_wall_clock(client, session, actor, ann):
    saved(client, f"/contacts/{ann.id}/log", **{**LOG, "mode": "meeting"}, happened_at="2026-01-02T09:00", minutes="45")
    (entry,) = entries(session, actor, ann)
    assert (entry.happened_at, entry.duration_minutes) == (datetime(2026, 1, 2, 8, tzinfo=UTC), 45)


def test_a_private_note_is_kept_private(client, session, actor, ann):
    saved(client, f"/contacts/{ann.id}/log", mode="note", body="Careful", private="y")
    (entry,) = entries(session, actor, ann)
    assert entry.visibility == "private"
    assert "only you" in text(client.get(f"/contacts/{ann.id}"))


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"body": " "}, "Write what you want to note"),
        ({"body": "x", "happened_at": "2099-01-01T09:00"}, "This lies in the future"),
        ({"body": "x", "minutes": "0"}, "Minutes"),
    ],
)
def test_what_can_not_be_logged_keeps_the_words(client, session, actor, ann, given, message):
    refused = client.post(f"/contacts/{ann.id}/log", data={**LOG, **given})
    assert refused.status_code == 422
    assert message in text(refused)
    assert entries(session, actor, ann) == []


@pytest.mark.parametrize("kind", ["points.earned", "points.spent"])
def test_points_are_the_persons_whoever_counted_them(client, session, actor, ann, kind):
    for someone in (actor, system_actor(actor.workspace_id)):
        interaction(session, someone, ann.id, kind, points=25)
    page = " ".join(re.sub(r"<[^>]+>", " ", text(client.get(f"/contacts/{ann.id}"))).split())
    assert page.count(f"Ann Bo {kind.split('.')[1]} 25 points") == 2


@pytest.mark.parametrize("kind", ["message.sent", "call", "meeting", "note", "offer.given"])
def test_what_no_colleague_signed_was_done_by_the_house(client, session, actor, ann, kind):
    interaction(session, system_actor(actor.workspace_id), ann.id, kind, body="So it was.")
    page = " ".join(re.sub(r"<[^>]+>", " ", text(client.get(f"/contacts/{ann.id}"))).split())
    assert re.search(r"\bWe (wrote|called|met in person|noted|gave an offer)", page)


def test_an_entry_is_taken_back_from_the_timeline(client, session, actor, ann):
    row = interaction(session, actor, ann.id, "note", body="Wrong person")
    assert f"/interactions/{row.id}/remove" in text(client.get(f"/contacts/{ann.id}"))
    saved(client, f"/interactions/{row.id}/remove")
    assert entries(session, actor, ann) == []


def test_a_comment_waits_until_somebody_answered(client, session, actor, ann):
    row = interaction(session, actor, ann.id, "comment", channel="instagram", body="Awful", sentiment="negative")
    page = text(client.get(f"/contacts/{ann.id}"))
    assert "negative" in page
    saved(client, f"/interactions/{row.id}/answered")
    assert f"/interactions/{row.id}/answered" not in text(client.get(f"/contacts/{ann.id}"))


def test_the_timeline_goes_on_by_htmx_and_by_page(client, session, actor, ann, monkeypatch):
    from crm.desk import contact_page

    monkeypatch.setattr(contact_page, "PAGE", 2)
    for n in range(5):
        interaction(session, actor, ann.id, "note", body=f"note {n}", happened_at=datetime(2026, 1, 1 + n, tzinfo=UTC))
    seen, url = [], f"/contacts/{ann.id}/timeline"
    while url:
        page = text(client.get(url, headers={"HX-Request": "true"}))
        assert "<html" not in page
        seen += [n for n in range(5) if f"note {n}<" in page]
        start = page.find('hx-get="')
        url = page[start + 8 : page.find('"', start + 8)].replace("&amp;", "&") if start > 0 else ""
    assert seen == [4, 3, 2, 1, 0] or sorted(seen) == [0, 1, 2, 3, 4]
    assert "<html" in text(client.get(f"/contacts/{ann.id}/timeline"))
    assert "note 4" not in text(client.get(f"/contacts/{ann.id}?show=calls"))


def test_a_task_about_a_person_is_added_done_and_reopened(client, session, actor, ann):
    form = {"title": "Send the sample", "due_on": "2026-12-01", "assignee_id": "", "is_promise": "y"}
    assert saved(client, f"/tasks/new?contact={ann.id}", **form) == f"/contacts/{ann.id}"
    (row,) = queries.tasks_of(session, actor, contact_id=ann.id)
    assert "Promised" in text(client.get("/tasks?show=promises"))
    saved(client, f"/tasks/{row.id}/done")
    assert "Send the sample" in text(client.get("/tasks?show=done"))
    saved(client, f"/tasks/{row.id}/done")
    assert "Send the sample" in text(client.get("/tasks"))


def test_a_task_is_changed_put_off_and_deleted(client, session, actor, ann):
    row = task(session, actor, contact_id=ann.id)
    saved(client, f"/tasks/{row.id}/edit", title="Call twice", due_on="2026-12-24", assignee_id=str(actor.user_id))
    assert "Call twice" in text(client.get(f"/tasks/{row.id}/edit"))
    saved(client, f"/tasks/{row.id}/snooze", back="//evil.example")
    assert "Call twice" not in text(client.get("/tasks"))
    assert "Call twice" in text(client.get("/tasks?show=all"))
    saved(client, f"/tasks/{row.id}/delete")
    assert queries.list_tasks(session, actor, where=TaskFilter()).items == []


def test_a_task_without_words_is_refused(client):
    refused = client.post("/tasks/new", data={"title": "", "assignee_id": ""})
    assert refused.status_code == 422


def test_nothing_to_do_says_what_tasks_are_for(client):
    assert "Nothing to do here" in text(client.get("/tasks"))
