"""The builder as a form: what a rule looks like in inputs, what comes back, and what the buttons do."""

import pytest
from filters.strategies import rules
from hypothesis import given, settings
from sqlalchemy import select
from werkzeug.datastructures import MultiDict

from crm.filters.catalogue import bind
from crm.filters.registry import catalogue
from crm.filters.schema import EVERYBODY, RuleError, parse
from crm.segments import services
from crm.segments.forms import Builder, GroupNode, LeafNode
from crm.segments.forms.inputs import control, option_controls
from crm.segments.models import Segment

IDS = ["00000000-0000-0000-0000-000000000001", "00000000-0000-0000-0000-000000000002"]
ROWS = (
    *("owner", "tag", "company_tag", "linked_to", "holds_offer.offer", "redeemed.offer", "campaign", "segment"),
    *("open_deal.stage", "deal_stage"),
)
STAGE = {"field": "lifecycle", "op": "any_of", "value": ["lead"]}
CITY = {"field": "city", "op": "is", "value": "Siena"}


def posted(builder):
    """What a browser would send for the builder."""
    sent = MultiDict()
    for node in builder:
        sent.add("node", node.id)
        if isinstance(node, GroupNode):
            sent.add(f"{node.id}.mode", node.mode)
            continue
        sent.add(f"{node.id}.field", node.name)
        sent.add(f"{node.id}.op", node.op)
        for part, values in node.inputs.items():
            for value in values:
                sent.add(f"{node.id}.v.{part}", value)
    return sent


def built(rule):
    return Builder.of(parse(rule), catalogue())


def again(builder):
    return Builder.posted(posted(builder), catalogue())


@settings(max_examples=150)
@given(rules(catalogue(), dict.fromkeys(ROWS, IDS)))
def test_a_rule_survives_the_way_through_the_inputs(rule):
    builder = again(built(rule))
    kept = builder.rule()
    assert again(Builder.of(kept, catalogue())).rule() == kept
    assert meaning(bind(kept, catalogue())) == meaning(bind(parse(rule), catalogue()))


def meaning(bound):
    """A bound rule without paths, single-child groups and double negations: what it says."""
    if hasattr(bound, "field"):
        value = bound.value
        if bound.field.type == "text":
            value = tuple(sorted(value)) if isinstance(value, tuple) else value
        return ("is", bound.field.name, bound.op, value, tuple(sorted((k, v) for k, v in bound.options.items())))
    children = [meaning(child) for child in bound.children]
    inner = children[0] if len(children) == 1 else ("every" if bound.every else "some", tuple(children))
    if not bound.denied:
        return inner
    return inner[1] if inner[0] == "not" else ("not", inner)


def test_none_of_these_is_a_group_of_its_own():
    builder = built({"all": [CITY, {"not": {"any": [STAGE]}}, {"not": CITY}, {"not": {"all": [CITY, STAGE]}}]})
    assert [child.mode for child in builder.root.children[1:]] == ["none", "none", "not_all"]


def test_a_double_negation_is_shown_as_what_it_says():
    builder = built({"not": {"not": {"any": [CITY, STAGE]}}})
    assert builder.root.mode == "any"


def test_an_added_condition_is_empty_takes_the_focus_and_counts_for_nothing_yet():
    builder = built({"all": [CITY]})
    builder.apply("condition:n")
    added = builder.root.children[1]
    assert (added.id, added.name, added.focus) == ("n-1", "", "field")
    rule, unfinished = again(builder).usable_rule()
    assert (rule.dump(), unfinished) == ({"version": 1, "all": [CITY]}, 1)


def test_an_added_group_holds_the_other_way_than_the_one_around_it():
    builder = built(EVERYBODY.dump())
    builder.apply("group:n")
    builder.apply("group:n-0")
    assert builder.root.children[0].mode == "any"
    assert builder.root.children[0].children[1].mode == "all"


def test_removing_a_condition_leaves_the_focus_beside_it():
    builder = built({"all": [CITY, STAGE]})
    builder.apply("remove:n-1")
    assert [child.name for child in builder.root.children] == ["city"]
    assert builder.root.children[0].focus == "field"
    builder.apply("remove:n-0")
    assert builder.root.focus == "add"
    assert builder.rule() == EVERYBODY


def test_a_copied_condition_stands_below_its_original():
    builder = built({"all": [CITY, STAGE]})
    builder.apply("copy:n-0")
    assert [child.name for child in builder.root.children] == ["city", "city", "lifecycle"]


def test_another_field_starts_with_its_first_operator_and_no_value():
    builder = built({"all": [CITY]})
    sent = posted(builder)
    sent["n-0.field"] = "birthday"
    changed = Builder.posted(sent, catalogue())
    changed.apply("field:n-0")
    leaf = changed.root.children[0]
    assert (leaf.op, leaf.inputs, leaf.focus) == ("in_next", {}, "op")


