"""The pages of outreach: inbox, messages, compose, calendar, accounts, texts."""

import re
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from factories import outreach
from factories.contacts import contact
from sqlalchemy import func, select, update

from crm.accounts.kinds import Role
from crm.accounts.models import Membership, Workspace
from crm.channels.base import ChannelKind
from crm.consent.kinds import Purpose
from crm.db import database_now, enter_workspace
from crm.outreach import domain_pace, queries
from crm.outreach.kinds import MessageState
from crm.outreach.models import Conversation, Message, SenderAccount, Template
from crm.outreach.services import conversations

NOW_FORM = {"when": "now", "on": "", "at": ""}
PAST = {"when": "at", "on": "2020-01-01", "at": "10:00"}
#: A morning in the workspace's zone, some weeks after this run.
MORNING = (datetime.now(ZoneInfo("Europe/Rome")) + timedelta(days=50)).replace(
    hour=10, minute=30, second=0, microsecond=0
)
LATER = {"when": "at", "on": MORNING.date().isoformat(), "at": "10:30"}


@pytest.fixture
def account(session, actor, now):
    return outreach.account(session, actor, is_sandbox=True, now=now)


@pytest.fixture
def ann(session, actor, account, now):
    return outreach.person(session, actor, now=now)


@pytest.fixture
def planned(session, actor, ann, now):
    """A message that leaves in a far week."""
    return outreach.message(session, actor, ann, subject="Autumn", send_at=now + timedelta(days=300), now=now)


@pytest.fixture
def thread(session, actor, account, ann, now):
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
    return made


@pytest.fixture
def as_viewer(session, house):
    session.execute(update(Membership).where(Membership.user_id == house.user.id).values(role=Role.VIEWER))
    session.flush()


def state_of(session, message_id) -> str:
    return session.scalar(select(Message.state).where(Message.id == message_id))


def beside(page, name: str) -> str:
    """The error that stands beside the field `name`."""
    found = re.search(rf'id="{name}-error".*?<span>(.*?)</span>', page.text, re.DOTALL)
    assert found, page.text
    return found[1]


# --- Inbox


def test_the_inbox_is_empty_at_first_and_says_what_will_be_here(client):
    page = client.get("/inbox")
    assert page.status_code == 200
    assert "Everybody has an answer" in page.text


def test_the_inbox_shows_who_waits_and_opens_the_conversation(client, thread):
    assert "Ann Bo" in client.get("/inbox").text
    page = client.get(f"/inbox/{thread.id}")
    assert page.status_code == 200
    assert "Prezzi" in page.text


def test_an_answer_now_can_be_taken_back(client, session, thread, jobs):
    sent = client.post(f"/inbox/{thread.id}/reply", data={"body": "Ecco.", **NOW_FORM})
    assert sent.status_code == 303
    message = session.scalars(select(Message).where(Message.conversation_id == thread.id)).one()
    assert message.state == MessageState.SCHEDULED
    assert jobs.rung
    page = client.get(sent.location)
    assert f"/messages/{message.id}/take_back" in page.text
    assert "Ecco." in page.text
    assert client.post(f"/messages/{message.id}/take_back").status_code == 303
    assert state_of(session, message.id) == MessageState.CANCELLED
    assert client.post(f"/messages/{message.id}/take_back").status_code == 409


def test_an_answer_is_planned_for_a_time(client, session, thread):
    assert client.post(f"/inbox/{thread.id}/reply", data={"body": "Ecco.", **LATER}).status_code == 303
    message = session.scalars(select(Message).where(Message.conversation_id == thread.id)).one()
    assert message.planned_at == MORNING


@pytest.mark.parametrize("when", [PAST, {"when": "at", "on": "", "at": ""}])
def test_an_answer_for_no_possible_time_is_kept_and_told(client, session, thread, when):
    page = client.post(f"/inbox/{thread.id}/reply", data={"body": "My words", **when})
    assert page.status_code == 422
    assert "My words" in page.text
    assert "fd-field__error" in page.text
    assert not session.scalars(select(Message).where(Message.conversation_id == thread.id)).all()


