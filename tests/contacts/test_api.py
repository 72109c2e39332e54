"""The REST face of people, companies and tags."""

import pytest
from factories.contacts import company, contact

from crm.db import new_id

PEOPLE = "/api/v1/contacts"


@pytest.fixture
def ann(client):
    return client.post(
        PEOPLE,
        json={
            "first_name": "Ann",
            "last_name": "Bo",
            "company_name": "Bo Ceramiche",
            "handles": [
                {"channel": "email", "address": "Ann@Example.com"},
                {"channel": "phone", "address": "347 1234567"},
            ],
            "tags": ["Fiera", "VIP"],
            "birthday": "--02-29",
        },
    )


def test_a_person_is_created_with_everything_inline(ann, client):
    assert ann.status_code == 201
    assert ann.headers["Location"] == f"/api/v1/contacts/{ann.json['id']}"
    shown = client.get(ann.headers["Location"])
    assert shown.json == ann.json
    assert shown.headers["ETag"] == f'"{ann.json["version"]}"'
    assert [(row["channel"], row["address"], row["is_primary"]) for row in shown.json["handles"]] == [
        ("email", "Ann@example.com", True),
        ("phone", "+39 347 123 4567", True),
    ]
    assert (shown.json["company"]["name"], shown.json["tags"], shown.json["birthday"]) == (
        "Bo Ceramiche",
        ["Fiera", "VIP"],
        "--02-29",
    )


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"first_name": "A", "shoe_size": 42}, "shoe_size"),
        ({}, "first_name"),
        ({"handles": [{"channel": "email", "address": "nope"}]}, "handles.0.address"),
        ({"handles": [{"channel": "pigeon", "address": "x"}]}, "handles.0.channel"),
        ({"first_name": "A", "birthday": "2001-02-29"}, "birthday"),
        ({"first_name": "A", "owner_id": "me"}, "owner_id"),
    ],
)
def test_a_wrong_field_is_named_in_a_problem_document_and_nothing_is_kept(client, session, body, field):
    refused = client.post(PEOPLE, json=body)
    assert (refused.status_code, refused.content_type) == (422, "application/problem+json")
    assert field in refused.json["errors"]
    assert client.get(PEOPLE).json["items"] == []


def test_an_address_of_somebody_else_is_a_conflict(ann, client):
    refused = client.post(
        PEOPLE, json={"first_name": "B", "handles": [{"channel": "email", "address": "ann@example.com"}]}
    )
    assert (refused.status_code, refused.json["code"]) == (409, "handle_taken")


def test_a_change_names_the_version_it_was_made_on(ann, client):
    url = ann.headers["Location"]
    first = client.patch(url, json={"title": "Buyer"}, headers={"If-Match": ann.headers["ETag"]})
    assert (first.status_code, first.json["title"]) == (200, "Buyer")
    assert first.headers["ETag"] != ann.headers["ETag"]
    late = client.patch(url, json={"city": "Lucca"}, headers={"If-Match": ann.headers["ETag"]})
    assert (late.status_code, late.json["code"]) == (412, "version_mismatch")
    assert client.patch(url, json={"city": "Lucca"}).json["city"] == "Lucca"


def test_tags_are_replaced_and_other_fields_stay(ann, client):
    changed = client.patch(ann.headers["Location"], json={"tags": ["Cersaie"]})
    assert (changed.json["tags"], changed.json["first_name"]) == (["Cersaie"], "Ann")


def test_handles_are_added_preferred_and_removed(ann, client):
    url = ann.headers["Location"]
    added = client.post(f"{url}/handles", json={"channel": "email", "address": "ann@work.example.com"})
    assert added.status_code == 201
    handle_id = added.json["id"]
    assert client.post(f"{url}/handles/{handle_id}/primary").json["is_primary"] is True
    assert client.delete(f"{url}/handles/{handle_id}").status_code == 204
    emails = [row["address"] for row in client.get(url).json["handles"] if row["channel"] == "email"]
    assert emails == ["Ann@example.com"]
    assert client.delete(f"{url}/handles/{handle_id}").status_code == 404


def test_a_deleted_person_is_gone_and_can_come_back(ann, client):
    url = ann.headers["Location"]
    assert client.delete(url).status_code == 204
    assert client.get(url).status_code == 404
    assert client.post(f"{url}/restore").json["display_name"] == "Ann Bo"


def test_lists_page_and_search(client, session, actor):
    for name in ("Ann Bo", "Bea Co", "Cy Do"):
        contact(session, actor, name)
    first = client.get(PEOPLE, query_string={"limit": 2}).json
    second = client.get(PEOPLE, query_string={"limit": 2, "after": first["next"]}).json
    assert [row["display_name"] for row in first["items"] + second["items"]] == ["Ann Bo", "Bea Co", "Cy Do"]
    assert second["next"] is None
    found = client.get(PEOPLE, query_string={"q": "bea"}).json
    assert [row["display_name"] for row in found["items"]] == ["Bea Co"]


