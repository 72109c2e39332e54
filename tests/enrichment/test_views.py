"""Pages and API of enrichment."""

import pytest

from crm.accounts.kinds import Role
from crm.contacts import services as contacts
from crm.contacts.kinds import FactOrigin
from crm.contacts.models import Fact
from crm.db import enter_workspace
from crm.enrichment import queries, services
from crm.enrichment.kinds import RunState, SourceName
from crm.enrichment.models import EnrichmentRun
from crm.enrichment.sources.base import Finding, Found
from crm.jobs import JobName


@pytest.fixture
def company(session, actor, now):
    data = contacts.CompanyInput(name="Lanterna", website="https://lanterna.example/", city="Genova")
    made = contacts.create_company(session, actor, data=data, origin=FactOrigin.TYPED, source="", now=now)
    session.commit()
    return made


@pytest.fixture
def switched_on(session, actor, now):
    services.set_switch(session, actor, name=SourceName.WEBSITE, is_on=True, now=now)
    session.commit()


@pytest.fixture
def suggestion(session, actor, company, switched_on, now):
    run = services.request_run(session, actor, company_id=company.id, now=now)
    services.claim(session, actor, run_id=run.id, now=now)
    found = Found(url="https://lanterna.example/", findings=(Finding(field="city", value="Savona", confidence=80),))
    services.settle(session, actor, run_id=run.id, found=found, now=now)
    session.commit()
    return session.query(Fact).filter_by(state="suggested").one()


@pytest.mark.usefixtures("switched_on")
def test_the_button_asks_and_wakes_a_worker(client, company, jobs, session):
    answer = client.post(f"/companies/{company.id}/enrich")
    assert answer.status_code == 303
    run = session.query(EnrichmentRun).one()
    assert jobs.rung == [(JobName.ENRICH, {"workspace_id": run.workspace_id, "run_id": run.id})]
    page = client.get(answer.location).text
    assert "https://lanterna.example/" in page
    part = client.get(answer.location, headers={"HX-Request": "true"}).text
    assert "<html" not in part
    assert 'hx-trigger="every 2s"' in part


def test_a_source_that_is_off_says_so(client, company, jobs):
    answer = client.post(f"/companies/{company.id}/enrich", headers={"HX-Request": "true"})
    assert answer.status_code == 403
    assert "This source is off" in answer.text
    page = client.post(f"/companies/{company.id}/enrich", follow_redirects=True)
    assert "This source is off" in page.text
    assert "Choose sources" in page.text
    assert jobs.rung == []


@pytest.mark.parametrize(("choice", "city"), [("accept", "Savona"), ("reject", "Genova"), ("always", "Savona")])
def test_a_suggestion_is_decided_by_a_button(client, session, company, suggestion, choice, city):
    page = client.get(f"/companies/{company.id}/enrichment").text
    assert f"/enrichment/suggestions/{suggestion.id}/{choice}" in page
    answer = client.post(f"/enrichment/suggestions/{suggestion.id}/{choice}")
    assert answer.status_code == 303
    session.expire_all()
    assert company.city == city
    assert client.post(f"/enrichment/suggestions/{suggestion.id}/{choice}").status_code == 404


def test_an_unknown_choice_or_source_is_not_there(client, suggestion):
    assert client.post(f"/enrichment/suggestions/{suggestion.id}/maybe").status_code == 404
    assert client.post("/settings/enrichment/oracle").status_code == 404


def test_settings_switch_a_source_on_and_off(client, session, actor, company):
    page = client.get("/settings/enrichment").text
    assert "Company website" in page
    assert "GDPR, art. 14" in page
    saved = client.post(
        "/settings/enrichment/website", data={"website-is_on": "y", "website-always_prefer": ["city", "phone"]}
    )
    assert saved.status_code == 303
    session.expire_all()
    switch = queries.switch(session, actor, name=SourceName.WEBSITE)
    assert (switch.is_on, switch.always_prefer) == (True, ("phone", "city"))
    wrong = client.post("/settings/enrichment/website", data={"website-always_prefer": ["owner_id"]})
    assert wrong.status_code == 422
    client.post("/settings/enrichment/website", data={})
    session.expire_all()
    assert not queries.switch(session, actor, name=SourceName.WEBSITE).is_on


def test_pages_speak_italian(client, session, house, company, suggestion):
    house.user.locale = "it"
    session.commit()
    assert "Fonti pubbliche" in client.get("/settings/enrichment").text
    panel = client.get(f"/companies/{company.id}/enrichment").text
    assert "Città" in panel
    assert "Sito web dell’azienda" in panel


def test_a_viewer_reads_but_asks_nothing(signed_in, session, house, company, suggestion):
    from crm.accounts.models import Membership

    session.query(Membership).filter_by(user_id=house.user.id).one().role = Role.VIEWER
    session.commit()
    viewer = signed_in(house)
    page = viewer.get(f"/companies/{company.id}/enrichment")
    assert page.status_code == 200
    assert '/enrich"' not in page.text
    assert "/enrichment/suggestions/" not in page.text
    assert viewer.post(f"/companies/{company.id}/enrich").status_code == 403
    assert viewer.get("/settings/enrichment").status_code == 403


def test_another_workspace_sees_nothing(signed_in, session, house, other_house, company, suggestion):
    enter_workspace(session, house.workspace.id)
    session.commit()
    stranger = signed_in(other_house)
    assert stranger.get(f"/companies/{company.id}/enrichment").status_code == 404
    assert stranger.post(f"/companies/{company.id}/enrich").status_code == 404
    assert stranger.post(f"/enrichment/suggestions/{suggestion.id}/accept").status_code == 404
    run = session.query(EnrichmentRun).one()
    assert stranger.get(f"/api/v1/enrichment-runs/{run.id}").status_code == 404


@pytest.mark.usefixtures("switched_on")
def test_the_api_asks_and_shows_how_it_went(client, company, jobs, session, actor, now):
    answer = client.post(f"/api/v1/companies/{company.id}/enrich")
    assert answer.status_code == 202
    assert answer.json["state"] == RunState.QUEUED
    assert len(jobs.rung) == 1
    read = client.get(f"/api/v1/enrichment-runs/{answer.json['id']}")
    assert read.json == answer.json
    data = contacts.ContactInput(first_name="Anna", company_id=company.id)
    person = contacts.create(session, actor, data=data, origin=FactOrigin.TYPED, source="", now=now)
    alone = contacts.create(
        session, actor, data=contacts.ContactInput(first_name="Bea"), origin=FactOrigin.TYPED, source="", now=now
    )
    session.commit()
    assert client.post(f"/api/v1/contacts/{person.id}/enrich").json["id"] == answer.json["id"]
    refused = client.post(f"/api/v1/contacts/{alone.id}/enrich")
    assert (refused.status_code, refused.json["code"]) == (422, "nothing_to_ask")


def test_the_api_says_when_the_source_is_off(client, company):
    refused = client.post(f"/api/v1/companies/{company.id}/enrich")
    assert (refused.status_code, refused.json["code"]) == (403, "source_off")