def test_an_empty_answer_asks_for_words(client, thread):
    page = client.post(f"/inbox/{thread.id}/reply", data={"body": "", **NOW_FORM})
    assert page.status_code == 422
    assert "Write something." in page.text


@pytest.mark.parametrize(("action", "state"), [("close", "closed"), ("snooze", "snoozed"), ("reopen", "open")])
def test_a_conversation_changes_its_state(client, session, thread, action, state):
    assert client.post(f"/inbox/{thread.id}/{action}").status_code == 303
    assert session.scalar(select(Conversation.state).where(Conversation.id == thread.id)) == state


def test_a_conversation_is_handed_to_a_colleague_and_to_nobody_else(client, session, thread, house, workspace):
    url = f"/inbox/{thread.id}/assign"
    assert client.post(url, data={"assignee_id": str(house.user.id)}).status_code == 303
    assert session.scalar(select(Conversation.assignee_id).where(Conversation.id == thread.id)) == house.user.id
    assert client.post(url, data={"assignee_id": str(workspace.id)}).status_code == 404
    assert client.post(url, data={"assignee_id": "nonsense"}).status_code == 404
    assert client.post(url, data={"assignee_id": ""}).status_code == 303
    assert session.scalar(select(Conversation.assignee_id).where(Conversation.id == thread.id)) is None


def test_another_house_s_conversation_does_not_exist(client, session, actor, other_actor, now):
    enter_workspace(session, other_actor.workspace_id)
    outreach.account(session, other_actor, now=now)
    theirs = outreach.message(session, other_actor, outreach.person(session, other_actor, now=now), now=now)
    where = f"/inbox/{theirs.conversation_id}"
    enter_workspace(session, actor.workspace_id)
    assert client.get(where).status_code == 404
    assert client.post(f"{where}/reply", data={"body": "Hi", **NOW_FORM}).status_code == 404
    assert client.post(f"{where}/close").status_code == 404
    assert client.get(f"/messages/{theirs.id}").status_code == 404
    assert client.post(f"/messages/{theirs.id}/cancel").status_code == 404


# --- Compose


def test_compose_shows_the_verdict_and_sends(client, session, ann):
    assert "fd-notice" in client.get(f"/contacts/{ann}/write").text
    given = {"channel": "email", "purpose": "personal", "subject": "News", "body": "Ciao {{ contact.first_name }}"}
    sent = client.post(f"/contacts/{ann}/write", data={**given, **NOW_FORM})
    assert (sent.status_code, sent.location) == (303, f"/contacts/{ann}")
    message = session.scalars(select(Message).where(Message.contact_id == ann)).one()
    assert "Ciao Ann" in client.get(f"/messages/{message.id}").text


def test_a_time_in_the_past_is_told_beside_the_day(client, ann):
    given = {"channel": "email", "purpose": "personal", "subject": "News", "body": "Ciao", **PAST}
    page = client.post(f"/contacts/{ann}/write", data=given)
    assert page.status_code == 422
    assert "This time has passed" in beside(page, "on")


def test_a_value_that_is_missing_is_told_beside_the_text(client, ann):
    given = {"channel": "email", "purpose": "personal", "subject": "News", "body": "In {{ contact.city }}", **NOW_FORM}
    page = client.post(f"/contacts/{ann}/write", data=given)
    assert page.status_code == 422
    assert "missing" in beside(page, "body")


def test_a_blocked_promotion_says_why_and_keeps_the_words(client, session, actor, account, now):
    bo = contact(session, actor, "Bo Li", email="bo@example.com", now=now)
    given = {"channel": "email", "purpose": "promotional", "subject": "Offer", "body": "My words", **NOW_FORM}
    page = client.post(f"/contacts/{bo.id}/write", data=given)
    assert page.status_code == 422
    assert "There is no consent" in page.text
    assert "My words" in page.text


def test_somebody_without_an_address_can_not_be_written_to(client, session, actor, now):
    bo = contact(session, actor, "Bo Li", now=now)
    assert "There is no address yet" in client.get(f"/contacts/{bo.id}/write").text


