"""The page of a person's data, the list of erasures, and their API."""

import pytest
from conftest import make_house
from factories import contacts
from sqlalchemy import select

from crm.accounts.kinds import Role
from crm.contacts.models import Contact
from crm.jobs import JobName
from crm.lifecycle.privacy_models import Erasure


@pytest.fixture
def person(session, actor, now) -> Contact:
    made = contacts.contact(session, actor, "Zoe Wvutsrq", email="zoe@example.com", city="Faenza", now=now)
    contacts.interaction(session, actor, made.id, body="a call", now=now)
    session.commit()
    return made


def test_the_page_says_what_goes_and_what_stays(client, person):
    page = client.get(f"/contacts/{person.id}/personal-data").text
    assert "Personal data of Zoe Wvutsrq" in page
    assert "Texts of the timeline" in page
    assert "Entries of the timeline: kind, channel and date" in page
    assert f"/contacts/{person.id}/personal-data" in client.get(f"/contacts/{person.id}").text


def test_a_wrong_name_is_told_beside_the_field_and_changes_nothing(client, session, person):
    answer = client.post(f"/contacts/{person.id}/erase", data={"confirm": "Zoe"})
    assert answer.status_code == 422
    assert "This is not the person" in answer.text
    assert session.scalars(select(Erasure)).all() == []


def test_the_right_name_erases_and_wakes_a_worker(client, session, jobs, person):
    answer = client.post(f"/contacts/{person.id}/erase", data={"confirm": "zoe wvutsrq"}, follow_redirects=True)
    assert "The person was erased" in answer.text
    row = session.scalars(select(Erasure)).one()
    assert jobs.rung == [(JobName.FINISH_ERASURE, {"workspace_id": row.workspace_id, "erasure_id": row.id})]
    assert client.get(f"/contacts/{person.id}").status_code == 404
    assert client.get(f"/contacts/{person.id}/personal-data").status_code == 404
    assert "Giulia Ferri" in client.get("/settings/erasures").text


def test_the_api_counts_erases_once_and_lists(client, session, person):
    counted = client.get(f"/api/v1/contacts/{person.id}/personal-data").json
    assert (counted["name"], counted["counts"]["interaction_body"]) == ("Zoe Wvutsrq", 1)
    refused = client.post(f"/api/v1/contacts/{person.id}/erase", json={"confirm": "nobody"})
    assert (refused.status_code, list(refused.json["errors"])) == (422, ["confirm"])
    done = client.post(f"/api/v1/contacts/{person.id}/erase", json={"confirm": "Zoe Wvutsrq"})
    assert (done.status_code, done.json["subject_id"]) == (202, str(person.id))
    assert [row["id"] for row in client.get("/api/v1/erasures").json["items"]] == [done.json["id"]]


def test_whoever_lacks_the_right_finds_nothing(signed_in, session, person, house):
    other = make_house(session, name="Elsewhere", role=Role.OWNER)
    session.commit()
    assert signed_in(other).get(f"/contacts/{person.id}/personal-data").status_code == 404


def test_the_page_of_retention_saves_days_and_says_what_is_wrong_beside_the_field(client, session, now):
    page = client.get("/settings/retention")
    assert "Deleted people" in page.text
    wrong = client.post("/settings/retention", data={"raw_mails": "2"})
    assert wrong.status_code == 422
    assert "Write 7 to 36500 days" in wrong.text
    saved = client.post(
        "/settings/retention", data={"raw_mails": "100", "deleted_people": "365"}, follow_redirects=True
    )
    assert "Nothing goes before the night" in saved.text
    assert 'value="365"' in saved.text
