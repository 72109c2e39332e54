"""Deals over the API: the same rules as on the pages, with versions and problem documents."""

import pytest
from factories.contacts import contact
from factories.deals import NOW, pipeline, stage

from crm.deals import queries

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


def test_pipelines_and_stages_are_made_renamed_ordered_and_put_away(session, actor, client, sales):
    body = {"name": "Events", "stages": [{"name": "Asked", "kind": "open"}]}
    events = client.post(f"{API}/pipelines", json=body).json["id"]
    assert client.patch(f"{API}/pipelines/{events}", json={"name": "Fairs"}).json["name"] == "Fairs"
    assert client.patch(f"{API}/pipelines/{events}", json={"name": " "}).status_code == 422
    ordered = client.put(f"{API}/pipelines/order", json={"ids": [events, str(sales.id)]}).json["items"]
    assert [row["name"] for row in ordered] == ["Fairs", "Sales"]
    for ids in ([events], [events, events], [events, str(sales.id), events], []):
        assert client.put(f"{API}/pipelines/order", json={"ids": ids}).status_code == 422

    stages = f"{API}/pipelines/{events}/stages"
    added = client.post(stages, json={"name": "Booked", "kind": "open", "probability": 70})
    assert (added.status_code, added.json["probability"]) == (201, 70)
    ids = [row["id"] for row in client.get(stages).json["items"]]
    turned = client.put(f"{stages}/order", json={"ids": ids[::-1]}).json["items"]
    assert [row["name"] for row in turned] == ["Booked", "Asked"]
    foreign = str(stage(session, actor, "Offer", pipeline_id=sales.id).id)
    assert client.put(f"{stages}/order", json={"ids": [ids[0], foreign]}).status_code == 422

    assert client.post(f"{API}/deals", json={"title": "Ten", "stage_id": ids[0]}).status_code == 201
    refused = client.post(f"{API}/pipelines/{events}/archive")
    assert (refused.status_code, refused.json["code"]) == (409, "pipeline_in_use")
    assert client.post(f"{API}/pipelines/{sales.id}/archive").json["archived_at"] is not None
    away = client.get(f"{API}/pipelines", query_string={"archived": "true"}).json["items"]
    assert [row["name"] for row in away] == ["Sales"]
    assert client.post(f"{API}/pipelines/{sales.id}/unarchive").json["archived_at"] is None
    reason = client.post(f"{API}/lost-reasons", json={"name": "Budget"}).json["id"]
    assert [client.delete(f"{API}/lost-reasons/{reason}").status_code for _ in range(2)] == [204, 404]


def test_a_deal_stands_beside_another_one_and_changes_its_pipeline(session, actor, client, sales):
    ids = [client.post(f"{API}/deals", json={"title": title}).json["id"] for title in ("a", "b", "c")]
    first = str(stage(session, actor, "First talk").id)
    moved = client.post(f"{API}/deals/{ids[2]}/move", json={"stage_id": first, "before_id": ids[0]})
    assert (moved.status_code, moved.json["version"]) == (200, 2)
    columns = queries.board(session, actor, where=queries.DealFilter(pipeline_id=sales.id), now=NOW)
    assert [card.title for card in columns[0].cards] == ["c", "a", "b"]
    offer = str(stage(session, actor, "Offer").id)
    client.post(f"{API}/deals/{ids[0]}/move", json={"stage_id": offer})
    late = client.post(f"{API}/deals/{ids[1]}/move", json={"stage_id": first, "after_id": ids[0]})
    assert (late.status_code, late.json["code"]) == (409, "neighbour_moved")
    events = pipeline(session, actor, "Events")
    target = str(stage(session, actor, "Offer", pipeline_id=events.id).id)
    assert client.post(f"{API}/deals/{ids[1]}/move", json={"stage_id": target}).status_code == 422
    there = client.post(f"{API}/deals/{ids[1]}/move", json={"stage_id": target, "pipeline_id": str(events.id)})
    assert there.json["pipeline_id"] == str(events.id)
