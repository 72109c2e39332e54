import pytest
from filters.people import CATALOGUE, TAGS

from crm.filters.catalogue import bind
from crm.filters.schema import MAX_DEPTH, MAX_NODES, RuleError, parse

NAME = {"field": "name", "op": "is", "value": "Anna"}


def problems(data):
    with pytest.raises(RuleError) as caught:
        bind(parse(data), CATALOGUE)
    return {problem.at: problem.code for problem in caught.value.problems}


def test_a_rule_is_stored_with_its_version_and_read_back_the_same():
    rule = parse({"all": [NAME, {"not": {"any": [NAME]}}]})
    assert rule.dump() == {"version": 1, "all": [NAME, {"not": {"any": [NAME]}}]}
    assert parse(rule.dump()) == rule


def test_a_single_condition_is_a_rule():
    assert parse(NAME).dump() == {"version": 1, **NAME}


def test_the_empty_list_of_filters_means_everybody():
    assert parse({"all": []}).dump() == {"version": 1, "all": []}


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        ([], {"": "not_an_object"}),
        ({"version": 2, "all": []}, {"version": "unknown_version"}),
        ({"version": True, "all": []}, {"version": "unknown_version"}),
        ({"all": [], "any": []}, {"any": "unknown_key"}),
        ({"all": [{**NAME, "extra": 1}]}, {"all.0.extra": "unknown_key"}),
        ({"all": [{"op": "is", "value": "x"}]}, {"all.0.field": "missing"}),
        ({"all": [{"field": "name", "op": "resembles"}]}, {"all.0.op": "unknown_operator"}),
        ({"all": [NAME, {"any": []}]}, {"all.1": "empty_group"}),
        ({"all": [NAME, {"all": []}]}, {"all.1": "empty_group"}),
        ({"not": {"all": []}}, {"not": "empty_group"}),
        ({"any": []}, {"": "empty_group"}),
        ({"all": [3]}, {"all.0": "not_an_object"}),
        ({"all": {"field": "name"}}, {"all": "wrong_type"}),
    ],
)
def test_a_mistake_in_the_form_is_reported_where_it_is(data, expected):
    assert problems(data) == expected


