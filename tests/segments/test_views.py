from collections import defaultdict

import pytest
from factories import contacts as people
from selectolax.lexbor import LexborHTMLParser as HTMLParser

from crm.accounts.kinds import Role
from crm.filters.schema import parse
from crm.segments import queries, services
from crm.segments.kinds import PickMode

CITY = {"field": "city", "op": "is", "value": "Siena"}


@pytest.fixture
def anna(session, actor, now):
    return people.contact(session, actor, "Anna Rossi", city="Siena", now=now)


@pytest.fixture
def siena(session, actor, now, anna):
    row = services.create(session, actor, name="Siena", rule=parse({"all": [CITY]}), now=now)
    session.flush()
    return row


def page(response, status=200):
    assert response.status_code == status, response.text[-2000:]
    return HTMLParser(response.text)


def filled(tree, changes=None):
    """What the builder's form would send, as a browser collects it, with some inputs filled in differently."""
    sent = defaultdict(list)
    for element in tree.css("#rule-form input, #rule-form select"):
        name = element.attributes.get("name")
        if not name or element.attributes.get("disabled") is not None:
            continue
        if element.tag == "select":
            chosen = [o.attributes["value"] for o in element.css("option[selected]")]
            if not chosen and "multiple" not in element.attributes and element.css("option"):
                chosen = [element.css("option")[0].attributes["value"]]
            sent[name] += chosen
        elif element.attributes.get("type") not in ("radio", "checkbox") or "checked" in element.attributes:
            sent[name].append(element.attributes.get("value") or "")
    return {**sent, **(changes or {})}


def test_an_empty_list_says_what_segments_are_for(client):
    tree = page(client.get("/segments"))
    assert tree.css_first(".fd-empty a[href='/segments/new']")


def test_a_segment_is_made_without_script_by_plain_posts(client, session, actor, now, anna):
    tree = page(client.get("/segments/new"))
    tree = page(client.post("/segments/new", data=filled(tree, {"do": "condition:n", "name": "Seniors"})))
    sent = filled(tree, {"n-0.field": "city", "do": "field:n-0"})
    tree = page(client.post("/segments/new", data=sent))
    assert tree.css_first("input[name=name]").attributes["value"] == "Seniors"
    sent = filled(tree, {"n-0.v.value": "siena"})
    response = client.post("/segments/new", data=sent)
    assert response.status_code == 302
    tree = page(client.get(response.location))
    assert tree.css_first("h1").text() == "Seniors"
    assert tree.css_first("#sentence").text() == "People in siena."
    assert "Anna Rossi" in tree.css_first("#figures").text()
    assert tree.css_first("a[href^='/campaigns/new?segment_id=']").text(strip=True) == "Write to them"


def test_a_refused_rule_keeps_what_was_typed_and_says_why_beside_it(client, session):
    tree = page(client.get("/segments/new"))
    tree = page(client.post("/segments/new", data=filled(tree, {"do": "condition:n"})))
    tree = page(client.post("/segments/new", data=filled(tree, {"n-0.field": "points", "do": "field:n-0"})))
    sent = filled(tree, {"n-0.v.value": "many", "name": "Rich"})
    tree = page(client.post("/segments/new", data=sent), 422)
    assert tree.css_first("[name='n-0.v.value']").attributes["value"] == "many"
    assert tree.css_first("#n-0-error").text().strip() == "Write a number."
    assert "hidden" not in tree.css_first("#n-0-error").attributes


def test_a_segment_without_a_name_is_refused_beside_the_name(client):
    tree = page(client.get("/segments/new"))
    tree = page(client.post("/segments/new", data=filled(tree)), 422)
    assert tree.css_first("#name-error").text() == "Give the segment a name."


def test_the_saved_rule_fills_the_builder_and_saving_it_unchanged_keeps_it(client, session, siena):
    tree = page(client.get(f"/segments/{siena.id}"))
    response = client.post(f"/segments/{siena.id}", data=filled(tree))
    assert response.status_code == 302
    session.refresh(siena)
    assert siena.rule == parse({"all": [CITY]}).dump()


def test_a_rule_saved_over_somebody_elses_change_is_a_conflict(client, session, actor, now, siena):
    sent = filled(page(client.get(f"/segments/{siena.id}")))
    services.edit_rule(session, actor, segment_id=siena.id, rule=parse({"all": []}), now=now)
    assert client.post(f"/segments/{siena.id}", data=sent).status_code == 409


