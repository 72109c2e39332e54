"""Search: fragments of names, addresses and companies, misspelt names, within one workspace only."""

import pytest
from factories.contacts import company, contact, handle
from sqlalchemy import text

from crm.accounts.models import Workspace
from crm.channels.base import ChannelKind
from crm.contacts import queries, services
from crm.contacts.queries import finding
from crm.contacts.queries.finding import Matched
from crm.db import enter_workspace


@pytest.fixture
def people(session, actor):
    firm = company(session, actor, "Ceramiche Valdarno", domain="valdarno.example.com")
    return {
        "chiara": contact(session, actor, "Chiara Moretti", email="c.moretti@posta.example.com", company_id=firm.id),
        "niccolo": contact(session, actor, "Niccolò Rossi"),
        "sara": contact(session, actor, "Sara 100%_\\ Esposito"),
        "alessandro": contact(session, actor, "Alessandro Bruni"),
    }


def names(session, actor, query):
    return [hit.name for hit in queries.search(session, actor, text=query)]


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("chiara", "Chiara Moretti"),
        ("MORET chia", "Chiara Moretti"),
        ("niccolo ro", "Niccolò Rossi"),
        ("NICCOLÒ", "Niccolò Rossi"),
        ("moretti@posta", "Chiara Moretti"),
        ("valdarno", "Chiara Moretti"),
        ("mo", "Chiara Moretti"),
        ("100%_\\", "Sara 100%_\\ Esposito"),
    ],
)
def test_a_fragment_finds_the_person(session, actor, people, query, found):
    assert names(session, actor, query)[0] == found


@pytest.mark.parametrize("query", ["", "   ", "%%%", "___", "\\\\\\", "xyzxyz", "'; drop table contact; --", "%"])
def test_what_matches_nobody_finds_nobody(session, actor, people, query):
    assert names(session, actor, query) == []


@pytest.mark.parametrize("query", ["allesandro", "alesandro brun", "mortti", "brni"])
def test_a_misspelt_name_finds_the_person(session, actor, people, query):
    hits = queries.search(session, actor, text=query)
    assert hits[0].name in {"Alessandro Bruni", "Chiara Moretti"}
    assert hits[0].matched is Matched.CLOSE


@pytest.mark.parametrize("query", ["C.Moretti@posta.example.com ", "+39 347 1234567", "347 1234567"])
def test_a_whole_address_is_read_by_its_key(session, actor, people, query, monkeypatch):
    handle(session, actor, people["chiara"].id, channel="phone", address="+39 347 1234567")
    monkeypatch.setattr(finding, "within_time", None)
    assert list(queries.search_contacts(session, actor, text=query)) == [people["chiara"].id]


def test_phone_and_handle_fragments_find_the_person(session, actor, people):
    handle(session, actor, people["niccolo"].id, channel="phone", address="+39 347 1234567")
    handle(session, actor, people["sara"].id, channel="instagram", address="@sara.torrefa")
    for query in ("347 123", "0039347", "(347) 12-34", "+39 347"):
        assert names(session, actor, query) == ["Niccolò Rossi"], query
    assert names(session, actor, "@sara.torr") == ["Sara 100%_\\ Esposito"]


def test_a_company_is_found_by_name_domain_and_nearly_so(session, actor, people):
    for query in ("valdarno", "cerami vald", "valdarno.example", "valdarn0"):
        assert "Ceramiche Valdarno" in names(session, actor, query), query


def test_a_whole_address_finds_the_company_of_its_domain_alone(session, actor, people, monkeypatch):
    monkeypatch.setattr(finding, "within_time", None)
    for query, found in (("Someone@Valdarno.example.com ", ["Ceramiche Valdarno"]), ("a@darno.example.com", [])):
        assert [row.name for row in queries.search_companies(session, actor, text=query).items] == found


def test_the_reason_is_told(session, actor, people):
    by_company = queries.search(session, actor, text="ceramiche")
    assert [(hit.name, hit.matched) for hit in by_company] == [
        ("Chiara Moretti", Matched.COMPANY),
        ("Ceramiche Valdarno", Matched.NAME),
    ]


def test_another_workspace_finds_nothing_even_through_the_functions(session, actor, other_actor, people):
    enter_workspace(session, other_actor.workspace_id)
    assert names(session, other_actor, "chiara") == []
    for call in (
        "select * from crm_search_contacts('chiara', 10)",
        "select * from crm_search_contacts_close('chiarra', 10)",
        "select * from crm_search_companies('valdarno', 10)",
    ):
        assert session.execute(text(call)).all() == []
    enter_workspace(session, None)
    assert session.execute(text("select * from crm_search_contacts('chiara', 10)")).all() == []


def test_a_search_leaves_the_time_limit_as_it_was(session, actor, people):
    queries.search(session, actor, text="allesandro")
    assert session.execute(text("show statement_timeout")).scalar_one() == "0"


def test_a_search_that_takes_too_long_is_refused_and_the_transaction_goes_on(session, actor, people, monkeypatch):
    slow = text(
        "select null::uuid as id, '' as matched from pg_sleep(5) where :query <> '' or :limit > 0"
        " or :scope <> '' or cast(:viewer as uuid) is null"
    )
    monkeypatch.setattr(finding, "_CONTACTS", slow)
    monkeypatch.setattr(finding, "TIMEOUT_MS", 20)
    with pytest.raises(queries.SearchTooBroadError):
        queries.search(session, actor, text="chiara")
    assert queries.contact(session, actor, contact_id=people["chiara"].id).first_name == "Chiara"


def test_a_deleted_person_is_not_found(session, actor, people, now):
    services.delete(session, actor, contact_id=people["niccolo"].id, now=now)
    assert names(session, actor, "niccolo") == []


def test_a_number_without_prefix_is_looked_for_in_the_country_of_the_workspace(session, actor, people):
    handle(session, actor, people["sara"].id, channel=ChannelKind.WHATSAPP, address="+49 171 1234567")
    assert names(session, actor, "0171 1234567") == []
    session.get_one(Workspace, actor.workspace_id).country = "DE"
    assert names(session, actor, "0171 1234567") == ["Sara 100%_\\ Esposito"]
