"""Findings fill gaps and are marked; what people typed only ever gets a suggestion beside it."""

from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import select

from crm.accounts.kinds import Role
from crm.accounts.models import AuditEntry
from crm.channels.base import ChannelKind
from crm.contacts import queries as contact_queries
from crm.contacts import services as contacts
from crm.contacts.kinds import FactOrigin, FactState
from crm.contacts.models import Company, Fact
from crm.db import enter_workspace
from crm.enrichment import queries, services
from crm.enrichment.kinds import Choice, RunState, SourceName
from crm.enrichment.services import AskedRecentlyError, NothingToAskError, SourceOffError
from crm.enrichment.sources.base import Finding, Found, FoundHandle
from crm.errors import ForbiddenError, NotFoundError

URL = "https://lanterna.example/"
WEBSITE = SourceName.WEBSITE


@pytest.fixture
def company(session, actor, now):
    data = contacts.CompanyInput(name="Lanterna", website=URL, city="Genova")
    return contacts.create_company(session, actor, data=data, origin=FactOrigin.TYPED, source="", now=now)


@pytest.fixture
def switched_on(session, actor, now):
    return services.set_switch(session, actor, name=WEBSITE, is_on=True, now=now)


def found(**values):
    handles = values.pop("handles", ())
    findings = tuple(Finding(field=field, value=value, confidence=80) for field, value in values.items())
    return Found(url=URL, findings=findings, handles=handles, extras={"feed": f"{URL}feed"}, etag='"1"')


def answered(session, actor, company, answer, now):
    run = services.request_run(session, actor, company_id=company.id, now=now)
    task = services.claim(session, actor, run_id=run.id, now=now)
    assert isinstance(task, services.Task)
    return services.settle(session, actor, run_id=run.id, found=answer, now=now)


def fact_of(session, company, field, state=FactState.CURRENT):
    return session.scalars(
        select(Fact).where(Fact.company_id == company.id, Fact.field == field, Fact.state == state)
    ).one_or_none()


@pytest.mark.usefixtures("switched_on")
def test_an_empty_field_is_filled_and_marked(session, actor, company, now):
    run = answered(session, actor, company, found(description="Carta e inchiostro"), now)
    assert (run.state, run.found, run.suggested) == (RunState.DONE, 1, 0)
    assert company.description == "Carta e inchiostro"
    fact = fact_of(session, company, "description")
    assert (fact.origin, fact.source, fact.source_url, fact.source_id, fact.confidence) == (
        FactOrigin.FOUND,
        WEBSITE,
        URL,
        run.id,
        80,
    )
    assert run.extras == {"feed": f"{URL}feed"}


@pytest.mark.usefixtures("switched_on")
def test_a_typed_value_stays_and_gets_a_suggestion(session, actor, company, now):
    run = answered(session, actor, company, found(city="Savona", name="Lanterna"), now)
    assert (run.found, run.suggested) == (0, 1)
    assert company.city == "Genova"
    assert fact_of(session, company, "city", FactState.SUGGESTED).value == "Savona"


@pytest.mark.usefixtures("switched_on")
def test_an_earlier_finding_is_refreshed(session, actor, company, now):
    answered(session, actor, company, found(phone="+39 010 1234567"), now)
    answered(session, actor, company, found(phone="+39 010 7654321"), now + timedelta(days=91))
    assert company.phone == "+39 010 7654321"


@pytest.mark.usefixtures("switched_on")
def test_a_value_the_field_can_not_take_loses_nothing_else(session, actor, company, now):
    run = answered(session, actor, company, found(country="Absurdistan", street="Via Roma 1"), now)
    assert run.found == 1
    assert (company.country, company.street) == ("", "Via Roma 1")


@pytest.mark.usefixtures("switched_on")
@pytest.mark.parametrize(
    ("choice", "city", "state"),
    [
        (Choice.ACCEPT, "Savona", FactState.CURRENT),
        (Choice.REJECT, "Genova", FactState.REJECTED),
        (Choice.ALWAYS, "Savona", FactState.CURRENT),
    ],
)
def test_a_person_decides_about_a_suggestion(session, actor, company, now, choice, city, state):
    answered(session, actor, company, found(city="Savona"), now)
    suggestion = fact_of(session, company, "city", FactState.SUGGESTED)
    services.decide(session, actor, fact_id=suggestion.id, choice=choice, now=now)
    assert company.city == city
    assert suggestion.state == state
    preferred = queries.switch(session, actor, name=WEBSITE).always_prefer
    assert preferred == (("city",) if choice is Choice.ALWAYS else ())
    with pytest.raises(NotFoundError):
        services.decide(session, actor, fact_id=suggestion.id, choice=choice, now=now)


