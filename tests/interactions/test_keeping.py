"""Keeping in touch: who is due, what restarts the days and what doesn't, and the pages of warmth."""

from datetime import UTC, datetime, timedelta

import pytest
from factories.contacts import contact, interaction
from hypothesis import given
from hypothesis import strategies as st

from crm.accounts.models import Workspace
from crm.contacts import services as people
from crm.contacts.kinds import Importance
from crm.contacts.queries import ContactNotFoundError
from crm.db import database_now, enter_workspace
from crm.desk.queue import Kind, queue
from crm.errors import InvalidInputError
from crm.interactions import services as timeline
from crm.interactions.kinds import Direction, Visibility
from crm.interactions.queries import keeping as queries
from crm.interactions.rules.cadence import due_at
from crm.interactions.services import keeping as services
from crm.interactions.services.keeping import CadenceInput, CadenceSettings, PauseInput
from crm.lifecycle.kinds import BulkField
from crm.lifecycle.services.bulk_edit import BulkChange, Chosen, bulk_edit

DAY = timedelta(days=1)


def due(session, actor, person):
    session.expire_all()
    return queries.rhythm_of(session, actor, contact_id=person.id).due_at


@pytest.fixture
def ann(session, actor, now):
    person = contact(session, actor, now=now - 400 * DAY)
    services.set_days(session, actor, contact_id=person.id, data=CadenceInput(days=30), now=now - 100 * DAY)
    return person


def test_without_any_contact_the_days_count_from_the_beginning(session, actor, ann, now):
    assert due(session, actor, ann) == now - 70 * DAY


@pytest.mark.parametrize(
    ("kind", "direction", "restarts"),
    [
        ("call", Direction.OUTBOUND, True),
        ("call", Direction.INBOUND, True),
        ("meeting", Direction.NONE, True),
        ("visit", Direction.INBOUND, True),
        ("message.received", Direction.INBOUND, True),
        ("comment", Direction.INBOUND, True),
        ("mention", Direction.INBOUND, True),
        ("comment", Direction.OUTBOUND, False),
        ("like", Direction.INBOUND, False),
        ("note", Direction.NONE, False),
        ("field.changed", Direction.NONE, False),
        ("purchase", Direction.INBOUND, False),
    ],
)
def test_what_restarts_the_days(session, actor, ann, now, kind, direction, restarts):
    interaction(session, actor, ann.id, kind, direction=direction, happened_at=now - 50 * DAY, now=now)
    assert (due(session, actor, ann) == now - 20 * DAY) is restarts


def test_a_message_of_ours_gives_a_week_and_one_of_a_machine_nothing(session, actor, ann, now):
    interaction(session, actor, ann.id, "message.sent", is_automatic=True, happened_at=now, now=now)
    assert due(session, actor, ann) == now - 70 * DAY
    interaction(session, actor, ann.id, "message.sent", happened_at=now, now=now)
    assert due(session, actor, ann) == now + 7 * DAY
    interaction(session, actor, ann.id, "message.received", is_automatic=True, happened_at=now, now=now)
    assert due(session, actor, ann) == now + 7 * DAY


def test_the_past_moves_nothing_and_a_removed_entry_takes_its_days_back(session, actor, ann, now):
    row = interaction(session, actor, ann.id, "call", happened_at=now - 2 * DAY, now=now)
    interaction(session, actor, ann.id, "call", happened_at=now - 50 * DAY, now=now)
    interaction(session, actor, ann.id, "call", happened_at=now, now=now, visibility=Visibility.PRIVATE)
    assert due(session, actor, ann) == now + 28 * DAY
    timeline.remove(session, actor, interaction_id=row.id, now=now)
    assert due(session, actor, ann) == now - 20 * DAY


def test_importance_gives_the_rhythm_and_ones_own_number_wins(session, actor, now):
    key = contact(session, actor, "Key One", importance=Importance.KEY, now=now - 90 * DAY)
    own = contact(session, actor, "Own Two", importance=Importance.KEY, now=now - 90 * DAY)
    never = contact(session, actor, "Never Three", importance=Importance.KEY, now=now - 90 * DAY)
    plain = contact(session, actor, "Plain Four", now=now - 90 * DAY)
    services.set_days(session, actor, contact_id=own.id, data=CadenceInput(days=5), now=now)
    services.set_days(session, actor, contact_id=never.id, data=CadenceInput(days=0), now=now)
    services.follow_importance(session, actor, now=now)
    assert due(session, actor, key) == now - 60 * DAY
    assert due(session, actor, own) == now - 85 * DAY
    assert due(session, actor, never) is due(session, actor, plain) is None
    services.change_settings(session, actor, data=CadenceSettings(key_days=10, normal_days=60), now=now)
    assert due(session, actor, key) == now - 80 * DAY
    assert due(session, actor, plain) == now - 30 * DAY
    assert due(session, actor, own) == now - 85 * DAY
    people.update(session, actor, contact_id=key.id, changes={"importance": "high"}, now=now)
    services.follow_importance(session, actor, now=now)
    assert due(session, actor, key) is None


def test_paused_with_a_reason_resumed_and_put_off(session, actor, ann, now):
    services.pause(session, actor, contact_id=ann.id, data=PauseInput(reason="On leave"), now=now)
    assert due(session, actor, ann) is None
    interaction(session, actor, ann.id, "call", happened_at=now - 20 * DAY, now=now)
    assert due(session, actor, ann) is None
    services.resume(session, actor, contact_id=ann.id, now=now)
    assert due(session, actor, ann) == now + 10 * DAY
    services.snooze(session, actor, contact_id=ann.id, until=now + 40 * DAY, now=now)
    assert due(session, actor, ann) == now + 40 * DAY
    with pytest.raises(InvalidInputError):
        services.snooze(session, actor, contact_id=ann.id, until=now, now=now)


