from uuid import UUID

import pytest
from factories import contacts as people

CITY = {"field": "city", "op": "is", "value": "Siena"}


@pytest.fixture
def anna(session, actor, now):
    return people.contact(session, actor, "Anna Rossi", city="Siena", now=now)


@pytest.fixture
def siena(client, anna):
    answer = client.post("/api/v1/segments", json={"name": "Siena", "rule": {"all": [CITY]}})
    assert answer.status_code == 201, answer.text
    return answer.json


def test_a_segment_is_created_read_changed_and_deleted(client, siena, anna):
    assert (siena["kind"], siena["members"], siena["sentence"]) == ("live", 1, "People in Siena.")
    assert siena["rule"] == {"version": 1, "all": [CITY]}
    url = f"/api/v1/segments/{siena['id']}"
    read = client.get(url)
    assert read.json["name"] == "Siena"
    only_this = {"If-Match": read.headers["ETag"]}
    changed = client.patch(url, json={"name": "Pisa", "rule": {**CITY, "value": "Pisa"}}, headers=only_this)
    assert (changed.status_code, changed.json["name"], changed.json["members"]) == (200, "Pisa", 0)
    assert client.patch(url, json={"name": "x"}, headers=only_this).status_code == 409
    for foreign in ("x", "9" * 5_000, "\u00b2"):
        assert client.patch(url, json={"name": "x"}, headers={"If-Match": foreign}).status_code == 422
    assert [item["name"] for item in client.get("/api/v1/segments").json["items"]] == ["Pisa"]
    assert client.delete(url).status_code == 204
    assert client.get(url).status_code == 404


def test_a_rule_that_came_from_the_api_can_be_sent_back(client, siena):
    answer = client.patch(f"/api/v1/segments/{siena['id']}", json={"rule": siena["rule"]})
    assert answer.json["rule"] == siena["rule"]


def test_the_gate_answers_for_a_segment_page_by_page(client, session, actor, now, siena):
    people.contact(session, actor, "Bea Bianchi", city="Siena", email="bea@example.com", now=now)
    url = f"/api/v1/segments/{siena['id']}/gate"
    first = client.get(url, query_string={"purpose": "promotional", "limit": 1}).json
    assert (first["asked"], first["allowed"]) == (1, 0)
    assert first["items"][0]["reason"] == "consent_missing"
    second = client.get(url, query_string={"purpose": "promotional", "limit": 1, "after": first["next"]}).json
    assert second["items"][0]["reason"] == "no_handle"
    assert second["next"] is None
    assert client.get(url, query_string={"purpose": "system"}).status_code == 422


def test_members_are_listed_by_name_and_paged(client, session, actor, now, siena):
    people.contact(session, actor, "Zoe Bianchi", city="siena", now=now)
    url = f"/api/v1/segments/{siena['id']}/members"
    first = client.get(f"{url}?limit=1").json
    second = client.get(f"{url}?limit=1&after={first['next']}").json
    assert [first["items"][0]["name"], second["items"][0]["name"]] == ["Zoe Bianchi", "Anna Rossi"]
    assert second["next"] is None


def test_a_preview_counts_shows_some_and_says_the_rule(client, siena):
    asked = {"rule": {"not": CITY}, "segment_id": siena["id"]}
    answer = client.post("/api/v1/segments/preview", json=asked).json
    assert answer == {
        "count": 0,
        "total": 1,
        "sample": [],
        "sentence": "All people; without those in Siena.",
        "entering": 0,
        "leaving": 1,
    }


@pytest.mark.parametrize(
    ("rule", "at"),
    [
        ({"all": [{"field": "shoe_size", "op": "is", "value": 4}]}, "rule.all.0.field"),
        ({"all": [{**CITY, "value": ""}]}, "rule.all.0.value"),
        ({"any": []}, "rule"),
        ({"version": 9, "all": []}, "rule.version"),
    ],
)
def test_a_wrong_rule_is_a_problem_that_points_at_the_mistake(client, rule, at):
    for url, body in (("/api/v1/segments/preview", {"rule": rule}), ("/api/v1/segments", {"name": "x", "rule": rule})):
        answer = client.post(url, json=body)
        assert answer.status_code == 422
        assert answer.content_type == "application/problem+json"
        assert (answer.json["code"], list(answer.json["errors"])) == ("invalid_rule", [at])


def test_unknown_keys_of_a_body_are_refused(client):
    assert client.post("/api/v1/segments", json={"name": "x", "rule": CITY, "colour": 1}).status_code == 422


def test_the_catalogue_lists_fields_with_operators_choices_and_options(client):
    listed = {item["name"]: item for item in client.get("/api/v1/segments/fields").json["items"]}
    assert listed["lifecycle"]["choices"][0] == {"value": "follower", "label": "Follower"}
    assert listed["city"]["operators"][:2] == ["is", "is_not"]
    assert [option["name"] for option in listed["interactions"]["options"]] == ["kind", "direction", "channel", "when"]
    assert len(listed) >= 40


def test_freezing_makes_a_second_segment(client, siena):
    frozen = client.post(f"/api/v1/segments/{siena['id']}/freeze", json={"name": "Then"})
    assert (frozen.status_code, frozen.json["kind"], frozen.json["frozen_from_id"]) == (201, "frozen", siena["id"])
    assert frozen.json["members"] == 1


def test_a_hand_picked_segment_takes_its_people_at_once(client, anna):
    answer = client.post("/api/v1/segments", json={"name": "Dinner", "kind": "picked", "contact_ids": [str(anna.id)]})
    assert answer.json["members"] == 1
    url = f"/api/v1/segments/{answer.json['id']}/picks"
    assert client.post(url, json={"contact_ids": [str(anna.id)], "mode": "removed"}).json["members"] == 0
    assert client.post(url, json={"contact_ids": [str(UUID(int=5))], "mode": "added"}).status_code == 404


def test_why_gives_the_tree_with_results_and_values_seen(client, siena, anna):
    answer = client.get(f"/api/v1/contacts/{anna.id}/why?segment={siena['id']}").json
    assert answer["inside"] is True
    leaf = answer["tree"]["children"][0]
    assert (leaf["path"], leaf["field"], leaf["holds"], leaf["seen"]) == ("all.0", "city", True, "Siena")


def test_why_needs_a_contact_and_a_segment_that_exist(client, siena, anna):
    assert client.get(f"/api/v1/contacts/{anna.id}/why").status_code == 422
    assert client.get(f"/api/v1/contacts/{anna.id}/why?segment={anna.id}").status_code == 404
    assert client.get(f"/api/v1/contacts/{siena['id']}/why?segment={siena['id']}").status_code == 404
