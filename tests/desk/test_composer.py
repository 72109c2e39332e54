"""The composer of a person's page: a message written in place, with and without script."""

from datetime import UTC, datetime, timedelta

import pytest
from factories import loyalty, outreach
from factories.contacts import consent, contact
from sqlalchemy import select, update

from crm.accounts.kinds import Role
from crm.accounts.models import Membership
from crm.consent.kinds import Purpose
from crm.db import database_now, enter_workspace
from crm.loyalty.models import Voucher
from crm.outreach import services
from crm.outreach.models import Message, MessageText

HTMX = {"HX-Request": "true"}
FAR = (datetime.now(UTC) + timedelta(days=90)).date().isoformat()
WRITTEN = {"channel": "email", "purpose": "personal", "subject": "News", "body": "Ciao {{ contact.first_name }}"}
NOW = {**WRITTEN, "when": "now"}


@pytest.fixture
def now(session):
    """Pages ask the database for the time."""
    return database_now(session)


@pytest.fixture
def account(session, actor, now):
    return outreach.account(session, actor, is_sandbox=True, now=now)


@pytest.fixture
def ann(session, actor, account, now):
    handles = [
        {"channel": "email", "address": "ann@example.com", "is_primary": True},
        {"channel": "whatsapp", "address": "+39 333 1234567"},
    ]
    made = contact(session, actor, "Ann Bo", handles=handles, now=now)
    consent(session, actor, made.id, happened_at=now, now=now)
    return made.id


@pytest.fixture
def as_viewer(session, house):
    session.execute(update(Membership).where(Membership.user_id == house.user.id).values(role=Role.VIEWER))
    session.flush()


def composer(client, ann, **given):
    return client.post(f"/contacts/{ann}/composer", data={"to": "message", **given}, headers=HTMX)


def way(page, channel):
    """The line of a channel, with what the gate says."""
    start = page.text.index(f'name="channel" value="{channel}"')
    return page.text[start : page.text.index("</label>", start)]


def messages(session, contact_id):
    return session.scalars(select(Message).where(Message.contact_id == contact_id)).all()


def test_the_page_offers_the_message_beside_note_call_and_meeting(client, ann):
    page = client.get(f"/contacts/{ann}").text
    assert f'hx-post="/contacts/{ann}/composer"' in page
    assert 'data-hotkey="m"' in page
    assert f'href="/contacts/{ann}/write"' in page


def test_the_composer_says_of_each_channel_what_the_gate_says(client, ann):
    page = composer(client, ann, purpose="promotional")
    assert page.status_code == 200
    assert "<html" not in page.text
    assert "fd-bad" not in way(page, "email")
    assert "There is no consent" in way(page, "whatsapp")


def test_the_gate_is_asked_about_the_chosen_purpose(client, ann):
    assert "fd-bad" in way(composer(client, ann, purpose="promotional"), "whatsapp")
    assert "fd-bad" not in way(composer(client, ann, purpose="personal"), "whatsapp")


def test_what_was_typed_stays_when_the_mode_changes(client, ann):
    page = composer(client, ann, body="They will decide on Monday")
    assert "They will decide on Monday" in page.text
    back = client.post(f"/contacts/{ann}/composer", data={"to": "note", "body": "Half a text"}, headers=HTMX)
    assert "Half a text</textarea>" in back.text
    assert f'action="/contacts/{ann}/log"' in back.text


def test_a_message_stands_on_the_timeline_at_once(client, session, ann, jobs):
    sent = client.post(f"/contacts/{ann}/message", data=NOW, headers=HTMX)
    assert sent.status_code == 200
    assert [row.state for row in messages(session, ann)] == ["scheduled"]
    assert 'id="story"' in sent.text
    assert "will write “News”" in sent.text
    assert "It leaves in some seconds." in sent.text
    assert f"/take_back?back=/contacts/{ann}" in sent.text
    assert jobs.rung


def test_taking_it_back_leads_to_the_person(client, session, ann):
    client.post(f"/contacts/{ann}/message", data=NOW, headers=HTMX)
    (message,) = messages(session, ann)
    back = client.post(f"/messages/{message.id}/take_back?back=/contacts/{ann}")
    assert (back.status_code, back.location) == (303, f"/contacts/{ann}")
    session.refresh(message)
    assert message.state == "cancelled"


def test_taking_it_back_leads_nowhere_else(client, session, ann):
    client.post(f"/contacts/{ann}/message", data=NOW, headers=HTMX)
    (message,) = messages(session, ann)
    back = client.post(f"/messages/{message.id}/take_back?back=//elsewhere.example")
    assert back.location == f"/messages/{message.id}"


def test_without_script_the_page_comes_back(client, session, ann):
    page = client.post(f"/contacts/{ann}/composer", data={"to": "message", "body": "Hello"})
    assert "<html" in page.text
    assert 'name="channel" value="email"' in page.text
    sent = client.post(f"/contacts/{ann}/message", data=NOW)
    assert (sent.status_code, sent.location) == (303, f"/contacts/{ann}")
    assert len(messages(session, ann)) == 1


def test_a_refused_message_keeps_every_word(client, session, ann):
    given = {**WRITTEN, "subject": "", "when": "at", "on": "2020-01-01", "at": "10:00"}
    page = client.post(f"/contacts/{ann}/message", data=given, headers=HTMX)
    assert page.status_code == 422
    assert "This time has passed" in page.text
    assert 'value="2020-01-01"' in page.text
    assert "Ciao {{ contact.first_name }}" in page.text
    assert messages(session, ann) == []


