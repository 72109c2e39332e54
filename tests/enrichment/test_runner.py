"""A look at a website from its request to the facts, over real HTTP."""

from collections.abc import Iterator
from datetime import timedelta

import pytest
from sqlalchemy import select
from stack.website import Site, serving

from crm.contacts import services as contacts
from crm.contacts.kinds import FactOrigin
from crm.contacts.models import Company
from crm.enrichment import runner, services
from crm.enrichment.kinds import RunState, SourceName
from crm.enrichment.models import EnrichmentRun
from crm.settings import Settings
from workers import Runtime, enrichment

PAGE = '<title>Lanterna</title><meta name="description" content="Carta e inchiostro">'


@pytest.fixture
def site() -> Iterator[Site]:
    with serving() as server:
        yield server


@pytest.fixture
def company(session, actor, now, site):
    services.set_switch(session, actor, name=SourceName.WEBSITE, is_on=True, now=now)
    data = contacts.CompanyInput(name="Lanterna", website=f"{site.url}/", domain="lanterna.example")
    made = contacts.create_company(session, actor, data=data, origin=FactOrigin.TYPED, source="", now=now)
    session.commit()
    return made


@pytest.fixture
def look(transaction, session, actor, company, jobs, settings):
    """Ask for a look, let the worker's function do it, and give the run and the company as they are then."""

    def do(now, *, allow=("127.0.0.1",)) -> tuple[EnrichmentRun, Company]:
        run = services.request_run(session, actor, company_id=company.id, now=now)
        session.commit()
        allowed = Settings.load(home=settings.home, net_allow=allow)
        runtime = Runtime(settings=allowed, database=transaction, jobs=jobs)
        enrichment.fetch(runtime, workspace_id=str(actor.workspace_id), run_id=str(run.id))
        session.expire_all()
        return session.get_one(EnrichmentRun, run.id), session.get_one(Company, company.id)

    return do


def test_a_website_fills_the_profile(look, site, now):
    site.pages["/"] = (200, {"ETag": '"1"', "Content-Type": "text/html; charset=utf-8"}, PAGE)
    run, company = look(now)
    assert (run.state, run.found, run.etag) == (RunState.DONE, 1, '"1"')
    assert company.description == "Carta e inchiostro"
    assert [path for path, _headers in site.asked] == ["/robots.txt", "/"]
    assert site.asked[1][1]["user-agent"].startswith("Filodiretto/")


def test_an_unchanged_page_is_asked_for_by_its_tag(look, site, now, session, actor):
    site.pages["/"] = (200, {"ETag": '"1"', "Last-Modified": "Mon, 23 Nov 2026 09:00:00 GMT"}, PAGE)
    first, _company = look(now)
    first.created_at = first.started_at = first.finished_at = now.replace(year=2025)
    session.commit()
    site.pages["/"] = (304, {}, "")
    run, company = look(now)
    assert run.id != first.id
    assert (run.state, run.etag) == (RunState.DONE, '"1"')
    assert company.description == "Carta e inchiostro"
    asked = site.asked[-1][1]
    assert (asked["if-none-match"], asked["if-modified-since"]) == ('"1"', "Mon, 23 Nov 2026 09:00:00 GMT")


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        ((404, {}, ""), "http_gone"),
        ((429, {"Retry-After": "60"}, ""), "http_busy"),
        ((503, {}, ""), "http_busy"),
        ((403, {}, ""), "http_refused"),
        ((200, {"Content-Type": "application/pdf"}, "%PDF"), "not_a_page"),
        ((200, {"Content-Encoding": "gzip"}, "x"), "encoding"),
        ((302, {"Location": "http://10.0.0.1/"}, ""), "forbidden_address"),
        ((302, {"Location": "/"}, ""), "redirects"),
    ],
)
def test_a_failure_ends_in_its_row(look, site, now, answer, code):
    site.pages["/"] = answer
    run, company = look(now)
    assert (run.state, run.error_code) == (RunState.FAILED, code)
    assert run.retry_at > run.finished_at
    assert company.description == ""


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"Retry-After": "60"}, 60),
        # By the server's own clock, which may be years behind ours.
        ({"Retry-After": "Mon, 23 Nov 2020 09:30:00 GMT", "Date": "Mon, 23 Nov 2020 09:00:00 GMT"}, 30 * 60),
        ({"Retry-After": "Mon, 23 Nov 2020 08:00:00 GMT", "Date": "Mon, 23 Nov 2020 09:00:00 GMT"}, 0),
        ({"Retry-After": "999999999"}, 24 * 3600),
        ({"Retry-After": "-1"}, 6 * 3600),
        ({"Retry-After": "soon"}, 6 * 3600),
        ({}, 6 * 3600),
    ],
)
def test_a_busy_site_is_asked_again_when_it_says(look, site, now, headers, seconds):
    site.pages["/"] = (503, headers, "")
    run, _company = look(now)
    assert run.retry_at - run.finished_at == timedelta(seconds=seconds)


def test_an_address_inside_the_house_is_not_asked(look, site, now):
    run, _company = look(now, allow=())
    assert (run.state, run.error_code) == (RunState.FAILED, "forbidden_address")
    assert site.asked == []


def test_robots_txt_is_obeyed(look, site, now):
    site.pages["/robots.txt"] = (200, {}, "User-agent: *\nDisallow: /")
    site.pages["/"] = (200, {}, PAGE)
    run, _company = look(now)
    assert run.error_code == "robots"


def test_a_run_that_is_gone_is_nothing_to_do(transaction, actor, now, session, site):
    runner.run(transaction, None, workspace_id=actor.workspace_id, run_id=actor.workspace_id)
    assert site.asked == []
    assert session.scalars(select(EnrichmentRun)).all() == []
