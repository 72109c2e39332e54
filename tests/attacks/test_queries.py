"""Addresses as people bend them: an empty or a huge value for each word behind the question mark."""

import re

import pytest
from factories.everything import everything
from factories.routes import address, asked_of, rules

from crm.web.api import PREFIX

STRANGE = ("", "9" * 30)


@pytest.fixture
def ids(session, actor, settings):
    return everything(session, actor, home=settings.home)


def queries(app, document):
    """(rule, the words that its GET reads)."""
    described = {
        re.sub(r"{\w+}", "{}", path): {one["name"] for one in methods["get"]["parameters"] if one["in"] == "query"}
        for path, methods in document["paths"].items()
        if "get" in methods
    }
    for rule in rules(app):
        if "GET" in rule.methods and not rule.endpoint.startswith("security."):
            path = re.sub(r"<[^>]+>", "{}", rule.rule)
            yield rule, described.get(path, set()) | asked_of(app.view_functions[rule.endpoint])


def test_no_address_breaks_on_a_strange_value(app, client, ids):
    document = client.get(f"{PREFIX}/openapi.json").get_json()
    broken, tried = [], 0
    for rule, names in queries(app, document):
        for name in sorted(names):
            for value in STRANGE:
                answer = client.get(address(rule, ids), query_string={name: value})
                tried += 1
                if answer.status_code >= 500:
                    broken.append(f"{rule.rule}?{name}={value}")
    assert broken == []
    assert tried > 300


@pytest.mark.parametrize("path", ["/contacts?sort=last_exchange&after=", "/tasks?after=", "/tasks?done=1&after="])
def test_an_empty_page_marker_is_the_first_page(client, ids, path):
    assert client.get(path).status_code == 200
