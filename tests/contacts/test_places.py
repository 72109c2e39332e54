"""Places in companies, groups of companies, their domains and VAT numbers."""

from datetime import date

import pytest
from factories.contacts import company, contact

from crm.contacts import queries, rules, services
from crm.errors import InvalidInputError, NotFoundError


@pytest.fixture
def ann(session, actor):
    return contact(session, actor, "Ann Bo", email="ann@example.com")


def places(session, actor, person):
    session.expire_all()
    found = queries.affiliations_of(session, actor, contact_id=person.id)
    return [(one.company_name, one.role, one.is_primary, one.ended_on is not None) for one in found]


def add(session, actor, now, person, firm, **more):
    return services.add_affiliation(session, actor, contact_id=person.id, company_id=firm.id, now=now, **more)


def change(session, actor, now, place, **more):
    kept = {"role": place.role, "started_on": place.started_on, "ended_on": place.ended_on, "is_primary": False}
    given = {"contact_id": place.contact_id, "affiliation_id": place.id, "now": now}
    return services.change_affiliation(session, actor, **given, **(kept | more))


def test_a_person_works_for_several_companies_one_of_them_primary(session, actor, now, ann):
    alfa, beta, past = (company(session, actor, name) for name in ("Alfa", "Beta", "Past"))
    add(session, actor, now, ann, alfa, role="Buyer")
    second = add(session, actor, now, ann, beta, role="Socia 🌿")
    add(session, actor, now, ann, past, started_on=date(2010, 1, 1), ended_on=date(2019, 12, 31))
    assert places(session, actor, ann) == [
        ("Alfa", "Buyer", True, False),
        ("Beta", "Socia 🌿", False, False),
        ("Past", "", False, True),
    ]
    change(session, actor, now, second, is_primary=True, role="CEO")
    assert places(session, actor, ann)[:2] == [("Beta", "CEO", True, False), ("Alfa", "Buyer", False, False)]
    assert queries.contact(session, actor, contact_id=ann.id).company_id == beta.id


def test_when_the_primary_place_ends_the_latest_one_takes_over(session, actor, now, ann):
    firms = [company(session, actor, name) for name in ("Alfa", "Beta", "Gamma")]
    first = add(session, actor, now, ann, firms[0], started_on=date(2020, 1, 1))
    add(session, actor, now, ann, firms[1], started_on=date(2022, 1, 1))
    add(session, actor, now, ann, firms[2], started_on=date(2021, 1, 1))
    change(session, actor, now, first, ended_on=date(2026, 1, 1))
    assert queries.contact(session, actor, contact_id=ann.id).company_id == firms[1].id
    current, _ = queries.facts_of(session, actor, contact_id=ann.id)
    assert current["company_id"].value == str(firms[1].id)
    # Taken up again it is one of several.
    change(session, actor, now, first, ended_on=None)
    assert [one[0] for one in places(session, actor, ann)] == ["Beta", "Alfa", "Gamma"]


def test_without_any_place_a_person_has_no_company(session, actor, now, ann):
    place = add(session, actor, now, ann, company(session, actor, "Alfa"))
    services.end_affiliation(session, actor, affiliation_id=place.id, ended_on=date(2026, 1, 1), now=now)
    assert queries.contact(session, actor, contact_id=ann.id).company_id is None
    services.remove_affiliation(session, actor, contact_id=ann.id, affiliation_id=place.id, now=now)
    assert places(session, actor, ann) == []


def test_an_end_before_the_beginning_and_a_place_of_somebody_else_are_refused(session, actor, now, ann):
    place = add(session, actor, now, ann, company(session, actor, "Alfa"), started_on=date(2020, 1, 1))
    with pytest.raises(InvalidInputError) as refused:
        change(session, actor, now, place, started_on=date(2020, 1, 1), ended_on=date(2019, 1, 1))
    assert set(refused.value.fields) == {"ended_on"}
    other = contact(session, actor, "Carl Dini")
    with pytest.raises(NotFoundError):
        services.remove_affiliation(session, actor, contact_id=other.id, affiliation_id=place.id, now=now)


