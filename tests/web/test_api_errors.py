"""What a program reads when the API refuses: one language, plain sentences, the field by its name."""

import psycopg
import pytest
from sqlalchemy.exc import OperationalError

from crm.web.api import PREFIX
from crm.web.findings import field_errors

CONTACTS = f"{PREFIX}/contacts"
ITALIAN = {"Accept-Language": "it-IT,it;q=0.9"}


@pytest.mark.parametrize(
    ("body", "kind", "said"),
    [
        (b'{"first_name": ', "application/json", "This is not JSON: look at line 1, character 16."),
        (b'{\n"first_name": "Ann",\n}', "application/json", "This is not JSON: look at line 3, character 1."),
        (b"", "application/json", "This is not JSON: look at line 1, character 1."),
        (b'{"first_name": "\xff"}', "application/json", "The JSON must be written in UTF-8."),
        (b"[1]", "application/json", "The JSON must be an object, in curly brackets."),
        (b"[" * 100_000, "application/json", "The JSON is nested too deeply."),
        (b'{"first_name": "Ann"}', "text/plain", "Send JSON, with Content-Type: application/json."),
    ],
    ids=["cut", "comma", "empty", "encoding", "list", "deep", "type"],
)
def test_a_body_that_is_no_json_object_is_told_apart(client, body, kind, said):
    answer = client.post(CONTACTS, data=body, headers={"Content-Type": kind})
    assert (answer.status_code, answer.json["code"], answer.json["title"]) == (422, "bad_json", said)


@pytest.mark.parametrize(
    ("body", "field", "said"),
    [
        ({"first_name": "Ann", "nose": 1}, "nose", "There is no field with this name."),
        ({"first_name": 3}, "first_name", "Write a text."),
        ({"first_name": "x" * 500}, "first_name", "Write at most 200 characters."),
        ({"first_name": "Ann", "lifecycle": "zz"}, "lifecycle", "Choose one of these: "),
        ({"first_name": "Ann", "owner_id": "zz"}, "owner_id", "This is not an id."),
        ({"first_name": "Ann", "birthday": "1980-02-31"}, "birthday", "This day doesn't exist."),
        ({"first_name": "Ann", "tags": "x"}, "tags", "Give a list."),
        ({"first_name": "Ann", "handles": [{"channel": "email"}]}, "handles.0.address", "This is needed."),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_wrong_field_is_named_with_a_plain_sentence(client, body, field, said):
    answer = client.post(CONTACTS, json=body)
    assert answer.status_code == 422
    assert answer.json["title"] == "Some fields are not valid."
    assert list(answer.json["errors"]) == [field]
    assert answer.json["errors"][field].startswith(said)
    assert "Value error" not in answer.text
    assert "Input should" not in answer.text


def test_the_language_is_the_one_that_the_call_asks_for(client, session, house):
    house.user.locale = "it"
    session.flush()
    body = {"first_name": "Ann", "nose": 1, "birthday": "1980-02-31", "tags": ["x"] * 1000}
    english = client.post(CONTACTS, json=body).json
    italian = client.post(CONTACTS, json=body, headers=ITALIAN).json
    assert english["title"] == "Some fields are not valid."
    assert english["errors"]["nose"] == "There is no field with this name."
    assert italian["title"] == "Alcuni campi non sono validi."
    assert italian["errors"]["nose"] == "Non c’è un campo con questo nome."
    assert english["errors"].keys() == italian["errors"].keys()
    for field, sentence in english["errors"].items():
        assert italian["errors"][field] != sentence, field


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [("GET", "/contacts/00000000-0000-7000-8000-000000000000", 404), ("DELETE", "/contacts", 405), ("GET", "/zz", 404)],
)
def test_every_refusal_is_a_sentence_in_both_languages(client, method, path, status):
    english = client.open(f"{PREFIX}{path}", method=method)
    italian = client.open(f"{PREFIX}{path}", method=method, headers=ITALIAN)
    assert english.status_code == italian.status_code == status
    assert english.mimetype == "application/problem+json"
    assert english.json["title"].endswith(".")
    assert italian.json["title"] not in ("", english.json["title"])


def test_a_right_that_is_missing_is_said_in_words(api_of_a_viewer):
    answer = api_of_a_viewer.post(CONTACTS, json={"first_name": "Ann"})
    assert (answer.status_code, answer.json["code"]) == (403, "missing_right")
    assert answer.json["title"] == "You may not do this: it needs the right “edit”."


@pytest.fixture
def api_of_a_viewer(signed_in, session, house):
    from conftest import House
    from factories import accounts as factory

    from crm.accounts.kinds import Role

    row, _membership, actor = factory.member(session, house, role=Role.VIEWER)
    return signed_in(House(house.workspace, row, actor))


def test_what_pydantic_may_find_in_any_model_has_a_sentence_of_ours(client):
    """Every constraint of the described models has its type of finding in the table."""
    from crm.web import findings

    document = client.get(f"{PREFIX}/openapi.json").get_json()
    kinds = {
        "minLength": "string_too_short",
        "maxLength": "string_too_long",
        "pattern": "string_pattern_mismatch",
        "minimum": "greater_than_equal",
        "maximum": "less_than_equal",
        "exclusiveMinimum": "greater_than",
        "exclusiveMaximum": "less_than",
        "minItems": "too_short",
        "maxItems": "too_long",
        "enum": "enum",
    }
    used = {kinds[key] for schema in document["components"]["schemas"].values() for key in constraints(schema, kinds)}
    assert used
    assert used <= findings._SENTENCES.keys()
    assert callable(field_errors)


def constraints(schema, known):
    """The names of the constraints anywhere in a schema."""
    if isinstance(schema, dict):
        yield from (key for key in schema if key in known)
        for value in schema.values():
            yield from constraints(value, known)
    elif isinstance(schema, list):
        for value in schema:
            yield from constraints(value, known)


@pytest.mark.parametrize("sqlstate", ["40001", "40P01"])
def test_what_the_database_broke_off_for_somebody_else_is_a_conflict(client, monkeypatch, sqlstate):
    def broken_off(*_args, **_given):
        raise OperationalError("select", {}, psycopg.errors.lookup(sqlstate)("deadlock detected"))

    monkeypatch.setattr("crm.contacts.queries.list_contacts", broken_off)
    answer = client.get(CONTACTS)
    assert (answer.status_code, answer.json["code"]) == (409, "at_the_same_moment")
    assert "Try again" in answer.json["title"]