@pytest.mark.usefixtures("switched_on")
def test_what_was_refused_once_is_not_proposed_again(session, actor, company, now):
    answered(session, actor, company, found(city="Savona"), now)
    suggestion = fact_of(session, company, "city", FactState.SUGGESTED)
    services.decide(session, actor, fact_id=suggestion.id, choice=Choice.REJECT, now=now)
    run = answered(session, actor, company, found(city="Savona"), now + timedelta(days=1))
    assert (run.found, run.suggested) == (0, 0)


def test_a_preferred_source_replaces_imports_but_never_typing(session, actor, company, now):
    services.set_switch(session, actor, name=WEBSITE, is_on=True, always_prefer=("city", "street"), now=now)
    contacts.record_fact(
        session,
        actor,
        company_id=company.id,
        field="street",
        value="Via Vecchia 9",
        origin=FactOrigin.IMPORTED,
        source="lista.csv",
        now=now,
    )
    run = answered(session, actor, company, found(city="Savona", street="Via Nuova 1"), now)
    assert (company.city, company.street) == ("Genova", "Via Nuova 1")
    assert (run.found, run.suggested) == (1, 1)


@pytest.mark.usefixtures("switched_on")
def test_addresses_fill_channels_that_are_empty_and_take_nobodys(session, actor, company, now):
    person = contacts.create(
        session,
        actor,
        data=contacts.ContactInput(
            first_name="Anna", handles=[{"channel": "email", "address": "info@lanterna.example"}]
        ),
        origin=FactOrigin.TYPED,
        source="",
        now=now,
    )
    contacts.add_handle(
        session, actor, channel=ChannelKind.PHONE, address="010 1234567", company_id=company.id, now=now
    )
    handles = (
        FoundHandle(channel=ChannelKind.EMAIL, address="info@lanterna.example", address_norm="info@lanterna.example"),
        FoundHandle(channel=ChannelKind.PHONE, address="+39 010 7654321", address_norm="+390107654321"),
        FoundHandle(channel=ChannelKind.INSTAGRAM, address="@lanterna", address_norm="lanterna"),
    )
    run = answered(session, actor, company, found(handles=handles), now)
    owned = contact_queries.handles_of(session, actor, company_id=company.id)[company.id]
    assert {handle.channel: handle.address_norm for handle in owned} == {
        "phone": "+390101234567",
        "instagram": "lanterna",
    }
    assert run.found == 1
    assert person.email == "info@lanterna.example"


def test_a_source_that_is_off_is_not_asked(session, actor, company, now):
    with pytest.raises(SourceOffError):
        services.request_run(session, actor, company_id=company.id, now=now)


@pytest.mark.usefixtures("switched_on")
def test_there_must_be_something_to_ask(session, actor, now):
    data = contacts.CompanyInput(name="Senza sito")
    bare = contacts.create_company(session, actor, data=data, origin=FactOrigin.TYPED, source="", now=now)
    with pytest.raises(NothingToAskError):
        services.request_run(session, actor, company_id=bare.id, now=now)
    with pytest.raises(NothingToAskError):
        services.request_run(session, actor, now=now)


@pytest.mark.usefixtures("switched_on")
def test_a_person_leads_to_their_company(session, actor, company, now):
    data = contacts.ContactInput(first_name="Anna", company_id=company.id)
    person = contacts.create(session, actor, data=data, origin=FactOrigin.TYPED, source="", now=now)
    alone = contacts.create(
        session, actor, data=contacts.ContactInput(first_name="Bea"), origin=FactOrigin.TYPED, source="", now=now
    )
    run = services.request_run(session, actor, contact_id=person.id, now=now)
    assert (run.company_id, run.contact_id, run.address) == (company.id, person.id, URL)
    with pytest.raises(NothingToAskError):
        services.request_run(session, actor, contact_id=alone.id, now=now)


@pytest.mark.usefixtures("switched_on")
def test_asking_twice_is_one_run(session, actor, company, now):
    run = services.request_run(session, actor, company_id=company.id, now=now)
    assert services.request_run(session, actor, company_id=company.id, now=now) is run
    services.claim(session, actor, run_id=run.id, now=now)
    services.settle(session, actor, run_id=run.id, found=found(), now=now)
    assert services.request_run(session, actor, company_id=company.id, now=now) is run
    later = services.request_run(session, actor, company_id=company.id, now=now + timedelta(minutes=2))
    assert later is not run
    assert later.etag == '"1"'


