"""The REST API of outreach: accounts, templates, messages, conversations and the gate."""

from datetime import timedelta

import pytest
from factories import outreach
from factories.contacts import contact
from sqlalchemy import update

from crm.accounts.rules import system_actor
from crm.channels.base import ChannelKind
from crm.clock import zone
from crm.consent.kinds import Purpose
from crm.db import database_now, enter_workspace, new_id
from crm.outreach import services
from crm.outreach.models import Message
from crm.outreach.services import conversations

MAILBOX = {"name": "Sales", "address": "sales@lanterna.example.com", "host": "mail.example.com", "username": "sales"}


@pytest.fixture
def ann(session, actor, now):
    return outreach.person(session, actor, now=now)


@pytest.fixture
def account(session, actor, now):
    return outreach.account(session, actor, is_sandbox=True, now=now)


@pytest.fixture
def thread(session, actor, account, ann, now):
    """A conversation in which Ann wrote last."""
    made = conversations.ensure(
        session,
        channel=ChannelKind.EMAIL,
        account_id=account.id,
        contact_id=ann,
        handle_id=None,
        subject="Prezzi",
        now=now,
    )
    conversations.note_inbound(made, at=now)
    session.flush()
    return f"/api/v1/conversations/{made.id}"


@pytest.fixture
def written(client, account, ann):
    answer = client.post("/api/v1/messages", json={"contact_id": str(ann), "subject": "News", "body": "Ciao"})
    assert answer.status_code == 201, answer.text
    return answer.json


def test_an_account_is_made_read_changed_and_retired(client):
    made = client.post("/api/v1/sender-accounts", json={**MAILBOX, "password": "top-secret"})
    assert made.status_code == 201, made.text
    url = made.headers["Location"]
    read = client.get(url)
    assert (read.json["host"], read.json["port"], read.json["has_password"]) == ("mail.example.com", 587, True)
    only_this = {"If-Match": read.headers["ETag"]}
    changed = client.patch(url, json={"per_minute": 5}, headers=only_this)
    assert (changed.status_code, changed.json["per_minute"], changed.json["host"]) == (200, 5, "mail.example.com")
    assert client.patch(url, json={"per_minute": 6}, headers=only_this).status_code == 409
    assert [row["name"] for row in client.get("/api/v1/sender-accounts").json["items"]] == ["Sales"]
    assert client.delete(url).status_code == 204
    assert client.get(url).status_code == 404


def test_a_password_never_comes_out_again(client):
    made = client.post("/api/v1/sender-accounts", json={**MAILBOX, "password": "top-secret"})
    read = client.get(made.headers["Location"])
    assert "top-secret" not in made.text + read.text


def test_an_account_without_a_server_is_refused(client):
    answer = client.post("/api/v1/sender-accounts", json={"name": "Sales", "address": "sales@lanterna.example.com"})
    assert (answer.status_code, answer.json["code"]) == (422, "invalid")


def test_an_account_pauses_and_goes_on(client, account):
    url = f"/api/v1/sender-accounts/{account.id}"
    assert client.post(f"{url}/pause").json["state"] == "paused"
    assert client.post(f"{url}/resume").json["state"] == "active"


def test_a_check_says_that_nobody_answers(client, session, actor, now):
    closed = outreach.account(session, actor, host="mail.invalid", port=587, now=now)
    answer = client.post(f"/api/v1/sender-accounts/{closed.id}/check")
    assert (answer.status_code, answer.json["ok"]) == (200, False)


def test_a_template_is_made_rendered_changed_and_removed(client, ann):
    text = {"name": "Greeting", "subject": "For {{ contact.first_name }}", "body": "Ciao {{ contact.first_name }}!"}
    made = client.post("/api/v1/templates", json=text)
    assert made.status_code == 201, made.text
    url = made.headers["Location"]
    read = client.post(f"{url}/render", json={"contact_id": str(ann)}).json
    assert (read["subject"], read["missing"]) == ("For Ann", [])
    assert "Ciao Ann!" in read["text"]
    changed = client.patch(url, json={"body": "Salve {{ contact.city }}"}, headers={"If-Match": made.headers["ETag"]})
    assert (changed.json["body"], changed.json["name"]) == ("Salve {{ contact.city }}", "Greeting")
    assert client.post(f"{url}/render", json={"contact_id": str(ann)}).json["missing"] == ["contact.city"]
    assert client.get("/api/v1/templates").json["items"][0]["name"] == "Greeting"
    assert client.delete(url).status_code == 204
    assert client.get(url).status_code == 404


def test_a_template_with_a_mistake_names_its_field(client):
    answer = client.post("/api/v1/templates", json={"name": "Broken", "body": "{{ contact.first_name"})
    assert answer.status_code == 422
    assert "body" in answer.json["errors"]


