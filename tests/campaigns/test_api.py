"""The REST API: the same life of a campaign through the stable face."""

from datetime import timedelta

import pytest
from conftest import make_house
from factories import accounts, campaigns, loyalty, outreach
from sqlalchemy import select

from crm.accounts.kinds import Role
from crm.campaigns.kinds import Outcome
from crm.campaigns.models import Campaign
from crm.db import database_now, enter_workspace, new_id

BASE = "/api/v1/campaigns"


@pytest.fixture
def call(app, session, workspace):
    """Call the API with a token of the workspace; answers (status, JSON)."""

    def send(method: str, path: str = "", body=None, *, role: Role = Role.OWNER, **headers: str):
        _, secret = accounts.token(session, workspace.id, role=role)
        headers = {"Authorization": f"Bearer {secret}", **headers}
        answer = app.test_client().open(f"{BASE}{path}", method=method, json=body, headers=headers)
        return answer.status_code, answer.get_json(silent=True)

    return send


@pytest.fixture
def clock(session):
    return database_now(session)


def body(people, **more):
    return {
        "name": "Preview",
        "contact_ids": [str(one) for one in people],
        "texts": [{"subject": "Hi {{ contact.first_name }}", "body": "Good morning"}],
        **more,
    }


@pytest.mark.parametrize(
    "texts",
    [
        [{"body": "Salve", "language": "it"}],
        [{"body": "Hi"}, {"body": "Salve", "language": "it"}, {"body": "Ciao", "language": "it"}],
    ],
)
def test_texts_that_are_not_one_for_each_language_are_refused(call, session, actor, account, texts):
    people = campaigns.people(session, actor, 1)
    assert call("POST", body=body(people) | {"texts": texts})[0] == 422
    _, made = call("POST", body=body(people))
    status, problem = call("PATCH", f"/{made['id']}", {"texts": texts})
    assert (status, problem["code"]) == (422, "invalid")


def test_a_campaign_lives_through_the_api_alone(call, session, actor, account, clock):
    offer = loyalty.offer(session, actor, now=clock)
    people = campaigns.people(session, actor, 3)
    status, made = call("POST", body=body(people, offer_id=str(offer.id), holdout_percent=0))
    assert (status, made["state"], made["counts"]["sent"]) == (201, "draft", 0)
    path = f"/{made['id']}"
    assert call("PATCH", path, {"name": "Other"})[1]["name"] == "Other"
    text = {"texts": [{"subject": "Hi", "body": "{{ voucher.code }}"}]}
    assert call("PATCH", path, text)[1]["texts"] == [{"language": "", "subject": "Hi", "body": "{{ voucher.code }}"}]
    assert call("POST", f"{path}/picks", {"remove": [str(people[2])]})[0] == 200
    status, audience = call("GET", f"{path}/audience")
    assert (audience["writable"], [one["name"] for one in audience["items"]]) == (2, ["Ann Bo", "Bea Conti"])
    assert call("POST", f"{path}/picks", {"add": [str(people[2])]})[0] == 200
    assert call("POST", f"{path}/prepare")[1] == {"drafted": 3, "missing": 0, "skipped": 0, "held_out": 0}
    assert call("PATCH", path, text)[0] == 409
    status, listed = call("GET", f"{path}/recipients?limit=2")
    assert (len(listed["items"]), listed["next"] is not None) == (2, True)
    first = listed["items"][0]["id"]
    assert call("PATCH", f"{path}/recipients/{first}", {"subject": "S", "body": "Only you"})[0] == 200
    assert call("GET", f"{path}/recipients/{first}")[1]["body"] == "Only you"
    assert call("POST", f"{path}/approve", {"recipient_ids": [first]})[1]["refused"] == {}
    assert len(call("POST", f"{path}/approve", {})[1]["done"]) == 2
    second = listed["items"][1]["id"]
    assert len(call("POST", f"{path}/skip", {"recipient_ids": [second], "reason": "on holiday"})[1]["done"]) == 1
    at = (clock + timedelta(days=2)).isoformat()
    status, done = call("POST", f"{path}/schedule", {"at": at})
    assert (status, done["scheduled"], done["waiting"]) == (200, 2, 0)
    assert call("POST", f"{path}/pause")[1]["state"] == "paused"
    assert call("POST", f"{path}/resume")[1]["state"] == "scheduled"
    window = {"start": at, "until": (clock + timedelta(days=3)).isoformat()}
    assert call("POST", f"{path}/schedule", {"spread": window})[1]["scheduled"] == 2
    status, report = call("GET", f"{path}/report")
    assert report["planned"] == sum(report["outcomes"].values()) == 3
    assert set(report["outcomes"]) == {kind.value for kind in Outcome}
    skipped = call("GET", f"{path}/recipients?outcome=skipped")[1]["items"]
    assert [one["reason"] for one in skipped] == ["on holiday"]
    assert call("DELETE", path)[0] == 409
    assert call("POST", f"{path}/cancel")[1]["state"] == "cancelled"
    assert [one["name"] for one in call("GET")[1]["items"]] == ["Other"]
    assert call("DELETE", path)[0] == 204
    assert call("GET", path)[0] == 404