# --- One message, and the outbox


@pytest.mark.parametrize("box", ["planned", "held", "uncertain", "sent", "refused"])
def test_every_box_of_the_outbox_opens(client, planned, box):
    assert client.get(f"/messages?box={box}").status_code == 200


def test_the_outbox_lists_what_is_planned_and_knows_its_boxes(client, planned):
    assert "Autumn" in client.get("/messages").text
    assert client.get("/messages?box=nonsense").status_code == 404


@pytest.mark.parametrize("state", list(MessageState))
def test_a_message_page_opens_in_every_state(client, session, planned, state):
    session.execute(update(Message).where(Message.id == planned.id).values(state=state))
    assert client.get(f"/messages/{planned.id}").status_code == 200


def test_a_planned_message_is_held_released_and_cancelled(client, session, planned):
    for action, state in (("hold", "held"), ("release", "scheduled"), ("cancel", "cancelled")):
        assert f"/messages/{planned.id}/{action}" in client.get(f"/messages/{planned.id}").text
        assert client.post(f"/messages/{planned.id}/{action}").status_code == 303
        assert state_of(session, planned.id) == state


@pytest.mark.parametrize(("action", "state"), [("arrived", "sent"), ("again", "scheduled")])
def test_an_uncertain_message_waits_for_a_decision(client, session, planned, action, state):
    session.execute(update(Message).where(Message.id == planned.id).values(state="uncertain", reason="unknown"))
    page = client.get(f"/messages/{planned.id}")
    assert "certain that this arrived" in page.text
    assert client.post(f"/messages/{planned.id}/{action}").status_code == 303
    assert state_of(session, planned.id) == state
    assert client.post(f"/messages/{planned.id}/{action}").status_code == 409


def test_a_message_moves_to_another_time(client, session, planned):
    assert client.get(f"/messages/{planned.id}/move").status_code == 200
    assert client.post(f"/messages/{planned.id}/move", data=LATER).status_code == 303
    due = session.scalar(select(Message.due_at).where(Message.id == planned.id))
    assert due == MORNING


def test_a_message_does_not_move_into_the_past(client, planned):
    page = client.post(f"/messages/{planned.id}/move", data=PAST)
    assert page.status_code == 422
    assert "This time has passed" in beside(page, "on")


@pytest.mark.parametrize(("answer", "state"), [("done", "sent"), ("not_done", "scheduled"), ("unsure", "uncertain")])
def test_a_message_by_hand_is_opened_and_settled(client, session, actor, now, answer, state):
    handles = [{"channel": "whatsapp", "address": "+39 333 1234567"}]
    bo = contact(session, actor, "Bo Li", handles=handles, now=now)
    given = {"channel": "whatsapp", "purpose": "personal", "subject": "", "body": "Ciao Bo", **NOW_FORM}
    sent = client.post(f"/contacts/{bo.id}/write", data=given)
    assert sent.status_code == 303
    assert "Send it by hand" in client.get(sent.location).text
    opened = client.post(f"{sent.location}/by-hand")
    assert opened.status_code == 200
    assert "https://wa.me/" in opened.text
    assert client.post(f"{sent.location}/by-hand/{answer}").status_code == 303
    assert state_of(session, sent.location.rpartition("/")[2]) == state


# --- Calendar and the crisis button


def test_the_calendar_shows_the_week_of_a_message(client, planned):
    assert client.get("/calendar").status_code == 200
    page = client.get(f"/calendar?from={planned.planned_at.date()}")
    assert "Ann Bo" in page.text
    assert client.get("/calendar?from=nonsense").status_code == 200


def test_one_button_stops_all_promotions_and_lets_them_go_again(client, session, workspace):
    assert client.post("/promotions/pause").status_code == 303
    assert "Promotions are paused" in client.get("/calendar").text
    assert client.post("/promotions/resume").status_code == 303
    assert session.scalar(select(Workspace.promotions_paused).where(Workspace.id == workspace.id)) is False


