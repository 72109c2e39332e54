"""The pages: the programme, offers, members and the till, as a browser uses them."""

import re
from datetime import timedelta

import pytest
from conftest import make_house
from factories.contacts import contact
from factories.loyalty import earn, member, offer, program, voucher
from sqlalchemy import select

from crm.accounts.kinds import Role
from crm.db import database_now
from crm.loyalty import queries, services
from crm.loyalty.models import EarningRule, Offer, Program, Redemption, Voucher
from crm.loyalty.rules.codes import encode


def text_of(answer):
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", answer.get_data(as_text=True)))


def key_in(answer):
    return re.search(r'name="key"[^>]*value="([^"]+)"', answer.get_data(as_text=True)).group(1)


@pytest.fixture
def clock(session):
    """Pages take the time from the database."""
    return database_now(session)


def test_without_a_programme_the_page_offers_to_start_one(client):
    page = client.get("/loyalty")
    assert "Start the programme" in text_of(page)
    assert page.text.count("<h1") == 1
    assert page.text.count('href="/loyalty/program"') == 1
    assert client.get("/loyalty/members").status_code == 200
    assert client.get("/loyalty/offers").status_code == 200
    assert client.get("/loyalty/rules/new").status_code == 404


def test_a_programme_is_started_and_changed(client, session):
    form = {"name": "Lanterna Club", "validity_months": "12", "point_value": "0.05"}
    assert client.post("/loyalty/program", data=form).status_code == 303
    made = session.scalars(select(Program)).one()
    assert (made.name, made.validity_months, made.point_value_minor, made.is_default) == ("Lanterna Club", 12, 5, True)
    assert client.get("/loyalty/program").status_code == 200
    client.post("/loyalty/program", data={**form, "rules_text": "One point a euro", "validity_months": ""})
    session.expire_all()
    assert (made.rules_version, made.validity_months) == (2, None)
    wrong = client.post("/loyalty/program", data={**form, "point_value": "1,2,3", "name": ""})
    assert wrong.status_code == 422
    assert "Write a sum like" in text_of(wrong)


def test_a_rule_is_switched_on_and_off(client, session, actor):
    program(session, actor)
    form = {"name": "Helpful comment", "interaction_kind": "comment", "channel": "", "points": "40"}
    form["cap_per_day"] = "80"
    assert client.get("/loyalty/rules/new").status_code == 200
    assert client.post("/loyalty/rules/new", data=form).status_code == 303
    rule = session.scalars(select(EarningRule)).one()
    assert (rule.points, rule.cap_per_day, rule.channel) == (40, 80, None)
    low = client.post("/loyalty/rules/new", data={**form, "cap_per_day": "10"})
    assert (low.status_code, "The daily cap is below" in text_of(low)) == (422, True)
    client.post(f"/loyalty/rules/{rule.id}/retire")
    session.expire_all()
    assert not rule.is_active
    assert "retired" in text_of(client.get("/loyalty"))


def test_an_offer_is_made_changed_and_withdrawn(client, session):
    form = {"name": "15% on a German report", "kind": "percent", "percent": "15", "limit_per_person": "1"}
    assert client.get("/loyalty/offers/new").status_code == 200
    answer = client.post("/loyalty/offers/new", data=form)
    made = session.scalars(select(Offer)).one()
    assert answer.headers["Location"].endswith(str(made.id))
    assert "15% off" in text_of(client.get(answer.headers["Location"]))
    assert client.get(f"/loyalty/offers/{made.id}/edit").status_code == 200
    client.post(f"/loyalty/offers/{made.id}/edit", data={**form, "name": "16%", "percent": "16"})
    session.expire_all()
    assert (made.name, made.percent) == ("16%", 16)
    client.post(f"/loyalty/offers/{made.id}/withdraw")
    assert "withdrawn" in text_of(client.get("/loyalty/offers"))