@pytest.mark.parametrize("query", [{"limit": 0}, {"limit": 201}, {"after": "x"}, {"sort": "age"}, {"colour": "red"}])
def test_a_wrong_question_is_refused(client, query):
    assert client.get(PEOPLE, query_string=query).status_code == 422


@pytest.mark.parametrize("path", ["contacts", "companies", "tags", "interactions", "tasks", "suppressions", "consents"])
def test_what_does_not_exist_is_not_found(client, path):
    assert client.get(f"/api/v1/{path}/{new_id()}").status_code == 404


def test_provenance_and_suggestions_are_decided_through_the_api(ann, client, session, actor, now):
    from uuid import UUID

    from crm.contacts import services

    contact_id = UUID(ann.json["id"])
    services.update(session, actor, contact_id=contact_id, changes={"city": "Prato"}, now=now)
    waiting = services.suggest_fact(
        session, actor, contact_id=contact_id, field="city", value="Lucca", source="website", now=now
    )
    facts = client.get(f"{ann.headers['Location']}/facts").json
    assert [fact["value"] for fact in facts["suggested"]] == ["Lucca"]
    assert client.post(f"/api/v1/suggestions/{waiting.id}/accept").json["value"] == "Lucca"
    assert client.get(ann.headers["Location"]).json["city"] == "Lucca"
    assert client.post(f"/api/v1/suggestions/{waiting.id}/keep").status_code == 404


def test_people_are_linked_and_have_several_companies(ann, client, session, actor):
    other, firm = contact(session, actor, "Bea Co"), company(session, actor, "Studio Co")
    url = ann.headers["Location"]
    links = client.post(f"{url}/links", json={"other_id": str(other.id), "kind": "introduced_by"})
    assert [(row["name"], row["outgoing"]) for row in links.json["items"]] == [("Bea Co", True)]
    back = client.get(f"{PEOPLE}/{other.id}/links").json["items"]
    assert [(row["name"], row["outgoing"]) for row in back] == [("Ann Bo", False)]
    assert client.delete(f"/api/v1/links/{back[0]['id']}").status_code == 204
    places = client.post(f"{url}/companies", json={"company_id": str(firm.id), "role": "Adviser"}).json["items"]
    assert [(row["company_name"], row["is_primary"]) for row in places] == [
        ("Bo Ceramiche", True),
        ("Studio Co", False),
    ]


def test_a_company_has_its_own_face(client):
    made = client.post("/api/v1/companies", json={"name": "Bo", "website": "https://www.bo.example.com"})
    assert (made.status_code, made.json["domain"]) == (201, "bo.example.com")
    url = made.headers["Location"]
    changed = client.patch(url, json={"staff": 12}, headers={"If-Match": made.headers["ETag"]})
    assert (changed.json["staff"], changed.json["name"]) == (12, "Bo")
    assert client.patch(url, json={"staff": 13}, headers={"If-Match": made.headers["ETag"]}).status_code == 412
    assert client.post("/api/v1/companies", json={"name": "Two", "domain": "bo.example.com"}).status_code == 409
    assert [row["name"] for row in client.get("/api/v1/companies?q=bo.exam").json["items"]] == ["Bo"]
    assert client.delete(url).status_code == 204
    assert client.get("/api/v1/companies").json["items"] == []


def test_tags_have_a_face_too(client):
    made = client.post("/api/v1/tags", json={"name": "Fiera"})
    assert client.post("/api/v1/tags", json={"name": "FIERA"}).json["id"] == made.json["id"]
    url = f"/api/v1/tags/{made.json['id']}"
    assert client.patch(url, json={"name": "Cersaie"}).json["name"] == "Cersaie"
    assert [row["name"] for row in client.get("/api/v1/tags").json["items"]] == ["Cersaie"]
    assert client.delete(url).status_code == 204
    assert client.get(url).status_code == 404


def test_another_workspaces_people_do_not_exist(client, session, other_actor, actor):
    from crm.db import enter_workspace

    enter_workspace(session, other_actor.workspace_id)
    foreign = contact(session, other_actor, "Far Far", email="far@example.com")
    enter_workspace(session, actor.workspace_id)
    url = f"{PEOPLE}/{foreign.id}"
    for call in (
        client.get(url),
        client.patch(url, json={"title": "x"}),
        client.delete(url),
        client.get(f"{url}/timeline"),
        client.get(f"{url}/facts"),
        client.get(f"{url}/links"),
        client.get(f"{url}/consents"),
        client.post(f"{url}/handles", json={"channel": "email", "address": "x@example.com"}),
        client.post("/api/v1/interactions", json={"kind": "call", "contact_id": str(foreign.id)}),
        client.post("/api/v1/tasks", json={"title": "x", "contact_id": str(foreign.id)}),
    ):
        assert call.status_code == 404
    assert client.get(PEOPLE).json["items"] == []
