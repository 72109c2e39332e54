"""Serves the description of the API: the OpenAPI document for programs, the same document as a page for people."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from threading import Lock
from typing import Any

from flask import Blueprint, Response, jsonify, render_template

from crm.accounts.guards import any_role, public
from crm.web.api import PREFIX, spec

blueprint = Blueprint("api_docs", __name__, url_prefix=PREFIX)
_building = Lock()
_BODY = "application/json"
_PROBLEM = "application/problem+json"


@dataclass(frozen=True, slots=True)
class Field:
    """One parameter or one member of a body."""

    name: str
    kind: str
    required: bool
    note: str


@dataclass(frozen=True, slots=True)
class Operation:
    """One line of the page: what a method of an address does, takes and answers."""

    method: str
    path: str
    summary: str
    note: str
    parameters: tuple[Field, ...]
    body: tuple[Field, ...]
    answers: tuple[tuple[str, str, str], ...]


def document() -> dict[str, Any]:
    """The OpenAPI 3.1 document of all operations; built once, by one thread, inside a request."""
    with _building:
        described = spec.spec
        _name_problems(described)
        return described


def _name_problems(described: dict[str, Any]) -> None:
    """Say that refusals are problem documents: the library knows one media type for all answers."""
    for methods in described["paths"].values():
        for operation in methods.values():
            for status, answer in operation["responses"].items():
                if status.startswith("4") and _BODY in answer.get("content", {}):
                    answer["content"][_PROBLEM] = answer["content"].pop(_BODY)


def operations() -> dict[str, list[Operation]]:
    """{tag: its operations} in the order of the document."""
    described = document()
    found: dict[str, list[Operation]] = {tag["name"]: [] for tag in described["tags"]}
    for path, methods in described["paths"].items():
        for method, operation in methods.items():
            found[operation["tags"][0]].append(_operation(described, path, method, operation))
    return found


@blueprint.get("/openapi.json")
@public
def openapi() -> Response:
    """The OpenAPI document; it names no data, so that generators of clients may read it without a token."""
    return jsonify(document())


@blueprint.get("/docs")
@any_role
def docs() -> str:
    """The document as a page."""
    return render_template("desk/api_docs.html", operations=operations())


def _operation(described: Mapping[str, Any], path: str, method: str, operation: Mapping[str, Any]) -> Operation:
    body = operation.get("requestBody", {}).get("content", {}).get(_BODY, {}).get("schema", {})
    return Operation(
        method=method.upper(),
        path=path,
        summary=operation["summary"],
        note=operation["description"],
        parameters=tuple(
            Field(given["name"], _kind(given["schema"]), given["required"], given.get("description", ""))
            for given in operation["parameters"]
        ),
        body=tuple(_members(described, body)),
        answers=tuple(
            (status, answer["description"], _kind(_content(answer).get("schema", {})))
            for status, answer in sorted(operation["responses"].items())
        ),
    )


def _content(answer: Mapping[str, Any]) -> Mapping[str, Any]:
    return next(iter(answer.get("content", {}).values()), {})


def _members(described: Mapping[str, Any], schema: Mapping[str, Any]) -> Iterator[Field]:
    if "$ref" in schema:
        schema = described["components"]["schemas"][_kind(schema)]
    required = schema.get("required", ())
    for name, member in schema.get("properties", {}).items():
        yield Field(name, _kind(member), name in required, member.get("description", ""))


def _kind(schema: Mapping[str, Any]) -> str:
    """A schema in a word or two: `uuid`, `list of TextInput`, `string or null`; empty for no schema."""
    if "$ref" in schema:
        return schema["$ref"].rpartition("/")[2]
    if "anyOf" in schema:
        return " or ".join(dict.fromkeys(_kind(each) for each in schema["anyOf"]))
    if "enum" in schema:
        return " | ".join(str(value) for value in schema["enum"])
    if schema.get("type") == "array":
        return f"list of {_kind(schema.get('items', {})) or 'anything'}"
    return schema.get("format") or schema.get("type", "")
