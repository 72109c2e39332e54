"""The REST face of the timeline and of tasks."""

import pytest
from factories.contacts import company, contact


@pytest.fixture
def ann(session, actor):
    return contact(session, actor)


def log(client, ann, **given):
    return client.post("/api/v1/interactions", json={"kind": "call", "contact_id": str(ann.id), **given})


def test_what_happened_is_logged_and_read_on_the_timeline(client, ann):
    made = log(client, ann, body="Wants Germany too", duration_minutes=12, happened_at="2026-01-02T09:00:00+01:00")
    assert (made.status_code, made.json["happened_at"]) == (201, "2026-01-02T08:00:00Z")
    page = client.get(f"/api/v1/contacts/{ann.id}/timeline").json
    assert page["items"] == [made.json]
    assert client.get(made.headers["Location"]).json == made.json


@pytest.mark.parametrize("about", ["contact_id", "company_id", "handle_id"])
def test_what_is_about_nobody_known_is_not_found(client, about):
    given = {"kind": "call", about: "69349831-1e50-25d9-b35c-e4e3106b9204"}
    assert client.post("/api/v1/interactions", json=given).status_code == 404


def test_the_same_platform_event_twice_is_one_entry(client, ann):
    given = {"kind": "comment", "channel": "instagram", "external_id": "17890"}
    first, again = log(client, ann, **given), log(client, ann, **given)
    assert first.json["id"] == again.json["id"]
    assert len(client.get(f"/api/v1/interactions?contact_id={ann.id}").json["items"]) == 1


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ({"kind": "Not a kind!"}, "kind"),
        ({"happened_at": "2026-01-02T09:00:00"}, "happened_at"),
        ({"happened_at": "2099-01-01T00:00:00Z"}, "happened_at"),
        ({"external_id": "1"}, "channel"),
        ({"post_url": "javascript:alert(1)"}, "post_url"),
        ({"contact_id": None}, "contact_id"),
        ({"mood": "good"}, "mood"),
    ],
)
def test_an_entry_that_can_not_be_is_refused(client, ann, given, field):
    refused = log(client, ann, **given)
    assert (refused.status_code, list(refused.json["errors"])) == (422, [field])


def test_the_timeline_narrows_and_pages(client, ann):
    for n in range(3):
        log(client, ann, happened_at=f"2026-01-0{n + 1}T09:00:00Z")
    log(client, ann, kind="note", body="x")
    url = f"/api/v1/contacts/{ann.id}/timeline"
    first = client.get(url, query_string={"kinds": "call,meeting", "limit": 2}).json
    rest = client.get(url, query_string={"kinds": "call,meeting", "limit": 2, "after": first["next"]}).json
    assert [row["happened_at"][:10] for row in first["items"] + rest["items"]] == [
        "2026-01-03",
        "2026-01-02",
        "2026-01-01",
    ]


def test_a_company_shows_its_peoples_history(client, session, actor):
    firm = company(session, actor)
    person = contact(session, actor, company_id=firm.id)
    made = log(client, person)
    assert client.get(f"/api/v1/companies/{firm.id}/timeline").json["items"] == [made.json]
    assert client.get("/api/v1/interactions").status_code == 422


def test_an_entry_is_judged_answered_and_removed(client, ann):
    made = log(client, ann, kind="comment", channel="instagram", body="Awful")
    url = made.headers["Location"]
    changed = client.patch(url, json={"sentiment": "negative", "is_answered": True}).json
    assert changed["sentiment"] == "negative"
    assert changed["answered_at"] is not None
    assert client.delete(url).status_code == 204
    assert client.get(f"/api/v1/contacts/{ann.id}/timeline").json["items"] == []


def test_a_task_lives_through_the_api(client, ann):
    made = client.post(
        "/api/v1/tasks",
        json={"title": "Send sample", "contact_id": str(ann.id), "is_promise": True, "due_on": "2026-12-01"},
    )
    assert made.status_code == 201
    url = made.headers["Location"]
    assert client.patch(url, json={"due_on": "2026-12-02"}).json["title"] == "Send sample"
    assert [row["id"] for row in client.get("/api/v1/tasks?promises_only=true").json["items"]] == [made.json["id"]]
    assert client.post(f"{url}/snooze", json={"until": "2099-01-01T00:00:00Z"}).json["snoozed_until"]
    assert client.post(f"{url}/snooze", json={"until": "2001-01-01T00:00:00Z"}).status_code == 422
    assert client.post(f"{url}/done").json["done_at"]
    assert client.get("/api/v1/tasks").json["items"] == []
    assert [row["title"] for row in client.get("/api/v1/tasks?done=true").json["items"]] == ["Send sample"]
    assert client.delete(url).status_code == 204
    assert client.get(url).status_code == 404
