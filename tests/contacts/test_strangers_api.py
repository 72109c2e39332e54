"""Strangers and addresses of companies through the API, for those who may see them."""

import pytest
from conftest import House
from factories.accounts import member
from factories.contacts import company, contact
from sqlalchemy import select

from crm.accounts.kinds import Role
from crm.channels.base import ChannelKind
from crm.contacts import services
from crm.contacts.models import Handle
from crm.interactions import services as interactions


@pytest.fixture
def stranger(session, actor, now):
    row = services.add_handle(
        session, actor, channel=ChannelKind.EMAIL, address="x@stranger.example", display_name="X", now=now
    )
    interactions.log(
        session,
        actor,
        kind="message.received",
        happened_at=now,
        handle_id=row.id,
        channel="email",
        body="Buongiorno",
        now=now,
    )
    return row


def test_a_stranger_is_listed_with_what_they_wrote_and_claimed(client, session, actor, stranger):
    (listed,) = client.get("/api/v1/strangers").json["items"]
    assert (listed["address"], listed["display_name"]) == ("x@stranger.example", "X")
    assert client.get(f"/api/v1/strangers/{stranger.id}").json == listed
    words = client.get(f"/api/v1/interactions?handle_id={stranger.id}").json["items"]
    assert [one["body"] for one in words] == ["Buongiorno"]
    person = contact(session, actor, "Xenia Bo")
    claimed = client.post(f"/api/v1/strangers/{stranger.id}/claim", json={"contact_id": str(person.id)})
    assert claimed.status_code == 200
    assert client.get("/api/v1/strangers").json["items"] == []
    theirs = client.get(f"/api/v1/contacts/{person.id}/timeline").json["items"]
    assert [one["body"] for one in theirs] == ["Buongiorno"]
    for path in ("", "/claim"):
        url = f"/api/v1/strangers/{stranger.id}{path}"
        answer = client.post(url, json={"contact_id": str(person.id)}) if path else client.get(url)
        assert answer.status_code == 404


def test_an_address_that_is_a_companys_takes_its_words_along(client, session, actor, stranger):
    firm = company(session, actor, "Bo Ceramiche")
    answer = client.post(f"/api/v1/strangers/{stranger.id}/claim", json={"company_id": str(firm.id)})
    assert answer.status_code == 200
    words = client.get(f"/api/v1/companies/{firm.id}/timeline").json["items"]
    assert [one["body"] for one in words] == ["Buongiorno"]


@pytest.mark.parametrize("body", [{}, {"contact_id": None}, {"contact_id": "x"}])
def test_a_claim_without_an_owner_is_refused(client, stranger, body):
    assert client.post(f"/api/v1/strangers/{stranger.id}/claim", json=body).status_code == 422


def test_a_dismissed_stranger_is_off_the_list_and_may_come_back(client, session, actor, stranger, now):
    assert client.delete(f"/api/v1/strangers/{stranger.id}").status_code == 204
    assert client.get("/api/v1/strangers").json["items"] == []
    assert client.delete(f"/api/v1/strangers/{stranger.id}").status_code == 404
    again = services.add_handle(session, actor, channel=ChannelKind.EMAIL, address="x@stranger.example", now=now)
    assert again.id != stranger.id


def test_who_may_not_edit_sees_no_strangers(signed_in, session, house, stranger):
    row, _membership, actor = member(session, house, role=Role.VIEWER)
    viewer = signed_in(House(house.workspace, row, actor))
    for method, path in (("get", ""), ("get", f"/{stranger.id}"), ("delete", f"/{stranger.id}")):
        assert getattr(viewer, method)(f"/api/v1/strangers{path}").status_code == 403


def test_a_person_whom_one_may_not_see_can_not_be_claimed_for(client, session, actor, stranger):
    other = "01890000-0000-7000-8000-000000000000"
    assert client.post(f"/api/v1/strangers/{stranger.id}/claim", json={"contact_id": other}).status_code == 404
    assert session.scalars(select(Handle.contact_id).where(Handle.id == stranger.id)).one() is None


def test_addresses_of_a_company_are_added_renamed_preferred_and_removed(client, session, actor):
    firm, other = company(session, actor, "Bo Ceramiche"), company(session, actor, "Elmi")
    url = f"/api/v1/companies/{firm.id}/handles"
    made = client.post(url, json={"channel": "email", "address": "info@bo.example"})
    assert (made.status_code, made.json["is_primary"]) == (201, True)
    second = client.post(url, json={"channel": "email", "address": "ordini@bo.example", "label": "ordini"}).json
    assert client.post(f"{url}/{second['id']}/primary").json["is_primary"]
    shown = client.get(url).json["items"]
    assert [one["address"] for one in shown] == ["ordini@bo.example", "info@bo.example"]
    renamed = client.patch(f"{url}/{second['id']}", json={"address": "vendite@bo.example"})
    assert (renamed.json["address"], renamed.json["label"]) == ("vendite@bo.example", "ordini")
    foreign = f"/api/v1/companies/{other.id}/handles"
    assert client.delete(f"{foreign}/{second['id']}").status_code == 404
    assert client.post(foreign, json={"channel": "email", "address": "info@bo.example"}).status_code == 409
    assert client.delete(f"{url}/{second['id']}").status_code == 204
    assert [one["address"] for one in client.get(url).json["items"]] == ["info@bo.example"]


def test_the_page_of_a_stranger_shows_their_words_and_lets_them_go(client, session, actor, stranger, now):
    page = client.get(f"/strangers/{stranger.id}").text
    assert "Buongiorno" in page
    assert f"/handles/{stranger.id}/owner" in page
    assert f'href="/strangers/{stranger.id}"' in client.get("/handles/unknown").text
    assert client.post(f"/handles/{stranger.id}/dismiss").status_code == 303
    assert client.get(f"/strangers/{stranger.id}").status_code == 404
    person = contact(session, actor, "Ann Bo", email="ann@example.com")
    theirs = session.scalars(select(Handle.id).where(Handle.contact_id == person.id)).one()
    assert client.get(f"/strangers/{theirs}").headers["Location"].endswith(f"/contacts/{person.id}")
    assert client.post(f"/handles/{theirs}/dismiss").status_code == 404
