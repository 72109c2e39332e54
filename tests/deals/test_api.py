"""Deals over the API: the same rules as on the pages, with versions and problem documents."""

import pytest
from factories.contacts import contact
from factories.deals import pipeline, stage

API = "/api/v1"


@pytest.fixture
def sales(session, actor):
    return pipeline(session, actor)


def test_a_deal_is_added_changed_moved_and_lists_where_it_stood(session, actor, client, sales):
    ann = contact(session, actor)
    made = client.post(f"{API}/deals", json={"title": "Ten", "amount_minor": 500, "contact_id": str(ann.id)})
    assert made.status_code == 201
    url = made.headers["Location"]
    assert made.json["probability"] == 20
    changed = client.patch(url, json={"amount_minor": 700}, headers={"If-Match": made.headers["ETag"]})
    assert changed.json["amount_minor"] == 700
    stale = client.patch(url, json={"amount_minor": 900}, headers={"If-Match": made.headers["ETag"]})
    assert stale.status_code == 412
    to = str(stage(session, actor, "Offer").id)
    late = client.post(f"{url}/move", json={"stage_id": to}, headers={"If-Match": made.headers["ETag"]})
    assert late.status_code == 409
    assert late.json["code"] == "changed_meanwhile"
    moved = client.post(f"{url}/move", json={"stage_id": to}, headers={"If-Match": changed.headers["ETag"]})
    assert moved.json["stage_name"] == "Offer"
    assert len(client.get(f"{url}/stages").json["items"]) == 2
    assert client.get(f"{url}/people").json["items"][0]["name"] == "Ann Bo"
    listed = client.get(f"{API}/deals", query_string={"pipeline_id": str(sales.id), "state": "open"}).json["items"]
    assert [row["id"] for row in listed] == [made.json["id"]]
    assert client.delete(url).status_code == 204
    assert client.get(url).status_code == 404
    assert client.post(f"{url}/restore").status_code == 200


@pytest.mark.usefixtures("sales")
@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("amount_minor", -1),
        ("amount_minor", 10**18),
        ("amount_minor", "5"),
        ("currency", "QQQ"),
        ("probability", 101),
        ("closes_on", "9999-12-31"),
        ("stage_id", "nonsense"),
        ("surprise", 1),
    ],
)
def test_bad_input_is_a_problem_that_names_the_field(client, field, value):
    refused = client.post(f"{API}/deals", json={"title": "Ten", field: value})
    assert refused.status_code == 422
    assert field in refused.json["errors"]


def test_stages_are_read_changed_and_removed_only_with_a_place_for_their_deals(session, actor, client, sales):
    client.post(f"{API}/deals", json={"title": "Ten"})
    rows = client.get(f"{API}/pipelines/{sales.id}/stages").json["items"]
    assert [row["kind"] for row in rows] == ["open", "open", "open", "won", "lost"]
    first, second = rows[0]["id"], rows[1]["id"]
    assert client.delete(f"{API}/deal-stages/{first}").status_code == 409
    assert client.delete(f"{API}/deal-stages/{first}", query_string={"move_to": second}).status_code == 204
    put = client.put(f"{API}/deal-stages/{second}", json={"name": "Quote", "kind": "open", "probability": 40})
    assert put.json["name"] == "Quote"
    assert client.post(f"{API}/lost-reasons", json={"name": "Budget"}).status_code == 201
    assert [row["name"] for row in client.get(f"{API}/lost-reasons").json["items"]] == ["Budget"]
    assert client.get(f"{API}/pipelines").json["items"][0]["name"] == "Sales"
