"""Builders of requests for every route: its address with real ids, and the smallest body its description accepts."""

from factories.everything import WORDS

# What else a request needs to get as far as the look-up.
QUERIES = {"segments_api.why": "segment_id"}
FORMS = {"accounts.change_role": {"role": "sales"}}
BODIES = {"contacts_api.add_handle": {"channel": "email", "address": "somebody@example.com"}}


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
        "date": "2027-01-31",
        "date-time": "2027-01-31T10:00:00Z",
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