@pytest.mark.parametrize("action", ["", "remove:n", "remove:n-9", "explode:n-0", "condition:n-0", "copy:n", "x:y:z"])
def test_what_names_nothing_of_the_builder_changes_nothing(action):
    builder = built({"all": [CITY, STAGE]})
    builder.apply(action)
    assert builder.rule() == parse({"all": [CITY, STAGE]})


def test_nonsense_in_the_inputs_is_dropped_and_never_crashes():
    sent = MultiDict(
        [
            ("node", "n-5-5"),
            ("node", "n"),
            ("n.mode", "sideways"),
            ("node", "n-0"),
            ("n-0.field", "city"),
            ("n-0.op", "resembles"),
            ("n-0.v.value", "Siena"),
            ("node", "n-1"),
            ("n-1.field", "shoe_size"),
            *[("node", f"n-{number}") for number in range(2, 600)],
        ]
    )
    builder = Builder.posted(sent, catalogue())
    assert builder.root.mode == "all"
    assert builder.root.children[0].op == "is"
    assert builder.usable_rule()[0].dump() == {"version": 1, "all": [CITY]}


def test_a_mistake_is_marked_at_its_condition_and_the_rest_still_counts():
    builder = built(
        {"all": [CITY, {"field": "last_outbound", "op": "in_last", "value": {"amount": 3, "unit": "days"}}]}
    )
    builder.root.children[1].inputs["value.amount"] = ["many"]
    rule, unfinished = builder.usable_rule()
    assert (rule.dump()["all"], unfinished) == ([CITY], 1)
    assert set(builder.root.children[1].errors) == {"value"}
    with pytest.raises(RuleError):
        builder.rule()


def test_a_missing_value_is_told_only_when_the_rule_is_saved():
    builder = built({"all": [CITY, STAGE]})
    builder.root.children[1].inputs.clear()
    builder.usable_rule()
    assert builder.root.children[1].errors == {}
    with pytest.raises(RuleError):
        builder.rule()
    assert "value" in builder.root.children[1].errors


def test_an_option_that_is_wrong_is_named():
    rule = {"field": "interactions", "op": "at_least", "value": {"value": 1, "kind": ["call"]}}
    builder = built({"all": [rule]})
    builder.root.children[0].inputs["kind"] = ["shouting"]
    with pytest.raises(RuleError):
        builder.rule()
    assert set(builder.root.children[0].errors) == {"kind"}


def test_commas_and_points_are_both_decimal_marks():
    node = LeafNode(name="points", op="at_least", inputs={"value": ["12,0"]})
    builder = Builder(GroupNode(children=[node]), catalogue())
    assert builder.rule().dump()["all"][0]["value"] == 12.0


def test_each_field_has_a_control_for_each_operator_and_option():
    known = {"text", "words", "number", "money", "date", "span", "key", "keys", "months", "people", "switch", "none"}
    for field in catalogue():
        for op in field.operators:
            assert control(field, op).kind in known
        assert {shown.kind for shown in option_controls(field)} <= {"keys", "key", "span", "window"}


@pytest.mark.parametrize(
    "damage",
    [
        {"n.mode": "zz"},
        {"n-0.op": "zz"},
        {"node": ["n", "n-7-0"]},
        {"node": ["n-0"]},
        {"node": ["n", "n-0", "n-0"]},
        {"node": ["n", "n-0", "x"]},
        {"node": ["n"]},
        {"node": []},
        {"node": ["n", "n-0", "n-0-0"], "n-0-0.mode": "all"},
        {"node": ["n", "n-0", *(f"n-{place}" for place in range(1, 402))]},
    ],
    ids=str,
)
def test_a_garbled_rule_is_refused_and_nothing_is_saved(client, session, damage):
    form = {"name": "Key people", "node": ["n", "n-0"], "n.mode": "all", "n-0.field": "importance", "n-0.op": "any_of"}
    answer = client.post("/segments/new", data={**form, "n-0.v.value": ["key"], **damage})
    assert answer.status_code == 422
    assert "The rule did not arrive whole. Look at it again." in answer.text
    assert session.scalars(select(Segment)).all() == []


def test_a_garbled_rule_leaves_the_saved_one_as_it_is(client, session, actor, now):
    rule = {"version": 1, "all": [{"field": "importance", "op": "any_of", "value": ["key"]}]}
    row = services.create(session, actor, name="Key people", rule=parse(rule), now=now)
    answer = client.post(f"/segments/{row.id}", data={"node": ["n"], "n.mode": "zz"})
    assert answer.status_code == 422
    session.refresh(row)
    assert row.rule == rule


def test_a_whole_form_is_saved_and_an_empty_one_means_everybody(client, session):
    form = {"name": "Key people", "node": ["n", "n-0"], "n.mode": "all", "n-0.field": "importance", "n-0.op": "any_of"}
    assert client.post("/segments/new", data={**form, "n-0.v.value": ["key"]}).status_code == 302
    assert client.post("/segments/new", data={"name": "Everybody", "node": ["n"], "n.mode": "all"}).status_code == 302
    assert len(session.scalars(select(Segment)).all()) == 2