@pytest.mark.parametrize(
    ("leaf", "expected"),
    [
        ({"field": "shoe_size", "op": "is", "value": 42}, {"field": "unknown_field"}),
        ({"field": "name", "op": "more_than", "value": 1}, {"op": "unknown_operator"}),
        ({"field": "name", "op": "is", "value": 3}, {"value": "wrong_type"}),
        ({"field": "name", "op": "is", "value": "  "}, {"value": "missing"}),
        ({"field": "name", "op": "is", "value": "a\x00b"}, {"value": "wrong_type"}),
        ({"field": "name", "op": "is", "value": "\ud800"}, {"value": "wrong_type"}),
        ({"field": "name", "op": "any_of", "value": ["Anna", ""]}, {"value.1": "missing"}),
        ({"field": "name", "op": "any_of", "value": ["x"] * 201}, {"value": "too_many"}),
        ({"field": "name", "op": "has_value", "value": "x"}, {"value": "no_value_wanted"}),
        ({"field": "points", "op": "at_least", "value": "7"}, {"value": "not_a_number"}),
        ({"field": "points", "op": "at_least", "value": True}, {"value": "not_a_number"}),
        ({"field": "points", "op": "at_least", "value": 1.5}, {"value": "not_whole"}),
        ({"field": "points", "op": "at_least", "value": 10**16}, {"value": "not_a_number"}),
        ({"field": "points", "op": "at_least", "value": float("nan")}, {"value": "not_a_number"}),
        ({"field": "points", "op": "between", "value": {"from": 5, "to": 1}}, {"value.to": "wrong_order"}),
        ({"field": "points", "op": "between", "value": {"from": 5}}, {"value.to": "missing"}),
        ({"field": "since", "op": "on", "value": "2026-02-30"}, {"value": "not_a_date"}),
        ({"field": "since", "op": "on", "value": "0001-01-01"}, {"value": "not_a_date"}),
        ({"field": "since", "op": "on", "value": 20260101}, {"value": "not_a_date"}),
        (
            {"field": "since", "op": "between", "value": {"from": "2026-02-02", "to": "2026-02-01"}},
            {"value": "wrong_order"},
        ),
        ({"field": "since", "op": "in_last", "value": {"amount": -1, "unit": "days"}}, {"value.amount": "wrong_type"}),
        ({"field": "since", "op": "in_last", "value": {"amount": 101, "unit": "years"}}, {"value": "too_long"}),
        ({"field": "since", "op": "in_last", "value": {"amount": 1, "unit": "eons"}}, {"value.unit": "wrong_type"}),
        ({"field": "since", "op": "in_last", "value": {"days": 3}}, {"value.amount": "missing"}),
        ({"field": "tier", "op": "is", "value": "wood"}, {"value": "unknown_choice"}),
        ({"field": "tag", "op": "any_of", "value": ["vip"]}, {"value.0": "unknown_choice"}),
        ({"field": "tag", "op": "any_of", "value": []}, {"value": "missing"}),
        ({"field": "visits", "op": "at_least", "value": 3}, {"value": "wrong_type"}),
        ({"field": "visits", "op": "at_least", "value": {}}, {"value.value": "missing"}),
        ({"field": "visits", "op": "at_least", "value": {"value": 1, "colour": 2}}, {"value.colour": "unknown_key"}),
        (
            {"field": "visits", "op": "at_least", "value": {"value": 1, "kind": ["x"]}},
            {"value.kind.0": "unknown_choice"},
        ),
        (
            {"field": "visits", "op": "at_least", "value": {"value": 1, "when": {"from": "2026-13-01"}}},
            {"value.when.from": "not_a_date"},
        ),
        ({"field": "visited", "op": "is", "value": {"value": "yes"}}, {"value.value": "wrong_type"}),
        ({"field": "birthday", "op": "in_month", "value": [13]}, {"value.0": "not_a_month"}),
        ({"field": "spent", "op": "is", "value": {"amount": 1.5, "currency": "EUR"}}, {"value.amount": "wrong_type"}),
        (
            {
                "field": "spent",
                "op": "between",
                "value": {"from": {"amount": 1, "currency": "EUR"}, "to": {"amount": 2, "currency": "USD"}},
            },
            {"value": "two_currencies"},
        ),
    ],
)
def test_a_mistake_in_a_condition_is_reported_where_it_is(leaf, expected):
    assert problems({"all": [NAME, leaf]}) == {f"all.1.{at}": code for at, code in expected.items()}


def test_all_mistakes_are_reported_at_once_with_a_message_each():
    with pytest.raises(RuleError) as caught:
        bind(parse({"all": [{**NAME, "field": "nothing"}, {**NAME, "value": ""}]}), CATALOGUE)
    assert set(caught.value.fields) == {"all.0.field", "all.1.value"}
    assert all(caught.value.fields.values())


def nested(levels):
    rule = NAME
    for _ in range(levels - 1):
        rule = {"all": [rule]}
    return rule


def test_a_rule_may_be_as_deep_as_the_limit_and_no_deeper():
    assert parse(nested(MAX_DEPTH))
    assert list(problems(nested(MAX_DEPTH + 1)).values()) == ["too_deep"]


def test_a_rule_of_absurd_depth_is_refused_and_not_followed():
    assert list(problems(nested(100_000)).values()) == ["too_deep"]


def test_a_rule_may_have_as_many_nodes_as_the_limit_and_no_more():
    assert parse({"all": [NAME] * (MAX_NODES - 1)})
    assert problems({"all": [NAME] * MAX_NODES}) == {"": "too_many_nodes"}


def test_values_of_rows_are_ids():
    bound = bind(parse({"field": "tag", "op": "any_of", "value": [str(TAGS[0])]}), CATALOGUE)
    assert bound.value == (str(TAGS[0]),)


def test_two_fields_of_one_name_are_refused():
    with pytest.raises(ValueError, match="name"):
        CATALOGUE.extended([CATALOGUE.fields["name"]])
