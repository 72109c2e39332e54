"""Accounts behind addresses: renamed, taken by a stranger, taken already, of nobody yet, of a company."""

import pytest
from factories.contacts import company, contact, handle
from sqlalchemy import select

from crm.accounts.kinds import Role
from crm.channels.base import ChannelKind
from crm.contacts import queries, services
from crm.contacts.kinds import HandleState
from crm.contacts.models import Handle

BLUESKY = ChannelKind.BLUESKY


@pytest.fixture
def ann(session, actor):
    return contact(session, actor, "Ann Bo", email="ann@example.com")


def resolve(session, actor, now, address, platform_id, **more):
    return services.resolve_identity(
        session, actor, channel=BLUESKY, address=address, platform_id=platform_id, now=now, **more
    )


def test_a_known_address_gets_its_id_once(session, actor, now, ann):
    row = handle(session, actor, ann.id, channel=BLUESKY, address="ann.bsky.social")
    assert resolve(session, actor, now, "ann.bsky.social", "did:plc:ann").id == row.id
    assert row.platform_id == "did:plc:ann"
    assert (
        resolve(session, actor, now, "ann.bsky.social", "did:plc:ann", display_name="Ann 🌿").display_name == "Ann 🌿"
    )


def test_a_renamed_account_stays_with_its_person_and_remembers_its_names(session, actor, now, ann):
    row = handle(session, actor, ann.id, channel=BLUESKY, address="ann.bsky.social")
    resolve(session, actor, now, "ann.bsky.social", "did:plc:ann")
    for name in ("ann-bo.example.com", "bo.example.com"):
        assert resolve(session, actor, now, name, "did:plc:ann").id == row.id
    assert (row.address, row.contact_id) == ("@bo.example.com", ann.id)
    found = queries.earlier_addresses(session, actor, handle_ids=[row.id])[row.id]
    assert {one.address for one in found} == {"@ann.bsky.social", "@ann-bo.example.com"}


def test_an_address_that_a_stranger_took_is_a_new_person(session, actor, now, ann):
    row = handle(session, actor, ann.id, channel=BLUESKY, address="ann.bsky.social")
    resolve(session, actor, now, "ann.bsky.social", "did:plc:ann")
    stranger = resolve(session, actor, now, "ann.bsky.social", "did:plc:other", display_name="Other")
    assert stranger.id != row.id
    assert stranger.contact_id is None
    session.refresh(row)
    assert (row.state, row.contact_id, row.deleted_at is not None) == (HandleState.GONE, ann.id, True)
    # Ann comes back under another name, and is still Ann.
    back = resolve(session, actor, now, "ann2.bsky.social", "did:plc:ann")
    assert (back.id, back.contact_id, back.address, back.state) == (row.id, ann.id, "@ann2.bsky.social", "active")


def test_a_renamed_account_takes_the_address_from_who_had_it(session, actor, now, ann):
    carl = contact(session, actor, "Carl Dini")
    mine = handle(session, actor, ann.id, channel=BLUESKY, address="ann.bsky.social")
    resolve(session, actor, now, "ann.bsky.social", "did:plc:ann")
    theirs = handle(session, actor, carl.id, channel=BLUESKY, address="new.bsky.social")
    assert resolve(session, actor, now, "new.bsky.social", "did:plc:ann").id == mine.id
    session.refresh(theirs)
    assert theirs.deleted_at is not None
    live = session.scalars(select(Handle.contact_id).where(Handle.channel == BLUESKY, Handle.deleted_at.is_(None)))
    assert live.all() == [ann.id]


def test_a_taken_address_names_who_has_it_and_leads_there(client, session, actor, ann):
    carl = contact(session, actor, "Carl Dini 🌿", email="carl@example.com")
    answer = client.post(f"/contacts/{ann.id}/handles", data={"channel": "email", "address": "CARL@example.com"})
    assert answer.status_code == 422
    assert "already belongs to Carl Dini 🌿" in answer.text
    assert f'href="/contacts/{carl.id}"' in answer.text
    assert f'href="/contacts/{ann.id}/merge/{carl.id}"' in answer.text
    firm = company(session, actor, "Bo Ceramiche")
    services.add_handle(
        session, actor, channel=ChannelKind.EMAIL, address="info@bo.example", company_id=firm.id, now=ann.created_at
    )
    answer = client.post(f"/contacts/{ann.id}/handles", data={"channel": "email", "address": "info@bo.example"})
    assert "already belongs to Bo Ceramiche" in answer.text
    api = client.post(f"/api/v1/contacts/{ann.id}/handles", json={"channel": "email", "address": "carl@example.com"})
    assert api.status_code == 409
    assert "Carl Dini" in api.get_data(as_text=True)


