"""Saved views of companies: kept, shared, opened, by page and by API; each reader sees their own companies in them."""

import re
from datetime import timedelta

import pytest
from conftest import House
from factories import accounts as factory
from factories.contacts import company, contact, interaction
from sqlalchemy import select

from crm.accounts.kinds import ActorKind, RecordAccess, Role
from crm.accounts.models import Membership
from crm.accounts.rules import Actor
from crm.contacts import queries, services
from crm.contacts.custom_inputs import CustomFieldInput
from crm.contacts.kinds import CustomSubject, ListSubject
from crm.contacts.queries import CompanyFilter, CompanySort
from crm.contacts.services import ViewInput
from crm.contacts.view_models import SavedView
from crm.db import database_now


@pytest.fixture
def now(session):
    """Pages ask the database for the time."""
    return database_now(session)


@pytest.fixture
def seller(session, house):
    user = factory.user(session, name="Luca Verdi")
    session.add(Membership(user_id=user.id, role=Role.SALES))
    session.flush()
    actor = Actor(workspace_id=house.workspace.id, kind=ActorKind.USER, role=Role.SALES, user_id=user.id)
    return House(house.workspace, user, actor)


@pytest.fixture
def firms(session, actor, seller, now):
    """Alfa in Genova is the seller's and heard of yesterday, Beta in Siena is mine and silent."""
    alfa = company(session, actor, "Alfa", city="Génova", owner_id=seller.user.id, now=now)
    beta = company(session, actor, "Beta", city="Siena", kind="partner", owner_id=actor.user_id, now=now)
    ann = contact(session, actor, "Ann Bo", company_id=alfa.id, now=now)
    interaction(session, actor, ann.id, "message.sent", happened_at=now - timedelta(days=1), now=now)
    session.flush()
    return alfa, beta, ann


def names(page):
    return re.findall(r'fd-personcell__name">([^<]+?)\s*<', page.text)


def heads(page):
    return [head.strip() for head in re.findall(r"<th[^>]*>(?:<[^>]+>)?([^<]+)", page.text)]


def view(session, actor, now, **args):
    data = ViewInput(subject=ListSubject.COMPANIES, name="Ours", is_shared=True, args=args)
    return services.create_view(session, actor, data=data, now=now)


def test_the_filtered_list_is_kept_with_own_columns_and_opens_as_the_default(session, actor, client, firms, now):
    data = CustomFieldInput.model_validate({"subject": CustomSubject.COMPANY, "label": "Budget", "type": "number"})
    services.create_custom_field(session, actor, data=data, now=now)
    services.set_custom_values(session, actor, company_id=firms[0].id, values={"budget": "12"}, now=now)
    client.post("/companies/columns", data={"column": ["custom.budget", "last", "custom.gone"]})
    answer = client.post("/companies/views", data={"name": "In Genova", "city": "GENOVA", "sort": "newest", "x": "1"})
    row = session.scalars(select(SavedView)).one()
    assert (answer.location, row.subject) == (f"/companies?view={row.id}", "companies")
    assert (row.args, row.columns) == ({"city": "GENOVA", "sort": "newest"}, ["last", "custom.budget"])
    page = client.get(answer.location)
    assert (names(page), heads(page)[-3:]) == (["Alfa"], ["Name", "Last exchange", "Budget"])
    assert '<td class="fd-not-phone fd-num">12</td>' in page.text
    client.post(f"/companies/views/{row.id}/default")
    assert names(client.get("/companies")) == ["Alfa"]
    assert names(client.get("/companies?view=all")) == ["Alfa", "Beta"]
    assert names(client.get("/contacts")) == ["Ann Bo"]
    assert "In Genova" in client.get("/companies/views").text
    assert "In Genova" not in client.get("/contacts/views").text
    changed = client.get(f"/companies?was={row.id}&quiet=30")
    assert names(changed) == ["Beta"]
    assert "Save to “In Genova”" in changed.text
    assert client.post(f"/companies/views/{row.id}/save", data={"quiet": "30"}).status_code == 303
    assert client.post(f"/companies/views/{row.id}/save", data={"quiet": "soon"}).status_code == 422
    assert client.post(f"/contacts/views/{row.id}/delete").status_code == 404
    assert client.post(f"/companies/views/{row.id}/delete").status_code == 303
    assert names(client.get("/companies")) == ["Alfa", "Beta"]