@pytest.mark.parametrize(("what", "reason"), [("promotions", "promotions_paused"), ("sending", "sending_paused")])
def test_the_buttons_of_the_settings_hold_and_give_back_what_was_due(client, session, actor, ann, now, what, reason):
    due = outreach.message(session, actor, ann, purpose=Purpose.PROMOTIONAL, now=now)
    session.execute(update(Message).where(Message.id == due.id).values(state="held", reason=reason, due_at=func.now()))
    settings = {"next": "/settings/workspace"}
    assert client.post(f"/{what}/pause", data=settings).location == "/settings/workspace"
    assert "Resume" in client.get("/settings/workspace").text
    assert state_of(session, due.id) == MessageState.HELD
    assert client.post(f"/{what}/resume", data={"next": "https://evil.example/"}).location == "/calendar"
    assert state_of(session, due.id) == MessageState.SCHEDULED
    assert "Resume" not in client.get("/settings/workspace").text


# --- Accounts and texts


def test_an_account_is_made_changed_paused_resumed_and_retired(client, session, actor):
    form = {"name": "Sales", "address": "s@lanterna.example", "port": "587", "security": "starttls", "signature": ""}
    made = client.post("/settings/channels/new", data={**form, "host": "mail.invalid", "password": "top-secret"})
    assert made.status_code == 303
    page = client.get(made.location)
    assert page.status_code == 200
    assert "top-secret" not in page.text + client.get(f"{made.location}/edit").text
    row = session.scalars(select(SenderAccount)).one()
    sealed = row.secret
    edited = client.post(f"{made.location}/edit", data={**form, "name": "Shop", "host": "mail.invalid"})
    assert edited.status_code == 303
    session.refresh(row)
    assert (row.name, row.secret) == ("Shop", sealed)
    assert client.post(f"{made.location}/check").status_code == 303
    assert "It did not work" in client.get(made.location).text
    for action, state in (("pause", "paused"), ("resume", "active")):
        assert client.post(f"{made.location}/{action}").status_code == 303
        session.refresh(row)
        assert row.state == state
    assert client.post(f"{made.location}/delete").status_code == 303
    assert queries.accounts(session, actor) == []
    assert client.get(made.location).status_code == 404


def test_a_mailbox_connected_in_the_first_run_leads_on_to_its_last_step(client):
    assert 'href="/settings/channels/new?setup=1"' in client.get("/setup/sender").text
    page = client.get("/settings/channels/new?setup=1").text
    assert 'action="/settings/channels/new?setup=1"' in page
    assert 'href="/setup/sender"' in page
    form = {"name": "Sales", "address": "s@lanterna.example", "port": "587", "security": "starttls"}
    refused = client.post("/settings/channels/new?setup=1", data=form)
    assert 'action="/settings/channels/new?setup=1"' in refused.text
    made = client.post("/settings/channels/new?setup=1", data={**form, "host": "mail.invalid"})
    assert 'href="/setup/people"' in client.get(made.location).text
    checked = client.post(f"{made.location.replace('?setup=1', '/check?setup=1')}")
    assert 'href="/setup/people"' in client.get(checked.location).text
    assert "/setup/people" not in client.get(made.location.removesuffix("?setup=1")).text


def test_a_new_account_speaks_of_no_password_to_keep(client, account):
    kept = "Leave empty to keep"
    assert kept not in client.get("/settings/channels/new").text
    assert kept in client.get(f"/settings/channels/{account.id}/edit").text


def test_an_account_needs_a_server_or_the_sandbox(client):
    form = {"name": "Sales", "address": "s@lanterna.example", "port": "587", "security": "starttls"}
    page = client.post("/settings/channels/new", data=form)
    assert page.status_code == 422
    assert "Choose the provider, or write the name of the mail server." in page.text
    bent = client.post("/settings/channels/new", data={**form, "address": "sales"})
    assert beside(bent, "host")
    assert "An e-mail address needs an @" in beside(bent, "address")
    assert client.post("/settings/channels/new", data={**form, "is_sandbox": "y"}).status_code == 303


