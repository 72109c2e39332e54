"""The pages and the API of duplicates, merges and change sets."""

import pytest
from factories import contacts as make
from sqlalchemy import select

from crm.contacts.change_models import ChangeSet


@pytest.fixture
def pair(session, actor):
    company = make.company(session, actor)
    kept = make.contact(session, actor, "Anna Rossi", email="anna@bo.example.com", company_id=company.id, city="Faenza")
    other = make.contact(session, actor, "Anna Rossi", company_id=company.id, city="Lugo", title="Owner")
    make.task(session, actor, contact_id=other.id)
    return kept, other


def the_change_set(session):
    return session.scalars(select(ChangeSet).order_by(ChangeSet.created_at.desc()).limit(1)).one()


def test_a_pair_is_named_compared_merged_and_undone(client, session, pair):
    kept, other = pair
    page = client.get("/duplicates").text
    assert "Same name in the same company" in page
    assert f"/contacts/{kept.id}/merge/{other.id}" in page
    page = client.get(f"/contacts/{kept.id}/twice").text
    assert "Maybe the same person as Anna Rossi" in page
    page = client.get(f"/contacts/{kept.id}/merge/{other.id}").text
    assert all(words in page for words in ("Faenza", "Lugo", "Owner", "1 open task", "Nothing is sent"))

    answer = client.post(f"/contacts/{kept.id}/merge/{other.id}", data={"city": "other"})
    assert (answer.status_code, answer.location) == (303, f"/contacts/{kept.id}")
    page = client.get(f"/contacts/{kept.id}").text
    assert "Lugo" in page
    assert "The two records are one now." in page
    for path in ("", "/timeline?show=x"):
        answer = client.get(f"/contacts/{other.id}{path}")
        assert (answer.status_code, answer.location) == (308, f"/contacts/{kept.id}{path}")
    assert "Undo the merge" in client.get(f"/contacts/{kept.id}/twice").text
    assert "Anna Rossi" in client.get("/merges").text

    undo = f"/merges/{the_change_set(session).id}/undo"
    assert client.post(undo).location == f"/contacts/{kept.id}"
    assert client.get(f"/contacts/{other.id}").status_code == 200
    client.post(undo)
    assert "This was undone already." in client.get("/merges").text


def test_the_other_record_is_found_by_search(client, pair):
    kept, _other = pair
    page = client.get(f"/contacts/{kept.id}/merge?q=Rossi").text
    assert page.count("Same name in the same company") == 1
    assert "Nobody else was found." in client.get(f"/contacts/{kept.id}/merge?q=Xyzzy").text


def test_what_can_not_be_merged_is_said_where_one_chooses(client, pair):
    kept, _other = pair
    for method in (client.get, client.post):
        answer = method(f"/contacts/{kept.id}/merge/{kept.id}")
        assert (answer.status_code, answer.location) == (303, f"/contacts/{kept.id}/merge")
    assert "Choose somebody else" in client.get(f"/contacts/{kept.id}/merge").text


def test_not_the_same_is_remembered(client, pair):
    kept, other = pair
    assert client.post(f"/contacts/{kept.id}/not-same/{other.id}").location == "/duplicates"
    assert "Nobody seems to be there twice." in client.get("/duplicates").text
    assert "Maybe the same" not in client.get(f"/contacts/{kept.id}/twice").text


def test_the_api_previews_merges_leads_on_and_undoes(client, session, pair):
    kept, other = pair
    found = client.get("/api/v1/duplicates").json["items"]
    assert [(row["contact_id"], row["sign"]) for row in found] == [(str(kept.id), "name_and_company")]
    body = {"other_id": str(other.id), "choices": {"city": "other"}}
    shown = client.post(f"/api/v1/contacts/{kept.id}/merge/preview", json=body).json
    assert shown["effects"]["tasks"] == 1
    assert {one["field"]: one["side"] for one in shown["fields"]} == {"city": "other", "title": "other"}
    done = client.post(f"/api/v1/contacts/{kept.id}/merge", json=body)
    assert done.status_code == 201
    assert done.json["effects"] == shown["effects"]
    led = client.get(f"/api/v1/contacts/{other.id}")
    assert (led.status_code, led.location) == (308, f"/api/v1/contacts/{kept.id}")
    again = client.post(f"/api/v1/contacts/{kept.id}/merge", json=body)
    assert (again.status_code, again.json["code"]) == (409, "merged")
    change_set = done.json["change_set_id"]
    assert client.get("/api/v1/merges").json["items"][0]["id"] == change_set
    undone = client.post(f"/api/v1/merges/{change_set}/undo").json
    assert undone["missing_points"] == 0
    assert client.post(f"/api/v1/merges/{change_set}/undo").json["code"] == "undone_already"
    assert client.post(f"/api/v1/contacts/{kept.id}/not-same", json={"other_id": str(other.id)}).status_code == 204
    assert client.get("/api/v1/duplicates").json["items"] == []
