"""The list of people shows own fields and warmth as columns, and is ordered by warmth and by who was heard last."""

import json
import re
from datetime import timedelta

import pytest
from factories.contacts import contact, interaction
from sqlalchemy import select, update

from crm.accounts.kinds import Role
from crm.accounts.models import Membership
from crm.contacts import queries, services
from crm.contacts.custom_inputs import CustomFieldInput
from crm.contacts.kinds import CustomSubject, Lifecycle
from crm.contacts.queries import ContactFilter
from crm.contacts.view_models import SavedView
from crm.db import database_now
from crm.interactions.kinds import Direction
from crm.interactions.queries import keeping


@pytest.fixture
def now(session):
    """Pages ask the database for the time."""
    return database_now(session)


@pytest.fixture
def fields(session, actor, now):
    """Ann has a budget of 1,250.50 and was brought by Bo, who has nothing."""
    for label, kind in (("Budget", "money"), ("Brought by", "contact")):
        data = CustomFieldInput.model_validate({"label": label, "type": kind})
        services.create_custom_field(session, actor, data=data, now=now)
    ann, bo = contact(session, actor, "Ann Bo", now=now), contact(session, actor, "Bo Li", now=now)
    values = {"budget": "1250,50", "brought_by": str(bo.id)}
    services.set_custom_values(session, actor, contact_id=ann.id, values=values, now=now)
    return ann, bo


def names(page):
    return re.findall(r'fd-personcell__name">([^<]+?)\s*<', page.text)


def heads(page):
    return [head.strip() for head in re.findall(r"<th[^>]*>(?:<[^>]+>)?([^<]+)", page.text)]


def warm(session, actor, person, times, now):
    for days in range(times):
        for direction in (Direction.INBOUND, Direction.OUTBOUND):
            at = now - timedelta(days=days + 1)
            interaction(session, actor, person.id, "message.sent", happened_at=at, now=now, direction=direction)


def test_own_fields_are_columns_that_a_reader_chooses(client, fields):
    page = client.get("/contacts")
    assert "Budget" not in heads(page)
    assert '<input type="checkbox" name="column" value="custom.budget">' in page.text
    client.post("/contacts/columns", data={"column": ["custom.brought_by", "custom.budget", "custom.gone", "city"]})
    page = client.get("/contacts")
    assert heads(page)[-3:] == ["City", "Budget", "Brought by"]
    assert '<td class="fd-not-phone fd-num">€1,250.50</td>' in page.text
    assert f'<a class="fd-link" href="/contacts/{fields[1].id}">Bo Li</a>' in page.text


def test_a_column_of_an_archived_field_goes_and_comes_back(session, actor, client, fields, now):
    client.post("/contacts/columns", data={"column": ["custom.budget"]})
    field = queries.custom_fields(session, actor, subject=CustomSubject.CONTACT)[0]
    services.archive_custom_field(session, actor, field_id=field.id, is_archived=True, now=now)
    assert "Budget" not in client.get("/contacts").text
    services.archive_custom_field(session, actor, field_id=field.id, is_archived=False, now=now)
    assert heads(client.get("/contacts"))[-1] == "Budget"


def test_a_view_remembers_own_columns_and_the_order(session, client, fields):
    client.post("/contacts/columns", data={"column": ["custom.budget", "warmth"]})
    client.post("/contacts/views", data={"name": "Warm", "sort": "warmth"})
    row = session.scalars(select(SavedView)).one()
    assert (row.args, row.columns) == ({"sort": "warmth"}, ["warmth", "custom.budget"])
    client.post("/contacts/columns", data={"column": ["city"]})
    page = client.get(f"/contacts?view={row.id}")
    assert heads(page)[-2:] == ["Warmth", "Budget"]
    shown = client.get(f"/api/v1/views/{row.id}/people").get_json()["items"]
    assert [one["display_name"] for one in shown] == ["Ann Bo", "Bo Li"]
    data = {"name": "Other", "columns": ["custom.budget", "custom.gone"]}
    assert client.post("/api/v1/views", json=data).status_code == 422
    assert client.post("/api/v1/views", json={**data, "columns": ["custom.budget"]}).status_code == 201


def test_the_list_begins_with_the_warmest_and_ends_with_strangers(session, actor, client, fields, now):
    _ann, bo = fields
    cool = contact(session, actor, "Cleo Di", now=now)
    warm(session, actor, bo, 3, now)
    interaction(session, actor, cool.id, "message.sent", happened_at=now - timedelta(hours=1), now=now)
    session.flush()
    client.post("/contacts/columns", data={"column": ["warmth"]})
    page = client.get("/contacts?sort=warmth")
    assert names(page) == ["Bo Li", "Cleo Di", "Ann Bo"]
    score = keeping.scores(session, actor, contact_ids=[bo.id])[bo.id]
    assert f'fd-warmth__value">{score}<' in page.text
    assert names(client.get("/contacts?sort=latest_exchange")) == ["Cleo Di", "Bo Li", "Ann Bo"]


@pytest.mark.parametrize("limit", [1, 2, 3, 5])
def test_pages_by_warmth_name_everybody_once(session, actor, now, limit):
    people = [contact(session, actor, f"P{number} Bo", now=now) for number in range(6)]
    contact(session, actor, "Past Bo", lifecycle=Lifecycle.PAST, now=now)
    for times, person in enumerate(people[:4]):
        warm(session, actor, person, times, now)
    warm(session, actor, people[4], 3, now)
    session.flush()
    where, after, found = ContactFilter(lifecycle=people[0].lifecycle), None, []
    while True:
        page = keeping.warmest(session, actor, where=where, after=after, limit=limit)
        found += [person.display_name for person in page.items]
        after = page.next
        if after is None:
            break
    assert sorted(found) == [f"P{number} Bo" for number in range(6)]
    assert set(found[:2]) == {"P3 Bo", "P4 Bo"}
    assert found[2:4] == ["P2 Bo", "P1 Bo"]


def test_people_whose_processing_is_limited_are_found_and_left_out(session, client, fields, now):
    fields[0].limited_at = now
    session.flush()
    for limited, found in ((True, ["Ann Bo"]), (False, ["Bo Li"])):
        rule = json.dumps({"field": "processing_limited", "op": "is", "value": limited})
        assert names(client.get("/contacts", query_string={"rule": rule})) == found


def test_restricted_people_are_found_by_those_who_may_see_them(session, actor, client, house, fields):
    fields[0].restricted = True
    session.flush()
    rule = json.dumps({"field": "restricted", "op": "is", "value": True})
    assert names(client.get("/contacts", query_string={"rule": rule})) == ["Ann Bo"]
    session.execute(update(Membership).where(Membership.user_id == house.user.id).values(role=Role.VIEWER))
    fields[0].owner_id = None
    session.flush()
    assert names(client.get("/contacts", query_string={"rule": rule})) == []