def test_who_may_not_see_the_holder_is_not_told_the_name(session, house, now, ann):
    from dataclasses import replace

    stranger = replace(house.actor, role=Role.SALES, scopes=frozenset({"edit", "view_own"}))
    mine = contact(session, stranger, "Eva Blu")
    ann.owner_id = None
    session.flush()
    with pytest.raises(services.HandleTakenError) as refused:
        services.add_handle(
            session, stranger, channel=ChannelKind.EMAIL, address="ann@example.com", contact_id=mine.id, now=now
        )
    assert refused.value.contact_id is None
    assert "Ann" not in refused.value.message


def test_an_address_is_renamed_on_its_page_and_its_history_is_shown(client, session, actor, ann):
    row = queries.handles_of(session, actor, contact_ids=[ann.id])[ann.id][0]
    assert client.get(f"/handles/{row.id}").status_code == 200
    changed = client.post(f"/handles/{row.id}", data={"address": "ann.bo@example.com", "label": "office"})
    assert changed.status_code == 303
    page = client.get(f"/contacts/{ann.id}/handles").text
    assert "ann@example.com until" in page
    assert "office" in page
    contact(session, actor, "Carl Dini", email="carl@example.com")
    refused = client.post(f"/handles/{row.id}", data={"address": "carl@example.com"})
    assert refused.status_code == 422
    assert "already belongs to Carl Dini" in refused.text
    url = f"/api/v1/contacts/{ann.id}/handles/{row.id}"
    assert client.patch(url, json={"address": "a@example.com"}).get_json()["address"] == "a@example.com"
    history = client.get(f"{url}/history").get_json()["items"]
    assert {one["address"] for one in history} == {"ann@example.com", "ann.bo@example.com"}


def test_a_company_has_addresses_of_its_own(client, session, actor):
    firm = company(session, actor, "Bo Ceramiche")
    url = f"/companies/{firm.id}/handles"
    assert client.post(url, data={"channel": "email", "address": "info@bo.example"}).status_code == 303
    assert "info@bo.example" in client.get(f"/companies/{firm.id}").text
    ann = contact(session, actor, "Ann Bo", company_id=firm.id)
    page = client.get(f"/contacts/{ann.id}").text
    assert "info@bo.example" in page
    assert "through Bo Ceramiche" in page
    assert client.post(url, data={"channel": "email", "address": "no"}).status_code == 422


def test_a_stranger_becomes_somebody(client, session, actor, now, ann):
    first = resolve(session, actor, now, "who.bsky.social", "did:plc:1", display_name="Who Ever")
    second = resolve(session, actor, now, "ann.bsky.social", "did:plc:2")
    listed = client.get("/handles/unknown").text
    assert "who.bsky.social" in listed
    assert "ann.bsky.social" in listed
    assert 'value="Who Ever"' in client.get(f"/handles/{first.id}/owner").text
    nobody = client.post(f"/handles/{first.id}/owner", data={"other": "Zzzz Qqqq"})
    assert "Nobody is called so" in nobody.text
    new = client.post(f"/handles/{first.id}/owner", data={"other": "Who Ever", "new": "1"})
    assert "who.bsky.social" in client.get(new.headers["Location"]).text
    known = client.post(f"/handles/{second.id}/owner", data={"other": "Ann Bo"})
    assert known.headers["Location"].endswith(f"/contacts/{ann.id}")
    assert client.post(f"/handles/{second.id}/owner", data={"other": "Ann Bo"}).status_code == 303
    assert "Every address belongs to somebody" in client.get("/handles/unknown").text
