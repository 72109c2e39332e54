"""Saved views: kept from the list, opened, changed, shared, made the default; they hold a question, never people."""

import json
import re

import pytest
from conftest import House
from factories import accounts as factory
from factories.contacts import contact
from sqlalchemy import select

from crm.accounts.kinds import ActorKind, RecordAccess, Role
from crm.accounts.models import Membership
from crm.accounts.rules import Actor
from crm.contacts import queries, services
from crm.contacts.services import ViewInput
from crm.contacts.view_models import SavedView
from crm.db import database_now
from crm.errors import ForbiddenError, InvalidInputError

GENOVA = {"all": [{"field": "city", "op": "is", "value": "Genova"}]}


@pytest.fixture
def now(session):
    """Pages ask the database for the time."""
    return database_now(session)


@pytest.fixture
def house_people(session, actor, now):
    """Ann lives in Genova, Bo in Siena."""
    return contact(session, actor, "Ann Bo", city="Genova", now=now), contact(
        session, actor, "Bo Li", city="Siena", now=now
    )


@pytest.fixture
def seller(session, house):
    user = factory.user(session, name="Luca Verdi")
    session.add(Membership(user_id=user.id, role=Role.SALES))
    session.flush()
    actor = Actor(workspace_id=house.workspace.id, kind=ActorKind.USER, role=Role.SALES, user_id=user.id)
    return House(house.workspace, user, actor)


def names(page):
    return re.findall(r'fd-personcell__name">([^<]+?)\s*<', page.text)


def tabs(page):
    return re.findall(r'class="fd-tabs__item"[^>]*>([^<]+)<', page.text)


def view(session, actor, now, name="Genova", **more):
    data = ViewInput(name=name, args=more.pop("args", {"rule": json.dumps(GENOVA)}), **more)
    return services.create_view(session, actor, data=data, now=now)


def test_the_filtered_list_is_kept_under_a_name_and_opens_from_its_tab(client, session, house_people):
    given = {"name": "  In  Genova ", "rule": json.dumps(GENOVA), "sort": "newest"}
    answer = client.post("/contacts/views", data=given)
    row = session.scalars(select(SavedView)).one()
    assert answer.location == f"/contacts?view={row.id}"
    assert (row.name, row.args["sort"], row.is_shared) == ("In Genova", "newest", False)
    page = client.get(answer.location)
    assert names(page) == ["Ann Bo"]
    assert "In Genova" in page.text


def test_a_changed_view_remembers_where_it_began_and_is_saved_into_it(client, session, actor, house_people, now):
    row = view(session, actor, now, args={"rule": json.dumps(GENOVA), "importance": "key"})
    page = client.get(f"/contacts?view={row.id}")
    assert names(page) == []
    removed = [url.replace("&amp;", "&") for url in re.findall(r'class="fd-filter__remove" href="([^"]+)"', page.text)]
    without = next(url for url in removed if "importance" not in url)
    assert f"was={row.id}" in without
    page = client.get(without)
    assert names(page) == ["Ann Bo"]
    assert "Save to “Genova”" in page.text
    assert client.post(f"/contacts/views/{row.id}/save", data={"rule": json.dumps(GENOVA)}).status_code == 303
    session.expire_all()
    assert names(client.get(f"/contacts?view={row.id}")) == ["Ann Bo"]


def test_the_list_opens_with_the_default_view_and_everybody_stays_one_click_away(
    client, session, actor, house_people, now
):
    row = view(session, actor, now)
    client.post(f"/contacts/views/{row.id}/default")
    assert names(client.get("/contacts")) == ["Ann Bo"]
    assert names(client.get("/contacts?view=all")) == ["Ann Bo", "Bo Li"]
    assert 'href="/contacts?view=all"' in client.get("/contacts").text
    client.post(f"/contacts/views/{row.id}/default")
    assert names(client.get("/contacts")) == ["Ann Bo", "Bo Li"]


def test_pages_of_a_view_follow_each_other(client, session, actor, now):
    for number in range(52):
        contact(session, actor, f"Person {number:02}", city="Genova", now=now)
    row = view(session, actor, now)
    page = client.get(f"/contacts?view={row.id}")
    following = re.search(r'href="(/contacts\?[^"]*after=[^"]+)"', page.text).group(1).replace("&amp;", "&")
    assert names(client.get(following)) == ["Person 50", "Person 51"]


