"""Calling a colleague in a note, and handing a person over: told to those who may know, nobody else."""

from dataclasses import replace
from datetime import date

import pytest
from factories.accounts import user
from factories.contacts import contact, interaction
from sqlalchemy import select

from crm.accounts.kinds import Role
from crm.accounts.models import Membership, Notification
from crm.contacts.inputs import parsed
from crm.db import new_id
from crm.errors import ForbiddenError, InvalidInputError
from crm.interactions import queries, services
from crm.interactions.kinds import Visibility
from crm.interactions.mentions import mentioned
from crm.interactions.services import HandOverInput

ANNA, ANNALISA, PIERO = new_id(), new_id(), new_id()
NAMES = {ANNA: "Anna Bo", ANNALISA: "Annalisa Re", PIERO: "Piérò De' Santi"}


@pytest.mark.parametrize(
    ("text", "called"),
    [
        ("@anna bo, please", {ANNA}),
        ("(@ANNA)", {ANNA}),
        ("@annalisa!", {ANNALISA}),
        ("@Piero de' santi", {PIERO}),
        ("info@anna.example", set()),
        ("anna bo", set()),
        ("@ann", set()),
        ("@anna and @piero", {ANNA, PIERO}),
        ("@", set()),
    ],
)
def test_a_colleague_is_called_by_their_name(text, called):
    assert mentioned(text, NAMES) == called


def test_a_first_name_that_two_have_calls_neither():
    assert mentioned("@anna", {ANNA: "Anna Bo", ANNALISA: "Anna Re"}) == set()
    assert mentioned("@anna re", {ANNA: "Anna Bo", ANNALISA: "Anna Re"}) == {ANNALISA}


@pytest.fixture
def ann(session, actor):
    return contact(session, actor)


@pytest.fixture
def member(session):
    def member(name, role=Role.SALES):
        row = user(session)
        row.name = name
        session.add(Membership(user_id=row.id, role=role))
        session.flush()
        return row

    return member


def bells(session, kind="note.mentioned"):
    return {row.user_id for row in session.scalars(select(Notification).where(Notification.kind == kind))}


def test_who_is_called_in_a_note_is_told_once(session, actor, ann, member, now):
    marco = member("Marco Bini")
    row = interaction(session, actor, ann.id, "note", body="Ask @Marco")
    services.tell_mentioned(session, actor, row=row, body="Ask @Marco", now=now)
    assert bells(session) == {marco.id}
    services.edit_text(session, actor, interaction_id=row.id, body="Do ask @Marco", now=now)
    assert len(session.scalars(select(Notification)).all()) == 1


def test_who_may_not_see_the_person_is_not_told(session, actor, ann, member, now):
    member("Tina Till", Role.TILL)
    marco = member("Marco Bini")
    private = interaction(session, actor, ann.id, "note", body="@Marco", visibility=Visibility.PRIVATE)
    services.tell_mentioned(session, actor, row=private, body="@Marco", now=now)
    row = interaction(session, actor, ann.id, "note", body="@Tina")
    services.tell_mentioned(session, actor, row=row, body="@Tina @Giulia", now=now)
    ann.restricted = True
    ann.owner_id = actor.user_id
    session.flush()
    services.tell_mentioned(session, actor, row=row, body="@Marco", now=now)
    assert bells(session) == set()
    assert marco.id not in bells(session)


def test_a_note_on_the_page_and_through_the_api_calls_them(client, session, ann, member):
    marco = member("Marco Bini")
    assert "Marco Bini" in client.get("/interactions/colleagues").json
    client.post(f"/contacts/{ann.id}/log", data={"mode": "note", "body": "@marco bini?"})
    assert bells(session) == {marco.id}
    given = {"kind": "note", "contact_id": str(ann.id), "body": "@marco"}
    client.post("/api/v1/interactions", json=given)
    rows = session.scalars(select(Notification)).all()
    assert len(rows) == 2
    assert "data-mentions" in client.get(f"/contacts/{ann.id}").text


def test_handing_over_gives_owner_note_task_and_bell_at_once(client, session, actor, ann, member):
    marco = member("Marco Bini")
    page = client.get(f"/contacts/{ann.id}/hand-over").text
    assert "Get in touch with Ann Bo" in page
    given = {"owner_id": str(marco.id), "note": "Loves Faenza", "task": "Call her", "due_on": "2026-12-01"}
    assert client.post(f"/contacts/{ann.id}/hand-over", data=given).status_code == 303
    session.expire_all()
    assert ann.owner_id == marco.id
    assert [one.body for one in queries.timeline(session, actor, contact_id=ann.id).items] == ["Loves Faenza"]
    (task,) = queries.tasks_of(session, actor, contact_id=ann.id)
    assert (task.title, task.due_on, task.assignee_id) == ("Call her", date(2026, 12, 1), marco.id)
    assert bells(session, "contact.handed_over") == {marco.id}


@pytest.mark.parametrize("given", [{}, {"owner_id": "x"}, {"task": ""}])
def test_what_can_not_be_handed_over_changes_nothing(client, session, actor, ann, given):
    data = {"owner_id": str(actor.user_id), "task": "Call", **given}
    ann.owner_id = actor.user_id
    session.flush()
    assert client.post(f"/contacts/{ann.id}/hand-over", data=data).status_code == 422
    assert queries.tasks_of(session, actor, contact_id=ann.id) == []


def test_one_hands_over_what_is_ones_own_or_nobodys(session, actor, ann, member, now):
    marco, cora = member("Marco Bini"), member("Cora Sun", Role.COMMUNITY)
    community = replace(actor, role=Role.COMMUNITY, user_id=cora.id)
    ann.owner_id = actor.user_id
    session.flush()
    data = parsed(HandOverInput, {"owner_id": marco.id, "task": "Call"})
    with pytest.raises(ForbiddenError):
        services.hand_over(session, community, contact_id=ann.id, data=data, now=now)
    ann.owner_id = cora.id
    session.flush()
    services.hand_over(session, community, contact_id=ann.id, data=data, now=now)
    assert ann.owner_id == marco.id
    with pytest.raises(InvalidInputError):
        services.hand_over(session, actor, contact_id=ann.id, data=data, now=now)