@pytest.mark.parametrize(
    ("field", "value"), [("per_minute", "0"), ("per_hour", "-1"), ("per_day", "0"), ("per_domain", "0")]
)
def test_a_cap_that_would_let_nothing_leave_is_told_beside_its_field(client, field, value):
    form = {"name": "Sales", "address": "s@lanterna.example", "is_sandbox": "y", "port": "587", field: value}
    page = client.post("/settings/channels/new", data=form)
    assert page.status_code == 422
    assert "between 1 and" in beside(page, field)


def test_a_zone_that_does_not_exist_is_told_beside_its_field(client):
    form = {"name": "Sales", "address": "s@lanterna.example", "is_sandbox": "y", "port": "587"}
    page = client.post("/settings/channels/new", data={**form, "time_zone": "Mars/Olympus"})
    assert page.status_code == 422
    assert beside(page, "time_zone")


def test_an_account_keeps_its_zone_and_shows_which_domains_are_slow(client, session, account):
    account.time_zone, account.per_domain = "UTC", 7
    session.flush()
    now = database_now(session)
    domain_pace.slow_down(session, account_id=account.id, codes={"slow.example": "rcpt_421 4.7.28"}, now=now)
    url = f"/settings/channels/{account.id}"
    assert "slow.example" in client.get(url).text
    assert '<option selected value="UTC">' in client.get(f"{url}/edit").text
    form = {"name": "S", "address": "s@lanterna.example", "is_sandbox": "y", "port": "587", "security": "none"}
    assert client.post(f"{url}/edit", data={**form, "time_zone": "UTC", "per_domain": "9"}).status_code == 303
    session.refresh(account)
    assert (account.time_zone, account.per_domain) == ("UTC", 9)


def test_the_first_run_offers_a_mailbox_and_makes_one_sandbox(client, session, actor):
    for _time in range(2):
        made = client.post("/settings/channels/sandbox")
        assert (made.status_code, made.location) == (303, "/setup/people")
    assert [row.is_sandbox for row in queries.accounts(session, actor)] == [True]
    assert "/settings/channels/new" in client.get("/setup/sender").text


def test_a_text_is_written_changed_and_removed(client, session):
    form = {"name": "Greeting", "purpose": "personal", "channel": "email", "language": "en", "subject": "Hi"}
    body = "Hello {{ contact.first_name }}"
    assert client.post("/settings/templates/new", data={**form, "body": body}).status_code == 303
    row = session.scalars(select(Template)).one()
    url = f"/settings/templates/{row.id}"
    assert "Hello {{ contact.first_name }}" in client.get(url).text
    assert client.post(url, data={**form, "name": "Salute", "body": body}).status_code == 303
    assert "Salute" in client.get("/settings/templates").text
    assert client.post(f"{url}/delete").status_code == 303
    assert client.get(url).status_code == 404


def test_a_mistake_in_a_text_is_told_beside_it(client, session):
    form = {"name": "Greeting", "purpose": "personal", "channel": "email", "language": "en", "subject": ""}
    page = client.post("/settings/templates/new", data={**form, "body": "Hello {{ contact.first_name"})
    assert page.status_code == 422
    assert beside(page, "body")
    assert not session.scalars(select(Template)).all()


# --- Those who only look


def test_a_viewer_reads_but_writes_nothing(client, session, ann, thread, planned, as_viewer):
    assert client.get("/calendar").status_code == 200
    assert client.get(f"/contacts/{ann}/write").status_code == 403
    for url in (
        f"/contacts/{ann}/write",
        f"/inbox/{thread.id}/reply",
        f"/inbox/{thread.id}/close",
        f"/messages/{planned.id}/cancel",
        f"/messages/{planned.id}/move",
        "/promotions/pause",
        "/sending/pause",
        "/settings/channels/new",
        "/settings/templates/new",
    ):
        assert client.post(url, data={"body": "Hi", **NOW_FORM}).status_code == 403, url
    assert state_of(session, planned.id) == MessageState.SCHEDULED
