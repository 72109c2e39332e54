"""The list of people: filters of the rule language in the address, columns, what the phone shows, the chosen ones."""

import json
import re

import pytest
from factories.contacts import company, contact, interaction
from sqlalchemy import event, select, update

from crm.accounts.kinds import Role
from crm.accounts.models import Membership
from crm.db import database_now
from crm.desk import people_filter
from crm.filters.schema import EVERYBODY, RuleError, parse
from crm.segments.models import Segment

GENOVA = {"all": [{"field": "city", "op": "is", "value": "Genova"}]}


@pytest.fixture
def now(session):
    """Pages ask the database for the time."""
    return database_now(session)


@pytest.fixture
def house_people(session, actor, now):
    """Ann lives in Genova, Bo in Siena."""
    ann = contact(session, actor, "Ann Bo", city="Genova", tags=["Fair"], now=now)
    bo = contact(session, actor, "Bo Li", city="Siena", now=now)
    return ann, bo


@pytest.fixture
def as_viewer(session, house):
    session.execute(update(Membership).where(Membership.user_id == house.user.id).values(role=Role.VIEWER))
    session.flush()


def names(page):
    return re.findall(r'fd-personcell__name">([^<]+?)\s*<', page.text)


def listed(client, rule, **more):
    return client.get("/contacts", query_string={"rule": json.dumps(rule), **more})


def posted(field, op, value, **more):
    """What the builder sends for one condition."""
    return {
        "node": ["n", "n-0"], "n.mode": "all", "n-0.field": field, "n-0.op": op, "n-0.v.value": value, **more,
    }  # fmt: skip


def test_a_rule_in_the_address_finds_its_people_and_is_shown_as_a_chip(client, house_people):
    page = listed(client, GENOVA)
    assert names(page) == ["Ann Bo"]
    chip = re.search(r'<span class="fd-filter">(.*?)</a>', page.text, re.DOTALL).group(1)
    assert [re.sub("<[^>]+>", "", part) for part in re.findall(r"<span[^>]*>[^<]+</span>", chip)] == [
        "City", "is", "Genova",
    ]  # fmt: skip


def test_taking_one_chip_away_leaves_the_others(client, house_people):
    rule = {"all": [*GENOVA["all"], {"field": "first_name", "op": "is", "value": "Zoe"}]}
    assert names(listed(client, rule)) == []
    chips = people_filter_chips(listed(client, rule))
    assert len(chips) == 2
    assert names(client.get(chips[1])) == ["Ann Bo"]


def people_filter_chips(page):
    found = re.findall(r'class="fd-filter__remove" href="([^"]+)"', page.text)
    return [url.replace("&amp;", "&") for url in found]


def test_a_nested_rule_is_one_sentence(client, house_people):
    rule = {"any": [*GENOVA["all"], {"field": "city", "op": "is", "value": "Siena"}]}
    page = listed(client, rule)
    assert names(page) == ["Ann Bo", "Bo Li"]
    (chip,) = re.findall(r'fd-filter__value--clause">(.*?)<a', page.text, re.DOTALL)
    assert "Genova" in chip
    assert "Siena" in chip


@pytest.mark.parametrize("bad", ["{", "[]", '{"field": "nonsense", "op": "is", "value": 1}', "null", "x" * 7000])
def test_an_address_that_can_not_be_read_says_so_and_lists_nobody(client, house_people, bad):
    page = client.get("/contacts", query_string={"rule": bad})
    assert page.status_code == 200
    assert names(page) == []
    assert "fd-notice" in page.text


def test_a_choice_that_is_gone_says_so(client, house_people):
    rule = {"all": [{"field": "tag", "op": "any_of", "value": ["00000000-0000-0000-0000-000000000001"]}]}
    page = listed(client, rule)
    assert names(page) == []
    assert "not one of the choices any more" in page.text


def test_the_next_page_keeps_the_rule(client, session, actor, now):
    for number in range(52):
        contact(session, actor, f"Person {number:02}", city="Genova", now=now)
    page = listed(client, GENOVA)
    following = re.search(r'href="(/contacts\?[^"]*after=[^"]+)"', page.text).group(1).replace("&amp;", "&")
    assert len(names(page)) == 50
    assert names(client.get(following)) == ["Person 50", "Person 51"]


def test_the_filter_form_begins_with_the_chosen_field(client, house_people):
    page = client.get("/contacts/filter", query_string={"rule": json.dumps(GENOVA), "add": "points"})
    assert "<html" in page.text
    assert '<option value="city" selected>' in page.text
    assert '<option value="points" selected>' in page.text
    part = client.get("/contacts/filter?add=city", headers={"HX-Request": "true"})
    assert "<html" not in part.text
    assert 'id="rule-form"' in part.text


def test_the_filter_form_leads_to_a_shareable_address(client, house_people):
    sent = client.post("/contacts/filter", data=posted("city", "is", "Genova", sort="newest"))
    assert sent.status_code == 303
    assert "sort=newest" in sent.location
    assert names(client.get(sent.location)) == ["Ann Bo"]