def test_a_message_is_written_by_mail_and_leaves_in_some_seconds(written, jobs, account):
    assert (written["state"], written["channel"], written["body"].strip()) == ("scheduled", "email", "Ciao")
    assert [ids["account_id"] for _name, ids in jobs.rung] == [account.id]


def test_a_message_for_the_past_is_refused_at_its_time(client, account, ann):
    given = {"contact_id": str(ann), "subject": "News", "body": "Ciao", "send_at": "2020-01-01T10:00:00Z"}
    answer = client.post("/api/v1/messages", json=given)
    assert (answer.status_code, list(answer.json["errors"])) == (422, ["send_at"])


def test_a_promotion_without_consent_is_refused_with_the_reason(client, session, actor, account, now):
    bo = contact(session, actor, "Bo Li", email="bo@example.com", now=now)
    given = {"contact_id": str(bo.id), "subject": "Offer", "body": "Ciao", "purpose": "promotional"}
    answer = client.post("/api/v1/messages", json=given)
    assert (answer.status_code, answer.json["code"]) == (409, "consent_missing")
    gate = client.get(f"/api/v1/contacts/{bo.id}/gate?purpose=promotional&channel=email").json
    assert (gate["allowed"], gate["reason"], gate["way"]) == (False, "consent_missing", "ask_consent")
    assert gate["sentence"]


@pytest.fixture
def always_open(session, workspace):
    """Promotions may leave at any hour, so that the hour of the test doesn't matter."""
    for name, value in outreach.ALWAYS_OPEN.items():
        setattr(workspace, name, value)
    session.flush()


def test_the_gate_answers_for_a_list_with_its_reasons_counted(client, session, actor, account, ann, now, always_open):
    strangers = [contact(session, actor, name, email=f"{name[:2]}@example.com", now=now).id for name in ("Bo Li", "Cy")]
    nobody = str(new_id())
    wanted = [str(key) for key in (ann, *strangers, strangers[0])]
    found = client.post("/api/v1/gate", json={"purpose": "promotional", "contact_ids": [*wanted, nobody]}).json
    assert (found["asked"], found["allowed"], found["unknown"]) == (4, 1, [nobody])
    (reason,) = found["reasons"]
    assert (reason["reason"], reason["way"], reason["count"]) == ("consent_missing", "ask_consent", 2)
    assert reason["sentence"].endswith(".")
    assert reason["way_sentence"].endswith(".")
    by_id = {item["contact_id"]: item for item in found["items"]}
    assert by_id[str(ann)]["allowed"]
    assert by_id[str(strangers[1])]["disposition"] == "skip"


def test_the_gate_says_until_when_and_what_about_the_account(client, session, ann, account, workspace):
    # The minute that began two hours ago, on every day: closed now and until tomorrow, whenever this runs.
    opened = database_now(session).astimezone(zone(workspace.time_zone)) - timedelta(hours=2)
    workspace.window_start, workspace.window_end = (f"{opened + timedelta(minutes=more):%H:%M}" for more in (0, 1))
    workspace.window_days, workspace.country = "1,2,3,4,5,6,7", ""
    session.flush()
    url, promotion = f"/api/v1/contacts/{ann}/gate", {"purpose": "promotional"}
    closed = client.get(url, query_string=promotion).json
    assert (closed["reason"], closed["disposition"], closed["way"]) == ("outside_window", "defer", "wait")
    at_that_time = client.get(url, query_string={**promotion, "at": closed["until"]}).json
    assert at_that_time["allowed"]
    account.state = "paused"
    session.flush()
    named = client.get(url, query_string={**promotion, "at": closed["until"], "account_id": account.id})
    assert named.json["reason"] == "account_paused"
    services.delete_account(session, system_actor(workspace.id), account_id=account.id, now=database_now(session))
    assert client.get(url).json["reason"] == "no_account"
    assert client.get(url, query_string={"account_id": account.id}).status_code == 404


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ({"contact_ids": []}, "contact_ids"),
        ({"contact_ids": [str(new_id())] * 501}, "contact_ids"),
        ({"contact_ids": [str(new_id())], "purpose": "system"}, "purpose"),
        ({"contact_ids": [str(new_id())], "at": "2026-11-23T10:00:00"}, "at"),
        ({"contact_ids": [str(new_id())], "at": "2020-01-01T10:00:00Z"}, "at"),
    ],
)
def test_an_impossible_question_is_told_at_its_field(client, given, field):
    answer = client.post("/api/v1/gate", json=given)
    assert (answer.status_code, list(answer.json["errors"])) == (422, [field])


@pytest.mark.parametrize(("what", "field"), [("promotions", "promotions_paused"), ("sending", "sending_paused")])
def test_promotions_and_everything_are_paused_and_go_on(client, ann, account, what, field):
    for _ in range(2):
        assert client.post(f"/api/v1/pauses/{what}").json[field]
    assert client.get("/api/v1/pauses").json[field]
    assert client.get(f"/api/v1/contacts/{ann}/gate?purpose=promotional").json["reason"] == field
    assert client.delete(f"/api/v1/pauses/{what}").json == {"sending_paused": False, "promotions_paused": False}