moments = st.none() | st.integers(0, 400).map(lambda days: datetime(2026, 1, 1, tzinfo=UTC) + days * DAY)


@given(days=st.integers(1, 200), two_way=moments, wrote=moments, snoozed=moments)
def test_nobody_is_due_before_their_days_their_week_or_their_snooze(days, two_way, wrote, snoozed):
    began = datetime(2026, 1, 1, tzinfo=UTC)
    given = {"days": days, "began_at": began, "two_way_at": two_way, "wrote_at": wrote, "snoozed_until": snoozed}
    found = due_at(**given, is_paused=False)
    assert found >= (two_way or began) + days * DAY
    assert wrote is None or found >= wrote + min(7, days) * DAY
    assert snoozed is None or found >= snoozed
    assert due_at(**given, is_paused=True) is None


def test_another_workspace_has_no_rhythm_here(session, actor, other_actor, ann):
    enter_workspace(session, other_actor.workspace_id)
    with pytest.raises(ContactNotFoundError):
        queries.rhythm_of(session, other_actor, contact_id=ann.id)


def test_the_pages_of_a_rhythm(client, session, actor):
    now = database_now(session)
    person = contact(session, actor, now=now)
    url = f"/contacts/{person.id}/keep-in-touch"
    assert client.post(url, data={"mode": "own", "days": ""}).status_code == 422
    assert client.post(url, data={"mode": "own", "days": "14"}).status_code == 303
    assert "every 14 days" in client.get(f"/contacts/{person.id}").text
    assert client.post(f"{url}/pause", data={"reason": "On leave"}).status_code == 303
    assert "On leave" in client.get(url).text
    assert client.post(f"{url}/resume").status_code == 303
    assert client.post(f"{url}/later", data={"until": "2001-01-01"}).status_code == 422
    assert client.post(f"{url}/later").status_code == 303
    assert client.post("/settings/keep-in-touch", data={"key_days": "20"}).status_code == 303
    session.expire_all()
    house = session.get_one(Workspace, actor.workspace_id)
    assert (house.cadence_key_days, house.cadence_high_days) == (20, None)


def test_warmth_is_shown_with_its_arithmetic_and_over_time(client, session, actor):
    now = database_now(session)
    person = contact(session, actor, now=now)
    assert "no exchange yet" in client.get(f"/contacts/{person.id}").text
    assert "No exchange yet" in client.get(f"/contacts/{person.id}/warmth").text
    interaction(session, actor, person.id, "meeting", happened_at=now, now=now)
    page = client.get(f"/contacts/{person.id}").text
    assert "Warmth 51" in page
    assert "1 exchange in 90 days" in page
    assert '<td class="fd-num">51</td>' in client.get(f"/contacts/{person.id}/warmth").text


def test_the_api_of_rhythm_and_warmth(client, session, actor):
    now = database_now(session)
    person = contact(session, actor, now=now)
    url = f"/api/v1/contacts/{person.id}"
    assert client.get(f"{url}/cadence").json["days"] is None
    assert client.put(f"{url}/cadence", json={"days": 14}).json["own_days"] == 14
    assert client.post(f"{url}/cadence/pause", json={"reason": "leave"}).json["due_at"] is None
    assert client.post(f"{url}/cadence/resume").json["paused_at"] is None
    assert client.post(f"{url}/cadence/snooze", json={"until": "2099-01-01T09:00:00Z"}).json["due_at"][:4] == "2099"
    assert client.put(f"{url}/cadence", json={"days": -1}).status_code == 422
    assert client.get(f"{url}/warmth").json["score"] == 0
    interaction(session, actor, person.id, "meeting", happened_at=now, now=now)
    assert client.get(f"{url}/warmth").json["score"] == 51


def test_a_changed_importance_acts_at_once_on_rhythm_and_queue(session, actor, now):
    """Nobody waits for the clock: the rhythm is there in the transaction that made the person important."""
    person = contact(session, actor, "Zeno Zanotti", owner_id=actor.user_id, now=now - 100 * DAY)
    assert queries.rhythm_of(session, actor, contact_id=person.id).days is None
    assert queue(session, actor, is_mine=True, now=now)[Kind.CADENCE] == []

    people.update(session, actor, contact_id=person.id, changes={"importance": "key"}, now=now)

    assert due(session, actor, person) == now - 70 * DAY
    (row,) = queue(session, actor, is_mine=True, now=now)[Kind.CADENCE]
    assert (row.contact_id, row.is_key, row.count) == (person.id, True, 30)
    people.update(session, actor, contact_id=person.id, changes={"importance": "high"}, now=now)
    assert due(session, actor, person) == now - 10 * DAY
    people.update(session, actor, contact_id=person.id, changes={"importance": "normal"}, now=now)
    assert due(session, actor, person) is None
    assert queue(session, actor, is_mine=True, now=now)[Kind.CADENCE] == []


def test_who_is_typed_in_as_important_has_a_rhythm_from_the_first_moment(session, actor, now):
    key = contact(session, actor, importance=Importance.KEY, now=now)
    assert due(session, actor, key) == now + 30 * DAY


def test_the_importance_of_many_acts_at_once_too(session, actor, now):
    chosen = [contact(session, actor, f"Person {n}", now=now - 100 * DAY).id for n in range(3)]
    change = BulkChange(field=BulkField.IMPORTANCE, value="key")
    bulk_edit(session, actor, chosen=Chosen(contact_ids=chosen), change=change, now=now)
    rhythms = [queries.rhythm_of(session, actor, contact_id=key) for key in chosen]
    assert [(rhythm.days, rhythm.due_at) for rhythm in rhythms] == [(30, now - 70 * DAY)] * 3
