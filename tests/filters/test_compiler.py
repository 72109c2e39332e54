from datetime import UTC, date, datetime, timedelta
from uuid import UUID

import pytest
from filters.people import CATALOGUE, CONTEXT, ELSEWHERE, NOW, TAGS, metadata, person, person_row, store
from filters.strategies import leaves, people, rules
from hypothesis import example, given, settings
from hypothesis import strategies as st

from crm.filters.catalogue import bind
from crm.filters.compiler import select_ids
from crm.filters.evaluate import evaluate
from crm.filters.schema import parse

KEYS = {"tag": [str(tag) for tag in TAGS]}
RULES = rules(CATALOGUE, KEYS)


@pytest.fixture(scope="module")
def tables(database):
    """A connection with the small tables of the tests, temporary and gone with it."""
    with database.engine.connect() as connection:
        metadata.create_all(connection)
        yield connection
        connection.rollback()


def found(connection, rule):
    bound = bind(parse(rule), CATALOGUE)
    return set(connection.execute(select_ids(bound, CONTEXT, CATALOGUE.subject)).scalars())


def expected(rule, everybody):
    bound = bind(parse(rule), CATALOGUE)
    return {
        one["id"]
        for one in everybody
        if one["workspace_id"] == CONTEXT.workspace_id and evaluate(bound, one, CONTEXT, CATALOGUE.subject)
    }


@settings(max_examples=60)
@given(
    everybody=st.lists(people(), max_size=8, unique_by=lambda one: one["id"]),
    asked=st.lists(RULES, min_size=4, max_size=12),
)
@example(everybody=[person_row(1, name="")], asked=[{"field": "name", "op": "no_value", "value": None}])
def test_the_compiled_rule_finds_whom_the_plain_evaluator_finds(tables, everybody, asked):
    store(tables, everybody)
    for rule in asked:
        assert found(tables, rule) == expected(rule, everybody), rule


@pytest.mark.parametrize("name", sorted(CATALOGUE.fields))
@settings(max_examples=25)
@given(data=st.data())
def test_each_field_finds_the_same_people_in_both_ways(tables, name, data):
    everybody = data.draw(st.lists(people(), min_size=3, max_size=8, unique_by=lambda one: one["id"]))
    store(tables, everybody)
    asked = data.draw(st.lists(leaves(CATALOGUE.fields[name], KEYS), min_size=10, max_size=20))
    for rule in asked:
        assert found(tables, rule) == expected(rule, everybody), rule


ANNA = person_row(1, name="Anna", points=10, tier="gold", seen_at=NOW - timedelta(days=40))
BRUNO = person_row(2, name="Bruno")
ELSA = person_row(3, name="Anna", workspace_id=ELSEWHERE)


@pytest.mark.parametrize(
    ("rule", "names"),
    [
        ({"all": []}, {"Anna", "Bruno"}),
        ({"field": "name", "op": "is", "value": "ÀNNA"}, {"Anna"}),
        ({"field": "tier", "op": "is_not", "value": "silver"}, {"Anna", "Bruno"}),
        ({"field": "tier", "op": "none_of", "value": ["gold"]}, {"Bruno"}),
        ({"field": "seen", "op": "not_in_last", "value": {"amount": 30, "unit": "days"}}, {"Anna", "Bruno"}),
        ({"field": "seen", "op": "not_in_last", "value": {"amount": 6, "unit": "weeks"}}, {"Bruno"}),
        ({"field": "points", "op": "less_than", "value": 100}, {"Anna"}),
        ({"not": {"field": "points", "op": "less_than", "value": 100}}, {"Bruno"}),
        ({"field": "points", "op": "is_not", "value": 10}, {"Bruno"}),
        ({"field": "visits", "op": "less_than", "value": {"value": 1}}, {"Anna", "Bruno"}),
        ({"field": "name", "op": "contains", "value": "%"}, set()),
    ],
)
def test_what_is_absent_counts_honestly(tables, rule, names):
    store(tables, [ANNA, BRUNO, ELSA])
    by_id = {one["id"]: one["name"] for one in (ANNA, BRUNO)}
    assert {by_id[one] for one in found(tables, rule)} == names


def test_values_reach_the_database_as_parameters_only(tables):
    rule = {"all": [{"field": "name", "op": "is", "value": "x'; drop table contact; --"}]}
    statement = select_ids(bind(parse(rule), CATALOGUE), CONTEXT, CATALOGUE.subject)
    assert "drop table" not in str(statement.compile(tables))
    store(tables, [ANNA])
    assert tables.execute(statement).all() == []


def test_a_denied_group_becomes_an_anti_join_and_no_negated_subplan(tables):
    rule = {"not": {"any": [{"field": "tag", "op": "any_of", "value": [str(TAGS[0])]}]}}
    statement = select_ids(bind(parse(rule), CATALOGUE), CONTEXT, CATALOGUE.subject)
    compiled = statement.compile(tables, compile_kwargs={"literal_binds": True})
    plan = "\n".join(tables.exec_driver_sql(f"explain {compiled}").scalars())
    assert "Anti Join" in plan
    assert "SubPlan" not in plan


def test_several_further_conditions_narrow_the_people(tables):
    store(tables, [ANNA, BRUNO])
    bound = bind(parse({"all": []}), CATALOGUE)
    statement = select_ids(bound, CONTEXT, CATALOGUE.subject, person.c.id == BRUNO["id"])
    assert tables.execute(statement).scalars().all() == [BRUNO["id"]]


def test_a_visit_at_local_midnight_belongs_to_the_day_that_begins(tables):
    midnight = datetime(2027, 2, 24, 23, 0, tzinfo=UTC)
    visitor = person_row(4, visits=({"kind": "shop", "at": midnight, "spent": 1},))
    store(tables, [visitor])
    day = date(2027, 2, 25).isoformat()
    asked = {"field": "visits", "op": "at_least", "value": {"value": 1, "when": {"from": day, "to": day}}}
    assert found(tables, asked) == {UUID(int=1004)}
