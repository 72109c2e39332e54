import pytest
from filters.people import CATALOGUE, TAGS, load_tags
from flask import Flask

from crm.filters.catalogue import bind, labels
from crm.filters.schema import parse
from crm.filters.sentence import plain, sentence
from crm.filters.values import Choice
from crm.web import i18n

NAMES = labels(
    {
        "tag": load_tags(None, None),
        "tier": (Choice("gold", "Gold"), Choice("silver", "Silver")),
        "visits.kind": (Choice("shop", "shop"), Choice("web", "web")),
        "visited.kind": (),
    }
)
FIVE = {"amount": 500, "currency": "EUR"}
GOLD = {"field": "tier", "op": "any_of", "value": ["gold", "silver"]}
QUIET = {"field": "seen", "op": "not_in_last", "value": {"amount": 30, "unit": "days"}}
RICH = {"field": "points", "op": "more_than", "value": 1240}
CAME = {
    "field": "visits",
    "op": "at_least",
    "value": {"value": 2, "kind": ["shop"], "when": {"last": {"amount": 1, "unit": "weeks"}}},
}


def said(rule):
    return plain(sentence(bind(parse(rule), CATALOGUE), NAMES))


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        ({"all": []}, "Everybody."),
        (GOLD, "People whose tier is Gold or Silver."),
        ({"all": [GOLD, RICH]}, "People whose tier is Gold or Silver, and with more than 1,240 points."),
        (QUIET, "People whom we did not see in the last 30 days (or never)."),
        (CAME, "People with at least 2 visits in the shop in the last 1 week."),
        (
            {"all": [GOLD, {"any": [RICH, CAME]}]},
            (
                "People whose tier is Gold or Silver, and either with more than 1,240 points or with at least 2 visits"
                " in the shop in the last 1 week."
            ),
        ),
        (
            {"all": [GOLD, {"not": {"any": [RICH, QUIET]}}]},
            (
                "People whose tier is Gold or Silver; without those with more than 1,240 points or whom we did not see"
                " in the last 30 days (or never)."
            ),
        ),
        ({"not": GOLD}, "All people; without those whose tier is Gold or Silver."),
        (
            {"not": {"all": [GOLD, RICH]}},
            "All people; without those whose tier is Gold or Silver, and with more than 1,240 points.",
        ),
        (
            {"any": [GOLD, {"all": [RICH, {"not": QUIET}]}]},
            (
                "People whose tier is Gold or Silver or (with more than 1,240 points, and not among those whom we did"
                " not see in the last 30 days (or never))."
            ),
        ),
        ({"field": "tier", "op": "is_not", "value": "gold"}, "People whose tier is not Gold (or not known)."),
        ({"field": "name", "op": "no_value"}, "People whose name is not known."),
        ({"field": "birthday", "op": "in_month", "value": [2, 3]}, "People whose birthday is in February or March."),
        (
            {
                "field": "spent",
                "op": "between",
                "value": {"from": {"amount": 500, "currency": "EUR"}, "to": {"amount": 12050, "currency": "EUR"}},
            },
            "People whose spending is between €5.00 and €120.50.",
        ),
        ({"field": "since", "op": "on", "value": "2026-11-23"}, "People whose start was on November 23, 2026."),
        (
            {"field": "tag", "op": "all_of", "value": [str(TAGS[0]), str(TAGS[1])]},
            "People whose tags are all of tag 0 and tag 1.",
        ),
        ({"field": "visited", "op": "is", "value": {"value": False}}, "People who did not come."),
    ],
)
def test_a_rule_reads_back_as_a_sentence(rule, expected):
    assert said(rule) == expected


def test_values_stand_out_and_are_escaped():
    rule = {"field": "name", "op": "is", "value": "<b>Anna</b> %(value)s"}
    text = sentence(bind(parse(rule), CATALOGUE), NAMES)
    assert "<strong>&lt;b&gt;Anna&lt;/b&gt; %(value)s</strong>" in text


def test_a_choice_that_is_gone_is_said_to_be_gone():
    rule = {"field": "tag", "op": "any_of", "value": ["00000000-0000-0000-0000-0000000000ff"]}
    assert said(rule) == "People whose tags is (deleted)."


@pytest.fixture
def italian(settings):
    from crm.app import folder

    app = Flask("crm")
    i18n.init_app(app, folder("translations"))
    with app.test_request_context(headers={"Accept-Language": "it"}):
        yield


def test_the_sentence_is_italian_for_italians(italian):
    assert said({"all": [{"field": "since", "op": "in_last", "value": {"amount": 2, "unit": "months"}}, RICH]}) == (
        "Persone whose start risale agli ultimi 2 mesi e with più di 1.240 points."
    )