def test_an_offer_made_for_another_page_goes_back_there(client, session):
    form = {"name": "Fifteen", "kind": "percent", "percent": "", "limit_per_person": "1"}
    page = client.get("/loyalty/offers/new?next=/campaigns/1/offer").get_data(as_text=True)
    assert 'action="/loyalty/offers/new?next=/campaigns/1/offer"' in page
    refused = client.post("/loyalty/offers/new?next=/campaigns/1/offer", data=form)
    assert 'action="/loyalty/offers/new?next=/campaigns/1/offer"' in refused.get_data(as_text=True)
    answer = client.post("/loyalty/offers/new?next=/campaigns/1/offer", data={**form, "percent": "15"})
    made = session.scalars(select(Offer)).one()
    assert answer.headers["Location"] == f"/campaigns/1/offer?offer_id={made.id}"
    elsewhere = client.post("/loyalty/offers/new?next=//evil.example", data={**form, "percent": "15"})
    assert elsewhere.headers["Location"].startswith("/loyalty/offers/")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"percent": ""}, "Say what the offer is worth."),
        ({"ends_on": "2020-01-01"}, "This day is over"),
        ({"starts_on": "2030-01-02", "ends_on": "2030-01-01"}, "ends before it starts"),
        ({"percent": "150"}, "between 1 and 100"),
        ({"budget_minor": "abc"}, "Write a sum like"),
    ],
)
def test_a_wrong_offer_is_refused_beside_its_field_and_keeps_what_was_typed(client, session, change, message):
    form = {"name": "Fifteen", "kind": "percent", "percent": "15", "limit_per_person": "1", **change}
    answer = client.post("/loyalty/offers/new", data=form)
    assert answer.status_code == 422
    assert message in text_of(answer)
    assert 'value="Fifteen"' in answer.get_data(as_text=True)
    assert session.scalars(select(Offer)).all() == []


def test_a_person_joins_and_gets_points_with_a_reason_once(client, session, actor):
    program(session, actor)
    person = contact(session, actor, name="Chiara Moretti")
    assert client.post("/loyalty/members", data={"contact_id": str(person.id)}).status_code == 303
    held = queries.standing(session, actor, contact_id=person.id)
    page = client.get(f"/loyalty/members/{held.member_id}")
    given = {"points": "40", "reason": "helpful comment", "key": key_in(page)}
    for _ in range(2):
        assert client.post(f"/loyalty/members/{held.member_id}/points", data=given).status_code == 303
    assert queries.standing(session, actor, contact_id=person.id).balance == 40
    shown = text_of(client.get(f"/loyalty/members/{held.member_id}"))
    assert "helpful comment" in shown
    assert "+40" in shown
    too_many = client.post(f"/loyalty/members/{held.member_id}/points", data={**given, "points": "-41", "key": "k2"})
    assert (too_many.status_code, "There are not that many points" in text_of(too_many)) == (422, True)


def test_a_movement_is_taken_back_from_the_statement(client, session, actor, clock):
    holder = member(session, actor, now=clock)
    entry = earn(session, actor, holder.id, 40, now=clock)
    assert client.post(f"/loyalty/entries/{entry.id}/reverse").status_code == 303
    assert queries.standing(session, actor, contact_id=holder.contact_id).balance == 0


def test_members_are_found_by_family_name_and_by_number(client, session, actor):
    holder = member(session, actor, name="Valentina Neri")
    member(session, actor, name="Tommaso Landi")
    for text in ("neri", holder.number.lower()):
        shown = text_of(client.get("/loyalty/members", query_string={"q": text}))
        assert "Valentina" in shown
        assert "Tommaso" not in shown


def test_an_offer_is_given_from_the_person_s_page_and_shows_its_code(client, session, actor):
    made, person = offer(session, actor), contact(session, actor, name="Chiara Moretti")
    assert "20% on ten reports" in text_of(client.get(f"/loyalty/give/{person.id}"))
    given = {"contact_id": str(person.id), "offer_id": str(made.id)}
    answer = client.post("/loyalty/give", data=given)
    page = client.get(answer.headers["Location"])
    code = session.scalars(select(Voucher.code)).one()
    assert "-".join(code[n : n + 4] for n in range(0, 17, 4)) in text_of(page)
    assert "<svg" in page.get_data(as_text=True)
    again = client.post("/loyalty/give", data=given)
    assert (again.status_code, "as often as one may" in text_of(again)) == (422, True)


@pytest.fixture
def good(session, actor, clock):
    """An active code of a member, valid now."""
    holder = member(session, actor, name="Valentina Neri", points=1050, now=clock - timedelta(days=1))
    made = offer(session, actor, terms="Not together with other discounts.", now=clock - timedelta(days=1))
    return voucher(session, actor, offer_id=made.id, contact_id=holder.contact_id, now=clock - timedelta(hours=1))