def test_the_api_makes_views_of_companies_and_lists_their_companies(session, actor, client, firms):
    given = {"subject": "companies", "name": "Partners", "args": {"kind": "partner"}, "columns": ["city"]}
    made = client.post("/api/v1/views", json=given)
    assert made.status_code == 201
    path = made.headers["Location"]
    assert client.get("/api/v1/views").get_json()["items"] == []
    assert client.get("/api/v1/views?subject=companies").get_json()["items"] == [made.get_json()]
    assert [row["name"] for row in client.get(f"{path}/companies").get_json()["items"]] == ["Beta"]
    assert client.get(f"{path}/people").status_code == 404
    change = {"view_id": made.get_json()["id"], "field": "lifecycle", "value": "customer"}
    assert client.post("/api/v1/bulk-edits", json=change).status_code == 404
    assert client.put(path, json={"name": "All"}).get_json()["subject"] == "companies"
    assert client.put(path, json={"name": "All", "subject": "people"}).status_code == 422
    first = client.get(f"{path}/companies?limit=1").get_json()
    following = client.get(f"{path}/companies", query_string={"limit": 1, "after": first["next"]}).get_json()
    assert [row["name"] for row in first["items"] + following["items"]] == ["Alfa", "Beta"]
    wrong = ({"rule": "{}"}, {"kind": "shop"}, {"owner": "x"}, {"tag": "x"}, {"quiet": "-1"}, {"sort": "city"})
    for args in wrong:
        assert client.post("/api/v1/views", json={**given, "args": args}).status_code == 422, args
    assert client.post("/api/v1/views", json={**given, "columns": ["warmth"]}).status_code == 422


def test_a_shared_view_shows_each_reader_their_own_companies_and_what_they_may_see(
    session, house, client, seller, signed_in, firms, now
):
    alfa, beta, ann = firms
    row = view(session, house.actor, now, owner="me")
    colleague = signed_in(seller)
    assert names(client.get(f"/companies?view={row.id}")) == ["Beta"]
    assert names(colleague.get(f"/companies?view={row.id}")) == ["Alfa"]
    shown = colleague.get(f"/api/v1/views/{row.id}/companies").get_json()["items"]
    assert [one["id"] for one in shown] == [str(alfa.id)]
    # Who does not see Ann learns nothing of when she was heard: Alfa counts as silent for them.
    house.workspace.record_access = {Role.SALES.value: RecordAccess.OWN.value}
    session.flush()
    quiet = view(session, house.actor, now, quiet="30")
    assert names(client.get(f"/companies?view={quiet.id}")) == ["Beta"]
    page = colleague.get(f"/companies?view={quiet.id}")
    assert names(page) == ["Alfa", "Beta"]
    assert page.text.count("never") == 2
    private = ViewInput(subject=ListSubject.COMPANIES, name="Private", args={"owner": "me"})
    mine = services.create_view(session, house.actor, data=private, now=now)
    assert colleague.get(f"/companies?view={mine.id}").status_code == 404
    assert colleague.get(f"/api/v1/views/{mine.id}/companies").status_code == 404
    nobody = Actor(workspace_id=house.workspace.id, kind=ActorKind.TOKEN, role=Role.OWNER, scopes=frozenset())
    assert queries.saved_views(session, nobody, subject=ListSubject.COMPANIES).items == []
    assert queries.list_companies(session, nobody).items == []
    assert beta.owner_id == house.user.id
    assert ann.company_id == alfa.id


@pytest.mark.parametrize("sort", list(CompanySort))
def test_pages_of_companies_name_each_once_in_every_order(session, actor, now, sort):
    for number in range(7):
        company(session, actor, f"Firm {number}", city="Siena", now=now + timedelta(minutes=number // 2))
    company(session, actor, "Elsewhere", city="Genova", now=now)
    session.flush()
    found, after = [], None
    while True:
        where = CompanyFilter(city="siena")
        page = queries.list_companies(session, actor, where=where, sort=sort, after=after, limit=2)
        found += [row.name for row in page.items]
        after = page.next
        if after is None:
            break
    assert sorted(found) == [f"Firm {number}" for number in range(7)]
    assert found == sorted(found) if sort is CompanySort.NAME else found[0] == "Firm 6"