@pytest.mark.parametrize(
    ("field", "value"),
    [("per_minute", 0), ("per_day", -1), ("per_domain", 0), ("time_zone", "Mars/Olympus"), ("time_zone", "../etc")],
)
def test_an_impossible_pace_of_an_account_is_told_at_its_field(client, account, field, value):
    made = client.post("/api/v1/sender-accounts", json={**MAILBOX, field: value})
    changed = client.patch(f"/api/v1/sender-accounts/{account.id}", json={field: value})
    for answer in (made, changed):
        assert (answer.status_code, list(answer.json["errors"])) == (422, [field])
        assert answer.json["errors"][field]


def test_messages_are_listed_by_state_and_cancelled_once(client, written):
    url = f"/api/v1/messages/{written['id']}"
    assert [row["id"] for row in client.get("/api/v1/messages?state=scheduled").json["items"]] == [written["id"]]
    assert client.post(f"{url}/cancel").json["state"] == "cancelled"
    assert client.post(f"{url}/cancel").status_code == 409
    assert client.get("/api/v1/messages?state=scheduled").json["items"] == []
    assert client.get(url).json["reason"] == "by_hand"


def test_a_draft_is_approved(client, session, actor, account, ann, now):
    batch = services.new_batch(session, actor, name="Autumn", now=now)
    draft = services.DraftInput(contact_id=ann, subject="News", body="Ciao")
    made = services.draft_many(
        session,
        actor,
        batch_id=batch.id,
        drafts=[draft],
        purpose=Purpose.PERSONAL,
        channel=ChannelKind.EMAIL,
        account_id=account.id,
        now=now,
    )
    answer = client.post(f"/api/v1/messages/{made[ann]}/approve")
    assert (answer.status_code, answer.json["state"]) == (200, "approved")
    assert client.post(f"/api/v1/messages/{made[ann]}/approve").status_code == 409


@pytest.mark.parametrize(("outcome", "state"), [("arrived", "sent"), ("send_again", "scheduled")])
def test_an_uncertain_message_is_settled_by_a_person(client, session, written, outcome, state):
    session.execute(update(Message).where(Message.id == written["id"]).values(state="uncertain", reason="unknown"))
    url = f"/api/v1/messages/{written['id']}/resolve"
    assert client.post(url, json={"outcome": outcome}).json["state"] == state
    assert client.post(url, json={"outcome": outcome}).status_code == 409


def test_a_conversation_is_read_answered_and_closed(client, thread, ann):
    assert client.get("/api/v1/conversations?unanswered=true").json["items"][0]["contact_id"] == str(ann)
    answer = client.post(f"{thread}/reply", json={"body": "Ecco i prezzi."})
    assert (answer.status_code, answer.json["purpose"], answer.json["subject"]) == (201, "reply", "Re: Prezzi")
    assert [entry["body"] for entry in client.get(thread).json["thread"]] == ["Ecco i prezzi."]
    client.post(f"{thread}/reply", json={"body": "Il codice è AB-\\*, **solo** per te."})
    assert client.get(thread).json["thread"][-1]["body"] == "Il codice è AB-*, solo per te."
    assert client.post(f"{thread}/close").json["state"] == "closed"


def test_a_conversation_is_assigned_and_put_off(client, thread, actor, now):
    assert client.post(f"{thread}/assign", json={"assignee_id": str(actor.user_id)}).json["assignee_name"]
    stranger = client.post(f"{thread}/assign", json={"assignee_id": str(actor.workspace_id)})
    assert (stranger.status_code, list(stranger.json["errors"])) == (422, ["assignee_id"])
    until = (now + timedelta(days=3650)).isoformat()
    assert client.post(f"{thread}/snooze", json={"until": until}).json["state"] == "snoozed"
    assert client.post(f"{thread}/snooze", json={"until": "2020-01-01T00:00:00Z"}).status_code == 422


def test_another_house_sees_none_of_it(client, session, actor, other_actor, now):
    enter_workspace(session, other_actor.workspace_id)
    theirs = outreach.account(session, other_actor, now=now)
    person = outreach.person(session, other_actor, now=now)
    message = outreach.message(session, other_actor, person, now=now)
    conversation_id = message.conversation_id
    session.flush()
    enter_workspace(session, actor.workspace_id)
    assert client.get(f"/api/v1/sender-accounts/{theirs.id}").status_code == 404
    assert client.get(f"/api/v1/messages/{message.id}").status_code == 404
    assert client.post(f"/api/v1/messages/{message.id}/cancel").status_code == 404
    assert client.get(f"/api/v1/contacts/{person}/gate").status_code == 404
    for action in ("reply", "close"):
        answer = client.post(f"/api/v1/conversations/{conversation_id}/{action}", json={"body": "Hi"})
        assert answer.status_code == 404