def test_wrong_input_is_named_by_field_and_nothing_is_made(call, session, actor, account):
    people = campaigns.people(session, actor, 1)
    for wrong, field in (
        ({"surprise": 1}, "surprise"),
        ({"name": ""}, "name"),
        ({"texts": [{"subject": "S", "body": "{{ contact.nom }}"}]}, "body"),
        ({"texts": [{"subject": "S", "body": "{% for %}"}]}, "body"),
        ({"holdout_percent": 99}, "holdout_percent"),
    ):
        status, problem = call("POST", body=body(people, **wrong))
        assert (status, field in problem["errors"]) == (422, True), (wrong, problem)
    assert session.scalars(select(Campaign)).all() == []
    status, made = call("POST", body=body(people))
    call("POST", f"/{made['id']}/prepare")
    call("POST", f"/{made['id']}/approve", {})
    status, problem = call("POST", f"/{made['id']}/schedule", {"at": "2020-01-01T10:00:00Z"})
    assert (status, problem["code"], list(problem["errors"])) == (422, "past", ["at"])
    assert call("GET", f"/{made['id']}/recipients?outcome=lost")[0] == 422


def test_another_workspace_s_ids_are_not_found(call, session, house, clock):
    foreign = make_house(session, name="Altra Bottega")
    outreach.account(session, foreign.actor)
    campaign = campaigns.prepared(session, foreign.actor, 1, now=clock)
    recipient = campaigns.recipient(session, campaign)
    enter_workspace(session, house.workspace.id)
    path = f"/{campaign.id}"
    for method, rest, sent in (
        ("GET", "", None),
        ("PATCH", "", {"name": "Mine"}),
        ("DELETE", "", None),
        ("POST", "/picks", {"forget": [str(recipient.contact_id)]}),
        ("GET", "/audience", None),
        ("POST", "/prepare", None),
        ("POST", "/discard", None),
        ("POST", "/approve", {}),
        ("POST", "/skip", {"recipient_ids": [str(recipient.id)]}),
        ("POST", "/reject", {"recipient_ids": [str(recipient.id)]}),
        ("POST", "/schedule", {}),
        ("POST", "/pause", None),
        ("POST", "/resume", None),
        ("POST", "/cancel", None),
        ("GET", "/recipients", None),
        ("GET", f"/recipients/{recipient.id}", None),
        ("PATCH", f"/recipients/{recipient.id}", {"subject": "S", "body": "B"}),
        ("GET", "/report", None),
    ):
        assert call(method, path + rest, sent)[0] == 404, (method, rest)
    mine = call("POST", body={"name": "Mine"})[1]
    assert call("PATCH", f"/{mine['id']}", {"offer_id": str(new_id())})[0] == 422
    assert call("PATCH", f"/{mine['id']}", {"segment_id": str(new_id())})[0] == 404
    enter_workspace(session, foreign.workspace.id)
    assert campaigns.message(session, campaign).state == "in_review"


def test_an_older_version_is_refused(call, session, actor, account):
    made = call("POST", body=body(campaigns.people(session, actor, 1)))[1]
    assert call("PATCH", f"/{made['id']}", {"name": "A"}, **{"If-Match": '"999"'})[0] == 409


@pytest.mark.parametrize(("role", "status"), [(Role.VIEWER, 403), (Role.TILL, 403), (Role.SALES, 201)])
def test_only_who_may_write_starts_a_campaign(call, role, status):
    assert call("POST", body={"name": "Mine"}, role=role)[0] == status
