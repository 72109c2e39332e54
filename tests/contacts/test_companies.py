"""Companies: one per domain, found again by domain or name, never above themselves."""

import pytest
from factories.contacts import company, contact

from crm.contacts import queries, services
from crm.contacts.kinds import FactOrigin
from crm.errors import InvalidInputError


@pytest.mark.parametrize(
    ("typed", "domain"),
    [
        ("https://www.Ceramiche.example.com/chi-siamo", "ceramiche.example.com"),
        ("ceramiche.example.com", "ceramiche.example.com"),
        ("caffè.example.com", "xn--caff-8oa.example.com"),
        ("localhost", ""),
        ("", ""),
        ("http://[broken", ""),
    ],
)
def test_a_web_address_gives_the_bare_domain(typed, domain):
    assert services.bare_domain(typed) == domain


def test_a_second_company_on_one_domain_is_refused_with_the_first(session, actor):
    first = company(session, actor, website="https://www.bo.example.com")
    with pytest.raises(services.CompanyExistsError) as refused:
        company(session, actor, "Other", domain="bo.example.com")
    assert refused.value.company_id == first.id


def test_a_company_is_found_again_by_domain_or_name(session, actor, now):
    first = company(session, actor, "Bo Ceramiche", domain="bo.example.com")

    def found(**given):
        return services.find_or_create_company(
            session, actor, origin=FactOrigin.IMPORTED, source="people.csv", now=now, **given
        )

    assert found(name="anything", domain="https://www.bo.example.com").id == first.id
    assert found(name="BO  ceramiche").id == first.id
    assert found(name="Bo Ceramiche", domain="bo-ceramiche.example.com").id != first.id


def test_a_bad_website_is_refused_beside_its_field(session, actor):
    with pytest.raises(InvalidInputError) as refused:
        company(session, actor, website="not a site")
    assert list(refused.value.fields) == ["website"]


def test_a_company_can_not_stand_above_itself(session, actor, now):
    top = company(session, actor, "Top")
    low = company(session, actor, "Low", parent_id=top.id)
    with pytest.raises(InvalidInputError):
        services.update_company(session, actor, company_id=top.id, changes={"parent_id": low.id}, now=now)


def test_two_edits_of_one_field_of_a_company_ask(session, actor, now):
    firm = company(session, actor)
    services.update_company(session, actor, company_id=firm.id, changes={"city": "Pisa"}, expected_version=1, now=now)
    services.update_company(session, actor, company_id=firm.id, changes={"staff": 3}, expected_version=1, now=now)
    with pytest.raises(services.EditConflictError):
        services.update_company(
            session, actor, company_id=firm.id, changes={"city": "Lucca"}, expected_version=1, now=now
        )


def test_a_deleted_company_frees_its_domain_and_keeps_its_people(session, actor, now):
    firm = company(session, actor, domain="bo.example.com")
    person = contact(session, actor, company_id=firm.id)
    services.delete_company(session, actor, company_id=firm.id, now=now)
    session.expire_all()
    assert queries.contact(session, actor, contact_id=person.id).company_id is None
    assert company(session, actor, "New", domain="bo.example.com").id != firm.id
    with pytest.raises(queries.CompanyNotFoundError):
        queries.company(session, actor, company_id=firm.id)


def test_the_list_of_companies_pages_by_name(session, actor):
    for name in ("Zeta", "Àlfa", "beta"):
        company(session, actor, name)
    first = queries.list_companies(session, actor, limit=2)
    second = queries.list_companies(session, actor, limit=2, after=first.next)
    assert [row.name for row in [*first.items, *second.items]] == ["Àlfa", "beta", "Zeta"]
