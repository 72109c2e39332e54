"""Characters that a database can't keep, in every place where a request can carry text."""

import io
from inspect import unwrap

import pytest
from factories.everything import everything
from factories.routes import BODIES, address, bodies, names_of, rules

from crm.web.api import PREFIX

NUL = "a\x00b"
#: What a terminal, a scanner or a PDF leaves in copied text; the database could keep these.
ODD = "a\x1b\x07\x7fb"


@pytest.fixture
def ids(session, actor, settings):
    return everything(session, actor, home=settings.home)


def poisoned(value, character):
    """The same JSON with the characters in every text of it."""
    if isinstance(value, dict):
        return {key: poisoned(item, character) for key, item in value.items()}
    if isinstance(value, list):
        return [poisoned(item, character) for item in value]
    return value + character if isinstance(value, str) else value


def body_of(rule, method, accepted):
    path = rule.rule.replace("<uuid:", "{").replace("<", "{").replace(">", "}")
    return BODIES.get(rule.endpoint, accepted.get((method, path)))


def requests(app, ids, accepted, character):
    """(what it is, method, address, options) with the characters in each query or form field, or JSON text."""
    for rule in rules(app):
        path, view = address(rule, ids), app.view_functions[rule.endpoint]
        names = names_of(view)
        for method in sorted(rule.methods - {"HEAD", "OPTIONS"}):
            label = f"{method} {rule.rule}"
            yield f"{label} query", method, path, {"query_string": dict.fromkeys([*names, "x"], character)}
            if method != "GET":
                yield f"{label} form", method, path, {"data": dict.fromkeys([*names, "x"], character)}
            body = body_of(rule, method, accepted) if rule.rule.startswith(PREFIX) else None
            if body:
                yield f"{label} JSON", method, path, {"json": poisoned(body, character)}


@pytest.mark.parametrize("character", [NUL, ODD], ids=["nul", "control"])
def test_no_route_breaks_on_a_character_that_is_no_text(app, house, signed_in, ids, character):
    accepted = bodies(signed_in(house).get(f"{PREFIX}/openapi.json").get_json())
    broken, tried = [], 0
    for label, method, path, options in requests(app, ids, accepted, character):
        # A browser of its own each: some of these sign out.
        answer = signed_in(house).open(path, method=method, **options)
        tried += 1
        if answer.status_code >= 500:
            broken.append(f"{label}: {answer.status_code}")
    assert broken == []
    assert tried > 300


def test_each_field_of_each_view_is_looked_at(app, client, ids):
    """One field alone holds it: no field hides behind another, and none is read before it is refused."""
    passed, tried = [], set()
    for rule in rules(app):
        view = app.view_functions[rule.endpoint]
        is_api = rule.rule.startswith(PREFIX)
        if rule.endpoint.startswith("security.") or is_api:
            continue
        for name in names_of(view) - {key for module, key in tried if module == unwrap(view).__module__}:
            tried.add((unwrap(view).__module__, name))
            answer = client.get(address(rule, ids), query_string={name: NUL}) if "GET" in rule.methods else None
            posted = client.post(address(rule, ids), data={name: NUL}) if "POST" in rule.methods else None
            passed += [f"{rule.rule} {name}" for each in (answer, posted) if each and each.status_code != 422]
    assert passed == []
    assert len(tried) > 100


@pytest.mark.parametrize(
    "part", ["/contacts/a%00b", "/o/a%00b", "/p/a%00b", "/reset/a%00b", "/invitation/a%00b", "/%00"]
)
def test_a_path_with_such_a_character_leads_nowhere(client, anonymous, part):
    for browser in (client, anonymous):
        assert 400 <= browser.get(part).status_code < 500


def test_a_page_says_what_is_wrong_in_the_reader_s_language(client, session, house):
    page = client.get("/contacts?q=a%00b")
    assert page.status_code == 422
    assert "a character that cannot be stored" in page.text
    house.user.locale = "it"
    session.flush()
    assert "un carattere che non si può salvare" in client.get("/contacts?q=a%00b").text


@pytest.mark.parametrize("text", ["a\x00b", "a\ud800b"])
def test_the_api_names_the_field(client, text):
    answer = client.post(f"{PREFIX}/contacts", json={"display_name": text, "tags": ["x"]})
    assert (answer.status_code, answer.get_json()["code"]) == (422, "bad_character")
    assert list(answer.get_json()["errors"]) == ["display_name"]
    deep = client.post(f"{PREFIX}/contacts", json={"display_name": "Ann", "tags": ["fine", text]})
    assert list(deep.get_json()["errors"]) == ["tags.1"]
    named = client.get(f"{PREFIX}/contacts?q=a%00b")
    assert list(named.get_json()["errors"]) == ["q"]


def test_a_page_marker_with_such_a_character_is_refused(client):
    from crm.web.paging import encode_cursor

    assert client.get("/contacts", query_string={"after": encode_cursor("a\x00b", "a\x00b")}).status_code == 422


def test_other_control_characters_are_left_out_of_what_is_typed(client):
    made = client.post("/campaigns/new", data={"name": "Spring \x1bpre\x07view", "segment_id": ""})
    assert made.status_code == 303
    assert "Spring preview" in client.get("/campaigns").text


def test_a_table_with_such_characters_is_refused_by_rows_or_as_a_whole(client):
    table = io.BytesIO(b"Nome;E-mail\nAnn\x00;ann@example.com\n\x00\x00\x00")
    answer = client.post("/imports/new", data={"file": (table, "people\x00.csv")})
    assert answer.status_code < 500