def test_an_unfinished_condition_is_told_and_nothing_is_lost(client, house_people):
    page = client.post("/contacts/filter", data=posted("points", "at_least", ""))
    assert page.status_code == 422
    assert '<option value="points" selected>' in page.text
    assert "Nothing is lost" in page.text


def test_conditions_are_added_without_script(client, house_people):
    page = client.post("/contacts/filter", data=posted("city", "is", "Genova", do="condition:n"))
    assert page.status_code == 200
    assert 'name="n-1.field"' in page.text


def test_a_filter_is_kept_as_a_segment(client, session, house_people):
    sent = client.post("/contacts/filter", data=posted("city", "is", "Genova", name="Liguria", save="1"))
    kept = session.scalars(select(Segment).where(Segment.name == "Liguria")).one()
    assert sent.location == f"/contacts?segment={kept.id}"
    assert names(client.get(sent.location)) == ["Ann Bo"]
    unnamed = client.post("/contacts/filter", data=posted("city", "is", "Genova", name="", save="1"))
    assert unnamed.status_code == 422


@pytest.mark.usefixtures("as_viewer")
def test_who_only_looks_filters_but_keeps_no_segment(client, house_people):
    assert client.post("/contacts/filter", data=posted("city", "is", "Genova")).status_code == 303
    assert "Save as segment" not in client.get("/contacts/filter").text
    kept = client.post("/contacts/filter", data=posted("city", "is", "Genova", name="Liguria", save="1"))
    assert kept.status_code == 403


def test_a_rule_survives_its_address():
    rule = parse({"all": [{"field": "city", "op": "contains", "value": "’è&#?"}]})
    assert people_filter.read(people_filter.written(rule)) == rule
    assert people_filter.written(EVERYBODY) == ""
    with pytest.raises(RuleError):
        people_filter.read("[" * 5000)


def test_everybody_chooses_their_columns(client, house, session, house_people):
    assert "<th" in client.get("/contacts").text
    chosen = client.post("/contacts/columns", data={"column": ["city", "nonsense"], "back": "/contacts?sort=newest"})
    assert chosen.location == "/contacts?sort=newest"
    session.refresh(house.user)
    assert house.user.list_columns == {"people": ["city"]}
    heads = re.findall(r'<th scope="col"[^>]*>([^<]*)</th>', client.get("/contacts").text)
    assert heads == ["Name", "City"]
    client.post("/contacts/columns", data={})
    assert re.findall(r'<th scope="col"[^>]*>([^<]*)</th>', client.get("/contacts").text) == ["Name"]


@pytest.mark.usefixtures("as_viewer")
def test_who_only_looks_chooses_columns_too(client):
    assert client.post("/contacts/columns", data={"column": ["city"]}).status_code == 303


def test_the_phone_shows_company_last_exchange_and_tag(client, session, actor, now):
    firm = company(session, actor, "Vetreria", now=now)
    ann = contact(session, actor, "Ann Bo", company_id=firm.id, tags=["Fair"], now=now)
    interaction(session, actor, ann.id, "call", happened_at=now, now=now)
    page = client.get("/contacts").text
    brief = re.search(r'<span class="fd-only-phone fd-brief">(.*?)</td>', page, re.DOTALL).group(1)
    assert "Vetreria" in brief
    assert "Fair" in brief


@pytest.fixture
def asked(session):
    """The statements that reach the database."""
    seen = []

    def note(_connection, _cursor, statement, *_more):
        seen.append(statement)

    event.listen(session.get_bind(), "before_cursor_execute", note)
    yield seen
    event.remove(session.get_bind(), "before_cursor_execute", note)


def test_more_people_ask_no_more_statements(client, session, actor, asked, now):
    contact(session, actor, "Person", email="p@example.com", tags=["Fair"], now=now)
    client.get("/contacts")
    asked.clear()
    client.get("/contacts")
    few = len(asked)
    for number in range(20):
        contact(session, actor, f"Person {number}", email=f"p{number}@example.com", tags=["Fair"], now=now)
    asked.clear()
    client.get("/contacts")
    assert 0 < len(asked) <= few


def test_a_column_that_is_not_shown_is_not_read(client, session, actor, asked, house_people):
    client.get("/contacts")
    asked.clear()
    client.get("/contacts")
    usual = len(asked)
    client.post("/contacts/columns", data={"column": ["city"]})
    client.get("/contacts")
    asked.clear()
    client.get("/contacts")
    assert len(asked) < usual


def test_the_chosen_people_begin_a_campaign(client, session, house_people):
    ann, bo = house_people
    sent = client.post("/contacts/bulk/campaign", data={"ids": [str(ann.id), str(bo.id), "nonsense"]})
    assert sent.location == f"/campaigns/new?contact={ann.id}&contact={bo.id}"
    page = client.get(sent.location)
    assert "Ann Bo" in page.text
    assert "Bo Li" in page.text


def test_choosing_nobody_comes_back(client):
    sent = client.post("/contacts/bulk/campaign", data={"back": "/contacts?sort=newest"})
    assert sent.location == "/contacts?sort=newest"
