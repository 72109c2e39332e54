"""How far ahead anything can be planned."""

from datetime import UTC, datetime, timedelta

import pytest
from factories import campaigns, outreach

from crm.campaigns import services as campaign_services
from crm.db import database_now
from crm.errors import InvalidInputError
from crm.outreach.moments import AHEAD, check_moment

FAR = "9999-12-31"


@pytest.fixture
def account(session, actor):
    return outreach.account(session, actor)


@pytest.fixture
def clock(session):
    return database_now(session)


@pytest.mark.parametrize(
    ("distance", "code"),
    [(-timedelta(minutes=2), "past"), (AHEAD + timedelta(seconds=1), "too_far"), (timedelta(days=3650), "too_far")],
)
def test_a_moment_behind_or_beyond_a_year_is_refused(now, distance, code):
    with pytest.raises(InvalidInputError) as refused:
        check_moment(now + distance, now=now, field="at")
    assert (refused.value.code, list(refused.value.fields)) == (code, ["at"])


@pytest.mark.parametrize("distance", [-timedelta(seconds=30), timedelta(0), AHEAD])
def test_a_moment_within_the_year_passes(now, distance):
    check_moment(now + distance, now=now, field="at")


def test_a_message_for_the_year_9999_is_refused_beside_the_day(client, session, actor, account):
    person = outreach.person(session, actor, "Ann Bo", email="ann@example.com")
    words = {"channel": "email", "account_id": "", "purpose": "personal", "subject": "Hi", "body": "Hello"}
    page = client.post(f"/contacts/{person}/write", data={**words, "when": "at", "on": FAR, "at": "23:59"})
    assert page.status_code == 422
    assert "more than a year away" in page.text
    refused = client.post(
        "/api/v1/messages",
        json={"contact_id": str(person), "subject": "Hi", "body": "Hello", "send_at": f"{FAR}T23:59:59Z"},
    )
    assert (refused.status_code, list(refused.json["errors"])) == (422, ["send_at"])
    assert client.get("/api/v1/messages").json["items"] == []


def test_a_campaign_for_the_year_9999_is_refused_beside_the_day(client, session, actor, account, clock):
    campaign = campaigns.prepared(session, actor, 1, now=clock)
    campaign_services.approve(session, actor, campaign_id=campaign.id, now=clock)
    page = client.post(f"/campaigns/{campaign.id}/schedule", data={"kind": "at", "on": FAR, "at": "23:59"})
    assert page.status_code == 422
    assert "more than a year away" in page.text
    (message,) = campaigns.messages(session, campaign)
    assert message.state == "approved"
    for body in (
        {"at": f"{FAR}T10:00:00Z"},
        {"at": f"{FAR}T23:59:59-12:00", "in_recipient_zone": True},
        {"spread": {"start": (clock + timedelta(days=1)).isoformat(), "until": f"{FAR}T10:00:00Z"}},
    ):
        refused = client.post(f"/api/v1/campaigns/{campaign.id}/schedule", json=body)
        assert refused.status_code == 422, body
        assert set(refused.json["errors"]) & {"at", "until"}, body


def test_a_planned_message_cannot_be_moved_there(client, session, actor, account, clock):
    campaign = campaigns.scheduled(session, actor, 1, now=clock)
    (message,) = campaigns.messages(session, campaign)
    page = client.post(f"/messages/{message.id}/move", data={"when": "at", "on": FAR, "at": "10:00"})
    assert page.status_code == 422
    assert "more than a year away" in page.text
    assert message.due_at < datetime(9000, 1, 1, tzinfo=UTC)
