"""Facts: every value knows where it came from, and machines propose."""

import pytest
from factories.contacts import company, contact

from crm.contacts import queries, rules, services
from crm.contacts.kinds import FactOrigin
from crm.contacts.rules import FactDecision
from crm.errors import InvalidInputError


@pytest.mark.parametrize(
    ("origin", "current", "current_origin", "rejected", "decision"),
    [
        (FactOrigin.FOUND, "", None, frozenset(), FactDecision.APPLY),
        (FactOrigin.FOUND, "old", FactOrigin.FOUND, frozenset(), FactDecision.APPLY),
        (FactOrigin.FOUND, "old", FactOrigin.TYPED, frozenset(), FactDecision.SUGGEST),
        (FactOrigin.FOUND, "old", FactOrigin.IMPORTED, frozenset(), FactDecision.SUGGEST),
        (FactOrigin.FOUND, "old", None, frozenset(), FactDecision.SUGGEST),
        (FactOrigin.FOUND, "old", FactOrigin.TYPED, frozenset({"new"}), FactDecision.IGNORE),
        (FactOrigin.FOUND, "new", FactOrigin.TYPED, frozenset(), FactDecision.IGNORE),
        (FactOrigin.IMPORTED, "old", FactOrigin.TYPED, frozenset(), FactDecision.APPLY),
        (FactOrigin.TYPED, "old", FactOrigin.FOUND, frozenset({"new"}), FactDecision.APPLY),
    ],
)
def test_people_decide_and_machines_propose(origin, current, current_origin, rejected, decision):
    found = rules.decide_fact(
        new="new", origin=origin, current=current, current_origin=current_origin, rejected=rejected
    )
    assert found is decision


def find(session, actor, now, firm, value, field="city"):
    return services.record_fact(
        session,
        actor,
        company_id=firm.id,
        field=field,
        value=value,
        origin=FactOrigin.FOUND,
        source="website",
        source_url="https://bo.example.com/about",
        now=now,
    )


def test_a_finding_fills_a_gap_and_says_where_it_was_found(session, actor, now):
    firm = company(session, actor)
    find(session, actor, now, firm, "Lucca")
    current, _ = queries.facts_of(session, actor, company_id=firm.id)
    assert (firm.city, firm.city_norm, current["city"].source_url) == ("Lucca", "lucca", "https://bo.example.com/about")


def test_a_finding_against_a_typed_value_waits_for_a_person(session, actor, now):
    firm = company(session, actor, city="Prato")
    waiting = find(session, actor, now, firm, "Lucca")
    assert find(session, actor, now, firm, "Lucca").id == waiting.id
    _, suggested = queries.facts_of(session, actor, company_id=firm.id)
    assert ([one.value for one in suggested], firm.city) == (["Lucca"], "Prato")


def test_an_accepted_suggestion_becomes_the_value(session, actor, now):
    firm = company(session, actor, city="Prato")
    waiting = find(session, actor, now, firm, "Lucca")
    services.decide_suggestion(session, actor, fact_id=waiting.id, accept=True, now=now)
    current, suggested = queries.facts_of(session, actor, company_id=firm.id)
    assert (firm.city, current["city"].value, suggested) == ("Lucca", "Lucca", [])
    with pytest.raises(services.SuggestionNotFoundError):
        services.decide_suggestion(session, actor, fact_id=waiting.id, accept=False, now=now)


def test_a_refused_suggestion_is_never_made_again(session, actor, now):
    firm = company(session, actor, city="Prato")
    waiting = find(session, actor, now, firm, "Lucca")
    services.decide_suggestion(session, actor, fact_id=waiting.id, accept=False, now=now)
    assert find(session, actor, now, firm, "Lucca") is None
    assert firm.city == "Prato"


def test_a_newer_finding_of_the_same_source_takes_the_older_ones_place(session, actor, now):
    firm = company(session, actor, city="Prato")
    find(session, actor, now, firm, "Lucca")
    find(session, actor, now, firm, "Pisa")
    _, suggested = queries.facts_of(session, actor, company_id=firm.id)
    assert [one.value for one in suggested] == ["Pisa"]


def test_typing_the_suggested_value_settles_the_suggestion(session, actor, now):
    person = contact(session, actor, title="Clerk")
    services.suggest_fact(session, actor, contact_id=person.id, field="title", value="Buyer", source="website", now=now)
    services.update(session, actor, contact_id=person.id, changes={"title": "Buyer"}, now=now)
    assert queries.facts_of(session, actor, contact_id=person.id)[1] == []


def test_a_finding_that_the_field_can_not_take_is_refused(session, actor, now):
    firm = company(session, actor)
    with pytest.raises(InvalidInputError):
        find(session, actor, now, firm, "many", field="staff")
    with pytest.raises(services.UnknownFieldError):
        find(session, actor, now, firm, "x", field="version")


def test_a_number_that_was_found_is_kept_as_a_number(session, actor, now):
    firm = company(session, actor)
    find(session, actor, now, firm, "120", field="staff")
    assert firm.staff == 120