def test_a_company_knows_who_else_works_and_who_worked_there(session, actor, now, ann):
    alfa, beta = company(session, actor, "Alfa"), company(session, actor, "Beta")
    add(session, actor, now, ann, alfa)
    add(session, actor, now, ann, beta, role="Adviser")
    carl = contact(session, actor, "Carl Dini")
    add(session, actor, now, carl, beta, ended_on=date(2020, 1, 1), role="Founder")
    found = queries.places_in(session, actor, company_id=beta.id)
    assert [(one.name, one.role, one.ended_on) for one in found] == [
        ("Ann Bo", "Adviser", None),
        ("Carl Dini", "Founder", date(2020, 1, 1)),
    ]
    assert queries.places_in(session, actor, company_id=alfa.id) == []


def test_a_circle_of_companies_is_refused_by_naming_it(session, actor, now):
    firms = [company(session, actor, name) for name in ("Alfa", "Beta", "Gamma")]
    for low, high in ((1, 0), (2, 1)):
        services.update_company(
            session, actor, company_id=firms[low].id, changes={"parent_id": firms[high].id}, now=now
        )
    with pytest.raises(InvalidInputError) as refused:
        services.update_company(session, actor, company_id=firms[0].id, changes={"parent_id": firms[2].id}, now=now)
    assert refused.value.fields["parent_id"] == "This would close a circle: Alfa → Gamma → Beta → Alfa."
    with pytest.raises(InvalidInputError):
        services.update_company(session, actor, company_id=firms[0].id, changes={"parent_id": firms[0].id}, now=now)
    assert [one.name for one in queries.subsidiaries(session, actor, company_id=firms[0].id)] == ["Beta"]


def test_a_chain_of_companies_has_an_end(session, actor, now):
    chain = [company(session, actor, "C0")]
    for number in range(1, 10):
        chain.append(company(session, actor, f"C{number}", parent_id=chain[-1].id))
    with pytest.raises(InvalidInputError):
        company(session, actor, "C10", parent_id=chain[-1].id)
    top = company(session, actor, "Top")
    with pytest.raises(InvalidInputError):
        services.update_company(session, actor, company_id=chain[0].id, changes={"parent_id": top.id}, now=now)


@pytest.mark.parametrize(
    ("typed", "country", "kept"),
    [
        ("01774630519", "IT", "01774630519"),
        ("it 017.746.305-19", "", "IT01774630519"),
        ("DE136695976", "IT", "DE136695976"),
        ("EL094259216", "GR", "EL094259216"),
        ("094259216", "GR", "094259216"),
        ("CHE-123.456.788 MWST", "CH", "CHE123456788MWST"),
        ("anything", "US", "ANYTHING"),
        ("", "IT", ""),
    ],
)
def test_a_vat_number_is_kept_without_its_decoration(typed, country, kept):
    assert rules.vat_number(typed, country=country) == kept


@pytest.mark.parametrize(("typed", "country"), [("01774630510", "IT"), ("DE136695977", ""), ("12", "IT"), ("x", "FR")])
def test_a_mistyped_vat_number_is_refused(typed, country):
    with pytest.raises(ValueError, match=typed):
        rules.vat_number(typed, country=country)


def test_a_mistyped_vat_number_is_refused_beside_its_field(session, actor, now):
    with pytest.raises(InvalidInputError) as refused:
        company(session, actor, "Bo", vat_number="01774630510", now=now)
    assert set(refused.value.fields) == {"vat_number"}
    firm = company(session, actor, "Bo", vat_number="017 746 305 19")
    assert firm.vat_number == "01774630519"
    with pytest.raises(InvalidInputError):
        services.update_company(session, actor, company_id=firm.id, changes={"vat_number": "1"}, now=now)


def test_a_company_has_several_domains_and_no_two_share_one(session, actor, now):
    bo = company(session, actor, "Bo", website="bo.example", domains=["www.bo.example.net", "bo.example.org"])
    assert queries.domains_of(session, actor, company_ids=[bo.id]) == {bo.id: ["bo.example.net", "bo.example.org"]}
    assert queries.company_by_domain(session, actor, domain="bo.example.net").id == bo.id
    for wrong in ({"domains": ["bo.example.org"]}, {"domains": ["nothing"]}):
        with pytest.raises(InvalidInputError) as refused:
            company(session, actor, "Other", **wrong)
        assert set(refused.value.fields) == {"domains"}
    with pytest.raises(services.CompanyExistsError):
        company(session, actor, "Third", website="https://bo.example.org")
    services.update_company(session, actor, company_id=bo.id, changes={"domains": []}, now=now)
    assert queries.domains_of(session, actor, company_ids=[bo.id]) == {}