def test_the_preview_answers_with_sentence_figures_and_errors_to_swap_in(client, siena):
    sent = filled(page(client.get(f"/segments/{siena.id}")), {"n-0.v.value": "Pisa"})
    tree = page(client.post("/segments/preview", data=sent))
    swapped = {element.attributes["id"] for element in tree.css("[hx-swap-oob]")}
    assert {"sentence", "figures", "n-0-error"} <= swapped
    assert tree.css_first("#sentence").text() == "People in Pisa."
    assert "0 enter, 1 leave" in tree.css_first("#figures").text()


def test_an_unfinished_condition_is_left_out_and_said_to_be(client, siena):
    sent = filled(page(client.get(f"/segments/{siena.id}")), {"do": "condition:n"})
    tree = page(client.post("/segments/builder", data=sent))
    assert tree.css_first("#n-1 select[data-focus]")
    assert "left out" in tree.css_first("#figures").text()
    assert tree.css_first("#sentence").text() == "People in Siena."


def test_nothing_is_said_to_be_incomplete_before_anything_was_asked(client):
    tree = page(client.get("/contacts/filter"))

    assert tree.css_first("#figures").text()
    assert "left out" not in tree.css_first("#figures").text()


def test_another_workspaces_segment_can_not_be_compared_with(client, session, other_house, house):
    from crm.db import enter_workspace

    enter_workspace(session, other_house.workspace.id)
    foreign = services.create(session, other_house.actor, name="X", rule=parse({"all": []}), now=_now(session))
    enter_workspace(session, house.workspace.id)
    assert client.post("/segments/preview", data={"segment": str(foreign.id)}).status_code == 404
    for path in ("", "/members", "/history", f"/why/{foreign.id}"):
        assert client.get(f"/segments/{foreign.id}{path}").status_code == 404


def _now(session):
    from crm.db import database_now

    return database_now(session)


def test_members_history_and_why_are_pages_of_their_own(client, siena, anna):
    assert "Anna Rossi" in page(client.get(f"/segments/{siena.id}/members")).body.text()
    assert "when the segment was made" in page(client.get(f"/segments/{siena.id}/history")).body.text()
    why = page(client.get(f"/segments/{siena.id}/why/{anna.id}")).css_first("main").text()
    assert "in it" in why
    assert "City:" in why


def test_people_are_added_and_left_out_by_hand(client, session, actor, now, siena, anna):
    bruno = people.contact(session, actor, "Bruno Neri", city="Pisa", now=now)
    client.post(f"/segments/{siena.id}/pick", data={"contact": str(bruno.id), "mode": "added"})
    client.post(f"/segments/{siena.id}/pick", data={"contact": str(anna.id), "mode": "removed"})
    picks = queries.picks_of(session, actor, segment_id=siena.id)
    assert [row.display_name for row in picks[PickMode.ADDED]] == ["Bruno Neri"]
    assert [row.display_name for row in picks[PickMode.REMOVED]] == ["Anna Rossi"]
    assert "Bruno Neri" in page(client.get(f"/segments/{siena.id}")).css_first("#picked").text()


def test_people_are_found_by_name_for_picking(client, siena, anna):
    assert client.get("/segments/people?q=rossi").json == [{"value": str(anna.id), "text": "Anna Rossi", "sub": ""}]
    tree = page(client.get(f"/segments/{siena.id}?q=rossi"))
    assert tree.css_first("#pick-form option").text() == "Anna Rossi"


def test_a_segment_is_renamed_frozen_deleted_and_brought_back(client, session, siena):
    client.post(f"/segments/{siena.id}/name", data={"name": "Senesi"})
    frozen = client.post(f"/segments/{siena.id}/freeze")
    assert "Senesi" in page(client.get(frozen.location)).css_first("main").text()
    client.post(f"/segments/{siena.id}/delete")
    assert client.get(f"/segments/{siena.id}").status_code == 404
    client.post(f"/segments/{siena.id}/restore")
    assert page(client.get(f"/segments/{siena.id}")).css_first("h1").text() == "Senesi"


def test_a_hand_picked_list_starts_empty(client):
    response = client.post("/segments/picked")
    assert "Nobody is in it yet." in page(client.get(response.location)).css_first("main").text()


def test_who_may_only_look_gets_no_builder(client, session, house, siena):
    from sqlalchemy import update

    from crm.accounts.models import Membership

    session.execute(update(Membership).where(Membership.user_id == house.user.id).values(role=Role.VIEWER))
    session.expire_all()
    tree = page(client.get(f"/segments/{siena.id}"))
    assert tree.css_first("#rule-form") is None
    assert tree.css_first("#sentence").text() == "People in Siena."
    assert client.get("/segments/new").status_code == 403
    assert client.post(f"/segments/{siena.id}/delete").status_code == 403