def test_an_empty_subject_is_told_beside_it(client, ann):
    page = client.post(f"/contacts/{ann}/message", data={**NOW, "subject": ""}, headers=HTMX)
    assert 'aria-describedby="subject-error"' in page.text
    assert "Write a subject." in page.text


def test_a_channel_that_this_person_lacks_falls_back(client, ann):
    page = composer(client, ann, channel="telegram", purpose="nonsense")
    assert " checked" in way(page, "email")


def test_a_text_to_start_from_reads_as_it_will_for_this_person(client, session, actor, ann, now):
    data = services.TemplateInput(
        name="Hello", purpose=Purpose.PERSONAL, subject="For {{ contact.first_name }}", body="Dear {{ contact.name }},"
    )
    made = services.create_template(session, actor, data=data, now=now)
    page = composer(client, ann, template_id=str(made.id))
    assert 'value="For Ann"' in page.text
    assert "Dear Ann Bo,</textarea>" in page.text
    behind = composer(client, ann, template_id=str(made.id), body="My own words")
    assert "My own words\n\nDear Ann Bo,</textarea>" in behind.text


def test_an_offer_puts_a_personal_code_into_the_text(client, session, actor, ann, now):
    offer = loyalty.offer(session, actor, now=now)
    page = composer(client, ann, offer_id=str(offer.id), body="Dear Ann")
    assert "{{ voucher.code }}</textarea>" in page.text
    given = {**NOW, "body": "Your code: {{ voucher.code }}", "offer_id": str(offer.id)}
    assert client.post(f"/contacts/{ann}/message", data=given, headers=HTMX).status_code == 200
    (message,) = messages(session, ann)
    voucher = session.scalars(select(Voucher).where(Voucher.contact_id == ann)).one()
    body = session.scalar(select(MessageText.body).where(MessageText.message_id == message.id))
    assert (message.voucher_id, voucher.state) == (voucher.id, "allocated")
    assert body.replace("-", "") == f"Your code: {voucher.code}"


def test_an_offer_without_a_place_for_its_code_is_told_beside_the_text(client, session, actor, ann, now):
    offer = loyalty.offer(session, actor, now=now)
    given = {**NOW, "body": "No code here", "offer_id": str(offer.id)}
    page = client.post(f"/contacts/{ann}/message", data=given, headers=HTMX)
    assert page.status_code == 422
    assert "no place for the code" in page.text


def test_a_message_for_the_hand_is_ready_at_once(client, session, ann):
    given = {**NOW, "channel": "whatsapp", "subject": "", "body": "Ciao Ann"}
    page = client.post(f"/contacts/{ann}/message", data=given, headers=HTMX)
    (message,) = messages(session, ann)
    assert "https://wa.me/" in page.text
    assert f'action="/messages/{message.id}/by-hand/done"' in page.text
    done = client.post(f"/messages/{message.id}/by-hand/done")
    assert done.location == f"/contacts/{ann}"
    session.refresh(message)
    assert message.state == "sent"


def test_a_message_for_the_hand_at_a_time_waits(client, session, ann):
    given = {**WRITTEN, "channel": "whatsapp", "when": "at", "on": FAR, "at": "10:30"}
    page = client.post(f"/contacts/{ann}/message", data=given, headers=HTMX)
    assert page.status_code == 200
    assert "https://wa.me/" not in page.text
    assert [row.state for row in messages(session, ann)] == ["scheduled"]


def test_the_account_can_be_chosen_where_there_are_several(client, session, actor, ann, account, now):
    assert 'name="account_id"' not in composer(client, ann).text
    other = outreach.account(session, actor, "Second", address="second@lanterna.example.com", is_sandbox=True, now=now)
    assert 'name="account_id"' in composer(client, ann).text
    client.post(f"/contacts/{ann}/message", data={**NOW, "account_id": str(other.id)}, headers=HTMX)
    (message,) = messages(session, ann)
    assert message.account_id == other.id


def test_somebody_without_an_address_gets_the_first_step(client, session, actor, now):
    bo = contact(session, actor, "Bo Li", now=now)
    page = composer(client, bo.id)
    assert "There is no address yet" in page.text
    assert client.post(f"/contacts/{bo.id}/message", data=NOW, headers=HTMX).status_code == 422


def test_the_story_is_a_part_for_htmx_and_a_page_without(client, session, actor, ann, now):
    outreach.message(session, actor, ann, subject="Autumn", now=now)
    part = client.get(f"/contacts/{ann}/story", headers=HTMX).text
    assert "Autumn" in part
    assert "<html" not in part
    assert "<html" in client.get(f"/contacts/{ann}/story").text


@pytest.mark.usefixtures("as_viewer")
def test_who_only_looks_writes_nothing(client, session, ann):
    assert composer(client, ann).status_code == 403
    assert client.post(f"/contacts/{ann}/message", data=NOW, headers=HTMX).status_code == 403
    assert messages(session, ann) == []


def test_people_of_other_workspaces_are_not_there(client, session, actor, other_actor, now):
    enter_workspace(session, other_actor.workspace_id)
    theirs = contact(session, other_actor, "Zed", email="zed@example.com", now=now).id
    enter_workspace(session, actor.workspace_id)
    assert composer(client, theirs).status_code == 404
    assert client.post(f"/contacts/{theirs}/message", data=NOW, headers=HTMX).status_code == 404
    assert client.get(f"/contacts/{theirs}/story").status_code == 404