def test_the_domain_of_a_mail_address_suggests_the_company(session, actor):
    bo = company(session, actor, "Bo", website="bo.example", domains=["bo.example.net"])
    ann = contact(session, actor, "Ann Bo", email="ann@bo.example.net")
    _current, suggested = queries.facts_of(session, actor, contact_id=ann.id)
    assert [(one.field, one.value, one.source_url) for one in suggested] == [
        ("company_id", str(bo.id), "bo.example.net")
    ]
    company(session, actor, "Mail", website="gmail.com")
    carl = contact(session, actor, "Carl Dini", email="carl@gmail.com")
    assert queries.facts_of(session, actor, contact_id=carl.id)[1] == []


def test_places_on_pages(client, session, actor, ann):
    url = f"/contacts/{ann.id}/companies"
    sent = {"company": "Alfa", "role": "Buyer", "started_on": "2020-02-01", "is_primary": "y"}
    assert client.post(url, data=sent).status_code == 303
    client.post(url, data={"company": "شركة 🌿", "role": "مدير"})
    wrong = client.post(url, data={"company": "Beta", "started_on": "2020-02-01", "ended_on": "2019-01-01"})
    assert wrong.status_code == 422
    assert "The end is before the beginning" in wrong.text
    first, second = queries.affiliations_of(session, actor, contact_id=ann.id)
    page = client.get(f"/contacts/{ann.id}").text
    assert "شركة 🌿" in page
    assert "Other companies" in page
    edited = client.post(
        f"{url}/{first.id}", data={"role": "Buyer", "started_on": "2020-02-01", "ended_on": "2024-01-31"}
    )
    assert edited.status_code == 303
    assert "Worked here before" in client.get(f"/companies/{first.company_id}").text
    assert "1 February 2020 to 31 January 2024" in client.get(url).text
    client.post(f"{url}/{second.id}/remove")
    session.expire_all()
    assert len(queries.affiliations_of(session, actor, contact_id=ann.id)) == 1


def test_the_group_of_a_company_on_its_pages(client, session, actor):
    top = company(session, actor, "Top")
    form = {"kind": "customer", "owner_id": "", "country": ""}
    made = client.post(
        "/companies/new", data={**form, "name": "Low", "parent_name": "TOP", "domains": "low.example, low.example.net"}
    )
    page = client.get(made.headers["Location"]).text
    assert "low.example, low.example.net" in page
    assert "Belong to it" in client.get(f"/companies/{top.id}").text
    assert 'value="Top"' in client.get(made.headers["Location"] + "/edit").text
    circle = client.post(f"/companies/{top.id}/edit", data={**form, "name": "Top", "parent_name": "Low"})
    assert circle.status_code == 422
    assert "Top → Low → Top" in circle.text
    nobody = client.post("/companies/new", data={**form, "name": "X", "parent_name": "Nobody"})
    assert "no company called so" in nobody.text


def test_places_over_the_api(client, session, actor, ann):
    alfa, beta = company(session, actor, "Alfa"), company(session, actor, "Beta")
    url = f"/api/v1/contacts/{ann.id}/companies"
    client.post(url, json={"company_id": str(alfa.id), "role": "Buyer"})
    items = client.post(url, json={"company_id": str(beta.id), "started_on": "2020-01-01"}).get_json()["items"]
    second = next(one for one in items if one["company_name"] == "Beta")
    changed = client.patch(f"{url}/{second['id']}", json={"is_primary": True}).get_json()["items"]
    assert [(one["company_name"], one["is_primary"], one["started_on"]) for one in changed] == [
        ("Beta", True, "2020-01-01"),
        ("Alfa", False, None),
    ]
    ended = client.patch(f"{url}/{second['id']}", json={"ended_on": "2019-01-01"})
    assert ended.status_code == 422
    assert client.delete(f"{url}/{second['id']}").status_code == 204
    firm = client.patch(f"/api/v1/companies/{alfa.id}", json={"domains": ["alfa.example"]}).get_json()
    assert firm["domains"] == ["alfa.example"]