@pytest.mark.usefixtures("switched_on")
def test_a_failure_is_remembered_until_its_time_or_another_address(session, actor, company, now):
    run = services.request_run(session, actor, company_id=company.id, now=now)
    services.claim(session, actor, run_id=run.id, now=now)
    services.fail(session, actor, run_id=run.id, code="dns", retry_after=timedelta(days=1), now=now)
    assert (run.state, run.error_code) == (RunState.FAILED, "dns")
    with pytest.raises(AskedRecentlyError) as caught:
        services.request_run(session, actor, company_id=company.id, now=now + timedelta(hours=1))
    assert caught.value.retry_at == now + timedelta(days=1)
    company.website = "https://nuova.example/"
    session.flush()
    assert services.request_run(session, actor, company_id=company.id, now=now).address == "https://nuova.example/"


@pytest.mark.usefixtures("switched_on")
def test_a_run_is_done_by_one_worker_and_again_when_it_was_lost(session, actor, company, now):
    run = services.request_run(session, actor, company_id=company.id, now=now)
    assert isinstance(services.claim(session, actor, run_id=run.id, now=now), services.Task)
    assert services.claim(session, actor, run_id=run.id, now=now + timedelta(minutes=1)) is None
    assert isinstance(services.claim(session, actor, run_id=run.id, now=now + timedelta(minutes=11)), services.Task)
    services.settle(session, actor, run_id=run.id, found=found(), now=now)
    assert services.claim(session, actor, run_id=run.id, now=now + timedelta(hours=1)) is None
    assert services.settle(session, actor, run_id=run.id, found=found(), now=now) is None
    assert services.fail(session, actor, run_id=run.id, code="x", retry_after=timedelta(1), now=now) is None


@pytest.mark.usefixtures("switched_on")
def test_two_questions_to_one_source_stand_apart(session, actor, company, now):
    data = contacts.CompanyInput(name="Altra", website="https://altra.example/")
    other = contacts.create_company(session, actor, data=data, origin=FactOrigin.TYPED, source="", now=now)
    first = services.request_run(session, actor, company_id=company.id, now=now)
    second = services.request_run(session, actor, company_id=other.id, now=now)
    services.claim(session, actor, run_id=first.id, now=now)
    assert services.claim(session, actor, run_id=second.id, now=now) == timedelta(seconds=1)
    assert isinstance(services.claim(session, actor, run_id=second.id, now=now + timedelta(seconds=1)), services.Task)


@pytest.mark.usefixtures("switched_on")
def test_nothing_new_keeps_what_was_found(session, actor, company, now):
    answered(session, actor, company, found(description="Carta"), now)
    run = answered(session, actor, company, Found(url=URL, not_modified=True, etag='"1"'), now + timedelta(days=91))
    assert (run.state, run.etag) == (RunState.DONE, '"1"')
    assert run.extras == {"feed": f"{URL}feed"}
    assert company.description == "Carta"


def test_the_switch_belongs_to_managers_and_is_audited(session, actor, now, house):
    sales = replace(actor, role=Role.SALES)
    with pytest.raises(ForbiddenError):
        services.set_switch(session, sales, name=WEBSITE, is_on=True, now=now)
    row = services.set_switch(session, actor, name=WEBSITE, is_on=True, always_prefer=("city", "x"), now=now)
    assert row.always_prefer == ["city"]
    session.flush()
    assert session.scalars(select(AuditEntry.action)).all() == ["enrichment.source_changed"]


@pytest.mark.usefixtures("switched_on")
def test_another_workspace_is_not_there(session, actor, company, other_actor, now):
    run = services.request_run(session, actor, company_id=company.id, now=now)
    enter_workspace(session, other_actor.workspace_id)
    session.expunge_all()
    with pytest.raises(NotFoundError):
        services.request_run(session, other_actor, company_id=company.id, now=now)
    with pytest.raises(NotFoundError):
        queries.run(session, other_actor, run_id=run.id)
    assert services.claim(session, other_actor, run_id=run.id, now=now) is None
    assert not queries.switch(session, other_actor, name=WEBSITE).is_on
    assert session.get(Company, company.id) is None
