"""The REST face of consents and suppressed addresses."""

import pytest
from factories.contacts import contact


@pytest.fixture
def ann(session, actor):
    return contact(session, actor)


def record(client, ann, **given):
    body = {
        "contact_id": str(ann.id),
        "purpose": "promotional",
        "channel": "email",
        "action": "granted",
        "source": "form",
        **given,
    }
    return client.post("/api/v1/consents", json=body)


def test_a_consent_is_recorded_with_its_evidence_and_read_back(client, ann):
    made = record(client, ann, wording="Yes please", wording_version="1", note="paper 12")
    assert (made.status_code, made.json["wording"], made.json["basis"]) == (201, "Yes please", "consent")
    assert client.get(f"/api/v1/consents?contact_id={ann.id}").json["items"] == [made.json]
    assert client.get(made.headers["Location"]).json == made.json


def test_what_holds_now_is_told_by_purpose_and_channel(client, ann):
    record(client, ann, happened_at="2026-01-01T00:00:00Z")
    record(client, ann, action="withdrawn", channel=None, happened_at="2026-02-01T00:00:00Z")
    items = client.get(f"/api/v1/contacts/{ann.id}/consents").json["items"]
    assert [(row["channel"], row["action"]) for row in items] == [(None, "withdrawn"), ("email", "granted")]


@pytest.mark.parametrize(
    ("given", "field"),
    [({"source": ""}, "source"), ({"basis": "unknown"}, "basis"), ({"purpose": "fun"}, "purpose"), ({"x": 1}, "x")],
)
def test_a_consent_without_origin_or_basis_is_refused(client, ann, given, field):
    refused = record(client, ann, **given)
    assert (refused.status_code, list(refused.json["errors"])) == (422, [field])


def test_an_address_is_suppressed_listed_without_being_shown_and_allowed_again(client):
    made = client.post("/api/v1/suppressions", json={"channel": "email", "address": "ann@example.com"})
    assert (made.status_code, made.json["hint"]) == (201, "a…@example.com")
    assert client.get("/api/v1/suppressions").json["items"] == [made.json]
    assert client.delete(f"/api/v1/suppressions/{made.json['id']}").status_code == 204
    assert client.get("/api/v1/suppressions").json["items"] == []


def test_an_address_that_is_none_can_not_be_suppressed(client):
    refused = client.post("/api/v1/suppressions", json={"channel": "email", "address": "nope"})
    assert (refused.status_code, list(refused.json["errors"])) == (422, ["address"])
