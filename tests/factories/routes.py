"""Builders of requests for every route: its address with real ids, and the smallest body its description accepts."""

import ast
from datetime import UTC, datetime, timedelta
from functools import cache
from importlib import import_module
from inspect import getsourcefile, unwrap
from pathlib import Path

from factories.everything import WORDS
from wtforms import Form

# What else a request needs to get as far as the look-up.
QUERIES = {"segments_api.why": "segment_id"}
FORMS = {"accounts.change_role": {"role": "sales"}}
BODIES = {"contacts_api.add_handle": {"channel": "email", "address": "somebody@example.com"}}
#: A moment that is still to come, and near enough to be planned.
AHEAD = datetime.now(UTC) + timedelta(days=60)
READERS = {"get", "getlist"}
PLACES = {"args", "form", "values"}
FILES = {"static", "assets.file"}


def words_of(rule):
    """The first word of each part that is a choice of words, as in `<any(pause, resume):action>`."""
    chosen = {
        name: next(iter(items)) for name in rule.arguments if (items := getattr(rule._converters[name], "items", None))
    }
    return chosen | {name: word for name, word in WORDS.items() if name in rule.arguments}


def url(rule, ids):
    unknown = rule.arguments - set(ids) - set(words_of(rule))
    assert not unknown, f"{rule.rule}: say in factories/everything.py what {sorted(unknown)} means"
    path = rule.build({**{name: ids[name] for name in rule.arguments if name in ids}, **words_of(rule)})[1]
    return f"{path}?segment={queried}" if (queried := ids.get(QUERIES.get(rule.endpoint, ""))) else path


def rules(app):
    """Every route that a request reaches a view by."""
    return sorted((rule for rule in app.url_map.iter_rules() if rule.endpoint not in FILES), key=lambda rule: rule.rule)


def address(rule, ids):
    """The route with real ids; a secret in it is a word."""
    made = url(rule, {**dict.fromkeys(rule.arguments - set(ids) - set(WORDS), "word"), **ids})
    return made.partition("?")[0]


def names_of(view):
    """The query and form fields that a view's module reads: those asked for by name, and those of its forms."""
    module = import_module(unwrap(view).__module__)
    forms = [item for item in vars(module).values() if isinstance(item, type) and issubclass(item, Form)]
    return asked_of(view) | {
        name for form in forms for name in dir(form) if hasattr(getattr(form, name), "field_class")
    }


def asked_of(view):
    """The fields that a view's module asks for by name."""
    return _asked_in(unwrap(view).__module__)


@cache
def _asked_in(name):
    module = import_module(name)
    tree = ast.parse(Path(getsourcefile(module) or "").read_text(encoding="utf-8"))
    return {
        str(call.args[0].value)
        for call in ast.walk(tree)
        if isinstance(call, ast.Call)
        and isinstance(call.func, ast.Attribute)
        and call.func.attr in READERS
        and isinstance(call.func.value, ast.Attribute)
        and call.func.value.attr in PLACES
        and call.args
        and isinstance(call.args[0], ast.Constant)
    }


def example(document, schema):
    """The smallest value that a schema of the document accepts."""
    if "$ref" in schema:
        schema = document["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
    if "anyOf" in schema:
        return example(document, schema["anyOf"][0])
    if schema.get("type") == "object":
        return {name: example(document, schema["properties"][name]) for name in schema.get("required", [])}
    if schema.get("type") == "array":
        return [example(document, schema["items"])] * schema.get("minItems", 0)
    fixed = [*schema.get("enum", []), *(schema[key] for key in ("default", "const") if key in schema)]
    simple = {"integer": schema.get("minimum", 1), "number": schema.get("minimum", 1), "boolean": True}
    shapes = {
        "uuid": "01900000-0000-7000-8000-000000000000",
        "date": f"{AHEAD:%Y-%m-%d}",
        "date-time": f"{AHEAD:%Y-%m-%dT%H:%M:%SZ}",
    }
    text_of = shapes.get(schema.get("format", ""), "x" * max(schema.get("minLength", 1), 1))
    return fixed[0] if fixed else simple.get(schema.get("type"), text_of)


def bodies(document):
    """{(METHOD, path): a body that the description accepts}."""
    found = {}
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            content = operation.get("requestBody", {}).get("content", {}).get("application/json")
            found[method.upper(), path] = example(document, content["schema"]) if content else None
    return found
