"""Owns the furniture of the REST API: blueprints, strict input models, page and problem shapes, the document."""

import json
from collections.abc import Callable, Mapping
from typing import Any, ParamSpec, TypeVar
from uuid import UUID

from flask import Blueprint, Response, jsonify, request
from pydantic import BaseModel, ConfigDict, Field, ValidationError, create_model
from spectree import Response as SpecResponse
from spectree import SecurityScheme, SpecTree
from spectree.models import SecureType, SecuritySchemeData

from crm.errors import InvalidInputError, worded
from crm.numbers import whole
from crm.web.characters import refuse_unstorable
from crm.web.findings import NOT_VALID, field_errors
from crm.web.paging import Page

PREFIX = "/api/v1"
M = TypeVar("M", bound=BaseModel)
P = ParamSpec("P")
R = TypeVar("R")


class ApiModel(BaseModel):
    """Base of input and output models: unknown fields are refused."""

    model_config = ConfigDict(extra="forbid", from_attributes=True)


class PageQuery(ApiModel):
    """The query of every list."""

    limit: int = Field(50, ge=1, le=200, description="Most items in the answer.")
    after: str | None = Field(None, description="The `next` of the previous answer.")


class Problem(BaseModel):
    """RFC 9457 problem document."""

    type: str
    title: str
    status: int
    code: str
    errors: dict[str, str] = {}
    request_id: str = ""


spec = SpecTree(
    "flask",
    title="Filodiretto",
    version="1",
    # Spectree leaves out the routes below its own path; `crm.desk.api_docs` serves the document in its place.
    path="api/v1/openapi",
    openapi_version="3.1.0",
    mode="strict",
    page_templates={},
    validation_error_status=422,
    validation_error_model=Problem,
    security_schemes=[SecurityScheme(name="token", data=SecuritySchemeData(type=SecureType.HTTP, scheme="bearer"))],
    security={"token": []},
    naming_strategy=lambda model: model.__name__,
    nested_naming_strategy=lambda _parent, child: child,
)


def page_model(item: type[BaseModel]) -> type[BaseModel]:
    """The model of a list answer: `{"items": [item], "next": cursor | null}`."""
    name = f"{item.__name__}Page"
    return create_model(name, items=(list[item], ...), next=(str | None, None))  # pyright: ignore[reportInvalidTypeForm]


def operation(
    *,
    tag: str,
    body: type[BaseModel] | None = None,
    query: type[BaseModel] | None = None,
    returns: type[BaseModel] | None = None,
    status: int = 200,
    refuses: tuple[int, ...] = (),
) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Put a view into the OpenAPI document; the view itself reads its input with `read_json` and `read_query`.

    The summary and description are the view's docstring; domain and function make the operation's id. 401, 403 and 422
    are documented for every operation, 404 for those with an id in their path belongs into `refuses`, like 409.
    """
    codes: dict[str, Any] = {f"HTTP_{status}": returns}
    codes.update({f"HTTP_{code}": Problem for code in (401, 403, 422, *refuses)})

    def decorate(view: Callable[P, R]) -> Callable[P, R]:
        domain = view.__module__.split(".")[1]
        return spec.validate(
            json=body,
            query=query,
            resp=SpecResponse(**codes),
            tags=(tag,),
            skip_validation=True,
            operation_id=f"{domain}_{view.__name__}",
        )(view)

    return decorate


def api_blueprint(name: str, path: str = "") -> Blueprint:
    """A blueprint below /api/v1; bearer token or signed-in session, CSRF-exempt only for tokens."""
    return Blueprint(f"{name}_api", f"crm.{name}.api", url_prefix=f"{PREFIX}{path}")


def read_json(model: type[M]) -> M:
    """The request's JSON body as `model`; raises `InvalidInputError` naming each wrong field."""
    if not request.is_json:
        raise InvalidInputError(worded("Send JSON, with Content-Type: application/json."), code="bad_json")
    try:
        data = json.loads(request.get_data(cache=True))
    except RecursionError as error:
        raise InvalidInputError(worded("The JSON is nested too deeply."), code="bad_json") from error
    except json.JSONDecodeError as error:
        sentence = worded(
            "This is not JSON: look at line %(line)s, character %(column)s.", line=error.lineno, column=error.colno
        )
        raise InvalidInputError(sentence, code="bad_json") from error
    except UnicodeDecodeError as error:
        raise InvalidInputError(worded("The JSON must be written in UTF-8."), code="bad_json") from error
    if not isinstance(data, dict):
        raise InvalidInputError(worded("The JSON must be an object, in curly brackets."), code="bad_json")
    return parsed(model, data)


def read_query(model: type[M]) -> M:
    """The query string as `model`; raises `InvalidInputError` naming each wrong parameter."""
    return parsed(model, request.args.to_dict())


def parsed(model: type[M], data: Mapping[str, Any]) -> M:
    """`data` as `model`, pydantic's findings turned into an `InvalidInputError`."""
    refuse_unstorable(data)
    try:
        return model.model_validate(data)
    except ValidationError as error:
        raise InvalidInputError(NOT_VALID, fields=field_errors(error)) from error


def answer(model: BaseModel, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """`model` as JSON."""
    response = Response(model.model_dump_json(), status=status, mimetype="application/json")
    response.headers.update(headers or {})
    return response


def page_answer(page: Page[Any], show: Callable[[Any], BaseModel]) -> Response:
    """`{"items": [...], "next": cursor | null}` with each item shown by `show`."""
    return jsonify({"items": [show(item).model_dump(mode="json") for item in page.items], "next": page.next})


def etag(version: int) -> str:
    """The ETag of a row's version."""
    return f'"{version}"'


def expected_version() -> int | None:
    """The version in If-Match, None without one; raises `InvalidInputError` for a foreign tag."""
    given = request.headers.get("If-Match", "").strip().removeprefix("W/").strip('"')
    if not given or given == "*":
        return None
    version = whole(given)
    if version is None:
        raise InvalidInputError(worded("If-Match must hold an ETag that this API gave."), code="bad_etag")
    return version


def parse_id(value: str) -> UUID:
    """`value` as a UUID; raises `InvalidInputError`."""
    try:
        return UUID(value)
    except ValueError as error:
        raise InvalidInputError(worded("This is not an id."), code="bad_id") from error
