"""What rules ask about deals: the database and the plain evaluator say the same of the same people."""

from datetime import timedelta

import pytest
from factories.contacts import contact
from factories.deals import NOW, deal, moved, pipeline, stage

from crm import wiring
from crm.filters.catalogue import RuleContext, bind
from crm.filters.compiler import select_ids
from crm.filters.evaluate import evaluate
from crm.filters.schema import parse


@pytest.fixture
def people(session, actor):
    """Ann has an open offer of 500 euro, Carl won twice, Eve lost one, Leo has none."""
    pipeline(session, actor)
    ann, carl, eve, leo = (contact(session, actor, name) for name in ("Ann Bo", "Carl Dini", "Eve Fo", "Leo Gi"))
    offer = stage(session, actor, "Offer").id
    deal(session, actor, contact_id=ann.id, amount_minor=50_000, stage_id=offer)
    for days in (10, 200):
        made = deal(session, actor, contact_id=carl.id)
        moved(session, actor, made.id, "Won", now=NOW - timedelta(days=days))
    moved(session, actor, deal(session, actor, contact_id=eve.id).id, "Lost")
    return {"ann": ann.id, "carl": carl.id, "eve": eve.id, "leo": leo.id}


@pytest.mark.parametrize(
    ("leaf", "who"),
    [
        ({"field": "open_deal", "op": "is", "value": {"value": True}}, {"ann"}),
        ({"field": "open_deal", "op": "is", "value": {"value": False}}, {"carl", "eve", "leo"}),
        ({"field": "deal_amount", "op": "at_least", "value": {"amount": 50_000, "currency": "EUR"}}, {"ann"}),
        ({"field": "deal_amount", "op": "more_than", "value": {"amount": 50_000, "currency": "EUR"}}, set()),
        ({"field": "deal_amount", "op": "at_least", "value": {"amount": 1, "currency": "USD"}}, set()),
        ({"field": "deal_stage", "op": "any_of", "value": ["{offer}"]}, {"ann"}),
        ({"field": "deals_won", "op": "at_least", "value": {"value": 1}}, {"carl"}),
        ({"field": "deals_won", "op": "at_least", "value": {"value": 2}}, {"carl"}),
        (
            {
                "field": "deals_won",
                "op": "at_least",
                "value": {"value": 2, "when": {"last": {"amount": 90, "unit": "days"}}},
            },
            set(),
        ),
    ],
)
def test_the_database_and_the_facts_agree(session, actor, people, leaf, who):
    if leaf["field"] == "deal_stage":
        leaf = {**leaf, "value": [str(stage(session, actor, "Offer").id)]}
    catalogue = wiring.catalogue()
    bound = bind(parse({"all": [leaf]}), catalogue)
    context = RuleContext(workspace_id=actor.workspace_id, now=NOW, tz="Europe/Rome")
    found = set(session.scalars(select_ids(bound, context, catalogue.subject)))
    assert found == {people[name] for name in who}
    facts = catalogue.facts(session, context, list(people.values()))
    assert {key for key in people.values() if evaluate(bound, facts[key], context, catalogue.subject)} == found