def test_a_shared_view_shows_each_reader_whom_they_may_see(
    session, client, house, house_people, seller, signed_in, now
):
    row = view(session, house.actor, now, is_shared=True)
    colleague = signed_in(seller)
    assert names(colleague.get(f"/contacts?view={row.id}")) == ["Ann Bo"]
    house.workspace.record_access = {Role.SALES.value: RecordAccess.OWN.value}
    session.flush()
    assert names(colleague.get(f"/contacts?view={row.id}")) == []
    assert colleague.get(f"/api/v1/views/{row.id}/people").get_json()["items"] == []
    assert "Ann Bo" not in colleague.get("/contacts/views").text


def test_a_private_view_is_its_makers_alone(session, house, house_people, seller, signed_in, now):
    row = view(session, house.actor, now)
    colleague = signed_in(seller)
    assert colleague.get(f"/contacts?view={row.id}").status_code == 404
    assert colleague.get(f"/api/v1/views/{row.id}").status_code == 404
    assert row.name not in colleague.get("/contacts").text


def test_a_shared_view_is_changed_by_its_maker_and_managers_only(session, house, seller, now):
    row = view(session, house.actor, now, is_shared=True)
    changed = ViewInput(name="Mine now", is_shared=True, args={})
    with pytest.raises(ForbiddenError):
        services.change_view(session, seller.actor, view_id=row.id, data=changed, now=now)
    with pytest.raises(ForbiddenError):
        services.delete_view(session, seller.actor, view_id=row.id)
    theirs = view(session, seller.actor, now, is_shared=True)
    services.change_view(session, house.actor, view_id=theirs.id, data=changed, now=now)
    with pytest.raises(ForbiddenError):
        services.change_view(session, house.actor, view_id=theirs.id, data=ViewInput(name="x", args={}), now=now)


def test_a_view_taken_back_is_no_ones_default_any_more_but_its_makers(session, house, seller, now):
    row = view(session, house.actor, now, is_shared=True)
    for one in (house.actor, seller.actor):
        services.set_default_view(session, one, view_id=row.id)
    services.change_view(session, house.actor, view_id=row.id, data=ViewInput(name="x", args={}), now=now)
    assert queries.saved_views(session, house.actor).default is row
    assert queries.saved_views(session, seller.actor).default is None


def test_a_view_whose_field_is_gone_says_so_and_shows_nobody(client, session, actor, house_people, now):
    gone = {"all": [{"field": "gone_field", "op": "is", "value": "x"}]}
    row = view(session, actor, now, args={"rule": json.dumps(gone)}, columns=["company", "gone_column"])
    page = client.get(f"/contacts?view={row.id}")
    assert page.status_code == 200
    assert names(page) == []
    assert "fd-notice" in page.text
    assert client.get(f"/api/v1/views/{row.id}/people").status_code == 422


def test_a_view_keeps_its_columns_and_its_maker_chooses_them(client, session, actor, house_people, now):
    row = view(session, actor, now, columns=["city"])
    head = client.get(f"/contacts?view={row.id}").text
    assert re.findall(r"<th[^>]*>([^<]+)", head)[-1:] == ["City"]
    client.post("/contacts/columns", data={"view": str(row.id), "column": ["title"]})
    session.expire_all()
    assert row.columns == ["title"]


@pytest.mark.parametrize("name", ["", "   ", "x" * 81])
def test_a_view_has_a_short_name(client, session, name):
    answer = client.post("/contacts/views", data={"name": name, "quiet": "30"})
    assert answer.status_code == 422
    assert "80 letters" in answer.text
    assert 'href="/contacts?quiet=30"' in answer.text
    assert not session.scalars(select(SavedView)).all()


def test_the_api_makes_changes_and_deletes_views(client, session, house_people):
    made = client.post(
        "/api/v1/views", json={"name": "Genova", "args": {"rule": json.dumps(GENOVA)}, "columns": ["city"]}
    )
    assert made.status_code == 201
    path = made.headers["Location"]
    assert client.get("/api/v1/views").get_json()["items"] == [made.get_json()]
    assert [row["display_name"] for row in client.get(f"{path}/people").get_json()["items"]] == ["Ann Bo"]
    changed = client.put(path, json={"name": "All", "is_shared": True})
    assert changed.get_json()["is_shared"] is True
    assert client.delete(path).status_code == 204
    assert client.get(path).status_code == 404
    for wrong in ({"args": {"nonsense": "1"}}, {"columns": ["nonsense"]}, {"args": {"rule": "{"}}):
        assert client.post("/api/v1/views", json={"name": "x", **wrong}).status_code == 422


def test_a_token_makes_shared_views_only(session, actor, now):
    token = Actor(workspace_id=actor.workspace_id, kind=ActorKind.TOKEN, role=Role.OWNER)
    with pytest.raises(InvalidInputError):
        view(session, token, now)
    assert view(session, token, now, is_shared=True).user_id is None