def test_the_till_shows_the_holder_redeems_and_undoes(client, session, good):
    assert client.get("/till").status_code == 200
    seen = client.post("/till", data={"code": good.code.lower(), "purchase": "210.00"})
    shown = text_of(seen)
    for part in ("Valentina Neri", "1,050 points", "Valid", "€42.00", "€168.00", "Not together with other discounts."):
        assert part in shown
    data = {"code": good.code, "purchase": "210.00", "key": key_in(seen)}
    for _ in range(2):
        assert client.post("/till/redeem", data=data).status_code == 303
    done = session.scalars(select(Redemption)).one()
    assert (done.purchase_minor, done.discount_minor) == (21_000, 4_200)
    assert f"/till/undo/{done.id}" in client.get("/till").get_data(as_text=True)
    refused = client.post("/till/redeem", data={**data, "key": "another"})
    assert (refused.status_code, "This code was used already." in text_of(refused)) == (409, True)
    assert client.post(f"/till/undo/{done.id}").status_code == 303
    assert "undone" in text_of(client.get("/till"))
    assert client.post("/till/redeem", data={**data, "key": "after"}).status_code == 303


def test_the_till_tells_the_true_reason_of_a_refusal(client, session, actor, good):
    assert "This is no code." in text_of(client.post("/till", data={"code": "R3VD"}))
    assert "There is no such code." in text_of(client.post("/till", data={"code": encode(5, 16)}))
    wrong = client.post("/till", data={"code": good.code, "purchase": "12x"})
    assert (wrong.status_code, "Write a sum like" in text_of(wrong)) == (422, True)
    services.withdraw_offer(session, actor, offer_id=good.offer_id, now=good.active_at)
    shown = text_of(client.post("/till", data={"code": good.code}))
    assert "This offer was withdrawn." in shown
    assert "Not valid" in shown


def test_a_budget_asks_for_the_purchase_and_keeps_the_sum_open(client, session, actor, clock):
    made = offer(session, actor, budget_minor=1_000, now=clock)
    row = voucher(session, actor, offer_id=made.id, contact_id=contact(session, actor).id, now=clock)
    seen = client.post("/till/redeem", data={"code": row.code, "key": "k"})
    assert (seen.status_code, "this offer has a budget" in text_of(seen)) == (409, True)
    assert 'name="purchase"' in seen.get_data(as_text=True)
    assert client.post("/till/redeem", data={"code": row.code, "key": "k2", "purchase": "50.00"}).status_code == 303


def test_the_role_till_sees_the_till_and_nothing_else(session, signed_in, good):
    cashier = signed_in(make_house(session, name="Sportello", role=Role.TILL))
    assert cashier.get("/till").status_code == 200
    for path in (
        "/loyalty",
        "/loyalty/members",
        "/loyalty/offers",
        "/loyalty/program",
        f"/loyalty/offers/{good.offer_id}",
    ):
        assert cashier.get(path).status_code == 403
    assert cashier.post("/loyalty/members", data={}).status_code == 403


def test_the_viewer_changes_nothing(session, signed_in):
    viewer = signed_in(make_house(session, name="Studio", role=Role.VIEWER))
    assert viewer.get("/loyalty").status_code == 200
    for path in ("/loyalty/offers/new", "/loyalty/program", "/till", "/loyalty/rules/new"):
        assert viewer.get(path).status_code == 403
    assert viewer.post("/loyalty/offers/new", data={"name": "x"}).status_code == 403


def test_the_public_page_shows_the_holder_the_offer_and_all_else_alike(anonymous, session, actor, clock, good):
    page = anonymous.get(f"/o/{good.code}")
    assert page.status_code == 200
    assert "20% off" in text_of(page)
    assert "<svg" in page.get_data(as_text=True)
    assert "Valentina" not in text_of(page)
    services.redeem(session, actor, code=good.code, idempotency_key="k", now=clock)
    codes = (good.code, encode(5, 16), "nonsense", good.code[:-1] + "~")
    answers = [anonymous.get(f"/o/{code}") for code in codes]
    assert {answer.status_code for answer in answers} == {404}
    assert {text_of(answer) for answer in answers} == {text_of(answers[0])}


def test_italian_pages_write_numbers_and_sums_the_italian_way(client, session, house, good):
    house.user.locale = "it"
    session.flush()
    shown = text_of(client.post("/till", data={"code": good.code, "purchase": "1.210,50"}))
    for part in ("Cassa", "1.050 punti", "Valido", "242,10", "968,40", "Riscatta"):
        assert part in shown
