"""Changing many people from the list: chosen rows or all of it, a preview first, and the way back."""

import re

import pytest
from factories.contacts import contact
from sqlalchemy import select

from crm.contacts.change_models import ChangeSet
from crm.contacts.models import Contact
from crm.db import database_now


@pytest.fixture
def now(session):
    """Pages ask the database for the time."""
    return database_now(session)


@pytest.fixture
def people(session, actor, now):
    return [contact(session, actor, f"Person {n}", city="Genova" if n < 2 else "Siena", now=now) for n in range(4)]


def stages(session, people):
    session.expire_all()
    return [session.get_one(Contact, person.id).lifecycle for person in people]


def test_chosen_rows_are_counted_first_and_then_changed_and_taken_back(client, session, people):
    ids = [str(person.id) for person in people[:2]]
    given = {"ids": ids, "do": "lifecycle", "new_lifecycle": "customer", "back": "/contacts?sort=newest"}
    page = client.post("/contacts/bulk/preview", data=given).text
    assert "2 people change" in page
    assert "Person 0" in page
    assert stages(session, people) == ["lead"] * 4

    answer = client.post("/contacts/bulk", data={**given, "value": "customer"})
    assert answer.location == "/contacts?sort=newest"
    assert stages(session, people) == ["customer", "customer", "lead", "lead"]
    undo = re.search(r'action="(/contacts/bulk/changes/[^"]+/undo)"', client.get(answer.location).text).group(1)
    assert "Stage: Customer" in client.get("/contacts/bulk/changes").text
    assert client.post(undo).status_code == 303
    assert stages(session, people) == ["lead"] * 4
    assert "taken back" in client.get("/contacts/bulk/changes").text
    assert client.post(undo).location == "/contacts/bulk/changes"


def test_everybody_of_a_list_is_meant_by_its_filter(client, session, people):
    rule = '{"all":[{"field":"city","op":"is","value":"Genova"}]}'
    page = client.get("/contacts/bulk", query_string={"rule": rule}).text
    assert "2 people of this list" in page
    given = {"all": "1", "rule": rule, "do": "importance", "value": "key"}
    assert "2 people change" in client.post("/contacts/bulk/preview", data=given).text
    client.post("/contacts/bulk", data=given)
    session.expire_all()
    assert sorted(row.importance for row in session.scalars(select(Contact))) == ["key", "key", "normal", "normal"]


@pytest.mark.parametrize(
    "given",
    [
        {"do": "lifecycle", "value": "customer"},
        {"do": "lifecycle", "value": "nonsense", "all": "1"},
        {"do": "owner", "value": "nonsense", "all": "1"},
        {"do": "add_tag", "all": "1"},
        {"do": "lifecycle", "value": "customer", "all": "1", "rule": "{"},
        {"do": "lifecycle", "value": "lead", "all": "1"},
    ],
)
def test_what_can_not_be_done_leads_back_with_a_word(client, session, people, given):
    for path in ("/contacts/bulk", "/contacts/bulk/preview"):
        answer = client.post(path, data={**given, "back": "//evil.example"})
        assert answer.status_code in {303, 422}
        assert answer.location in {"/contacts", None}
    assert not session.scalars(select(ChangeSet)).all()


def test_the_api_counts_changes_and_takes_back(client, session, people):
    view = client.post("/api/v1/views", json={"name": "All"}).get_json()["id"]
    asked = {"field": "lifecycle", "value": "partner", "view_id": view}
    dry = client.post("/api/v1/bulk-edits", json={**asked, "dry_run": True}).get_json()
    assert dry == {"changed": 4, "change_set_id": None}
    done = client.post("/api/v1/bulk-edits", json=asked).get_json()
    assert done["changed"] == 4
    assert [row["id"] for row in client.get("/api/v1/bulk-edits").get_json()["items"]] == [done["change_set_id"]]
    undone = client.post(f"/api/v1/bulk-edits/{done['change_set_id']}/undo")
    assert undone.get_json()["restored"] == 4
    assert stages(session, people) == ["lead"] * 4
    assert client.post(f"/api/v1/bulk-edits/{done['change_set_id']}/undo").status_code == 409
    for wrong in ({}, {"args": {"x": "1"}}, {"args": {}, "contact_ids": [str(people[0].id)]}):
        assert (
            client.post("/api/v1/bulk-edits", json={"field": "lifecycle", "value": "lead", **wrong}).status_code == 422
        )
