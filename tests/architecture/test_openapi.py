"""The description of the API: complete, valid, unambiguous, and readable by people."""

import re
from collections import defaultdict
from typing import Any

import pytest
from openapi_spec_validator import validate
from pydantic import BaseModel

from crm.web.api import PREFIX, ApiModel

DESCRIBES = {"api_docs.openapi", "api_docs.docs"}


@pytest.fixture
def document(anonymous) -> dict[str, Any]:
    answer = anonymous.get(f"{PREFIX}/openapi.json")
    assert answer.status_code == 200
    return answer.get_json()


def operations(document):
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            yield method.upper(), path, operation


def test_the_document_is_valid_openapi_3_1(document):
    assert document["openapi"].startswith("3.1")
    validate(document)


def test_every_refusal_is_described_as_the_problem_document_that_it_is(document):
    described = {
        kind
        for _method, _path, operation in operations(document)
        for status, answer in operation["responses"].items()
        if status.startswith("4")
        for kind in answer["content"]
    }
    assert described == {"application/problem+json"}


def test_every_view_of_the_api_is_in_the_document(app, document):
    described = {(method, path) for method, path, _operation in operations(document)}
    routed = {
        (method, re.sub(r"<(?:[^:>]+:)?(\w+)>", r"{\1}", rule.rule))
        for rule in app.url_map.iter_rules()
        if rule.rule.startswith(PREFIX) and rule.endpoint not in DESCRIBES
        for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}
    }
    assert described == routed


def test_every_operation_says_what_it_does_takes_and_answers(document):
    vague = []
    for method, path, operation in operations(document):
        successes = {status for status in operation["responses"] if status.startswith("2")}
        says = operation["summary"].endswith((".", "?")) and len(successes) == 1
        if "_id}" in path:
            says = says and "404" in operation["responses"]
        if not says:
            vague.append(f"{method} {path}: {operation['summary']} {sorted(operation['responses'])}")
    assert vague == []


def test_every_operation_has_a_readable_id_of_its_own(document):
    ids = [operation["operationId"] for _method, _path, operation in operations(document)]

    assert len(set(ids)) == len(ids)
    assert all(re.fullmatch(r"[a-z]+_[a-z_]+", each) for each in ids)


def descendants(model: type[BaseModel]):
    for child in model.__subclasses__():
        yield child
        yield from descendants(child)


def test_no_two_models_share_a_name_in_the_document(app, document):
    """Models stand in the document under their class's name: a namesake would silently describe both."""
    named = defaultdict(set)
    for model in descendants(ApiModel):
        named[model.__name__].add(model.__module__)
    shared = {
        name: sorted(modules)
        for name, modules in named.items()
        if len(modules) > 1 and name in document["components"]["schemas"]
    }
    assert shared == {}


def test_unknown_fields_are_refused_by_every_body(document):
    loose = []
    for method, path, operation in operations(document):
        content = operation.get("requestBody", {}).get("content", {})
        for body in content.values():
            name = body["schema"]["$ref"].rpartition("/")[2]
            if document["components"]["schemas"][name].get("additionalProperties") is not False:
                loose.append(f"{method} {path}: {name}")
    assert loose == []


def test_a_stranger_may_read_the_document_but_not_use_it(anonymous, document):
    assert document["security"] == [{"token": []}]
    for method, path, _operation in operations(document):
        if "{" not in path:
            assert anonymous.open(path, method=method).status_code == 401, path


def test_people_read_the_same_document_as_a_page(client, document):
    page = client.get(f"{PREFIX}/docs")

    assert page.status_code == 200
    for method, path, operation in operations(document):
        assert f">{method}<" in page.text
        assert path in page.text
        assert operation["summary"].split("'")[0].split("<")[0].split("&")[0].split('"')[0] in page.text


def test_the_page_wants_a_sign_in(anonymous):
    assert anonymous.get(f"{PREFIX}/docs").status_code == 401
