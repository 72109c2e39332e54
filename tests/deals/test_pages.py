"""The pages of deals: the board and its columns, the list, one deal, and the settings of pipelines."""

import re

import pytest
from factories.contacts import company, contact
from factories.deals import deal, moved, pipeline, stage

from crm.deals import queries, services
from crm.deals.models import Deal
from crm.deals.queries import DealFilter


@pytest.fixture
def sales(session, actor):
    return pipeline(session, actor)


def text_of(answer):
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", answer.text))


def reread(session, deal_id):
    session.expire_all()
    return session.get_one(Deal, deal_id)


def test_without_a_pipeline_the_board_says_how_to_begin_and_begins(session, actor, client):
    assert "Begin with the usual stages" in client.get("/deals").text
    assert client.post("/settings/pipelines/usual").status_code == 303
    assert client.post("/settings/pipelines/usual").status_code == 303
    (made,) = queries.pipelines(session, actor)
    assert [row.kind for row in queries.stages(session, actor, pipeline_id=made.id)].count("open") == 4
    assert len(queries.lost_reasons(session, actor)) == 4
    assert "Offer sent" in client.get("/deals").text


@pytest.mark.usefixtures("sales")
def test_the_board_shows_columns_with_their_totals_plain_and_weighted(session, actor, client):
    deal(session, actor, "Alpha", amount_minor=100_000)
    deal(session, actor, "Beta", amount_minor=50_000, currency="USD")
    page = text_of(client.get("/deals"))
    assert "€1,000.00 + $500.00" in page or "$500.00 + €1,000.00" in page
    assert "weighted €200.00 + $100.00" in page or "weighted $100.00 + €200.00" in page


@pytest.mark.usefixtures("sales")
def test_a_full_column_continues_behind_its_last_card(session, actor, client):
    for number in range(45):
        deal(session, actor, f"Deal {number:02}")
    first = client.get("/deals").text
    seen = re.findall(r'data-title="([^"]+)"', first)
    more = re.search(r'href="([^"]*/deals/columns/[^"]*)"', first)[1].replace("&amp;", "&")
    while more:
        part = client.get(more, headers={"HX-Request": "true"})
        seen += re.findall(r'data-title="([^"]+)"', part.text)
        found = re.search(r'href="([^"]*/deals/columns/[^"]*)"', part.text)
        more = found and found[1].replace("&amp;", "&")
    assert sorted(seen) == [f"Deal {number:02}" for number in range(45)]


@pytest.mark.usefixtures("sales")
def test_filters_narrow_the_board_its_totals_and_the_list_alike(session, actor, client):
    firm = company(session, actor)
    deal(session, actor, "Inside", company_ids=[firm.id], closes_on="2030-01-01")
    deal(session, actor, "Outside")
    for path in ("/deals", "/deals/list"):
        page = client.get(path, query_string={"company": str(firm.id)}).text
        assert "Inside" in page
        assert "Outside" not in page
        assert "Inside" not in client.get(path, query_string={"closing": "1"}).text
        assert "Inside" not in client.get(path, query_string={"rotting": "1"}).text
        assert "Inside" in client.get(path, query_string={"whose": "mine", "pipeline": "nonsense"}).text


@pytest.mark.usefixtures("sales")
@pytest.mark.parametrize("sort", ["title", "-title", "amount", "-amount", "closes", "-created", "nonsense"])
def test_the_list_sorts_and_pages_without_losing_or_repeating_a_deal(session, actor, sort, now):
    from crm.deals.kinds import DealSort

    for number in range(9):
        deal(session, actor, f"Deal {number}", amount_minor=number // 3, closes_on=f"2027-01-{1 + number // 2:02}")
    order = next((one for one in DealSort if one == sort.removeprefix("-")), DealSort.CLOSES)
    seen, after = [], None
    while True:
        page = queries.list_deals(
            session,
            actor,
            where=DealFilter(),
            sort=order,
            descending=sort.startswith("-"),
            after=after,
            limit=4,
            now=now,
        )
        seen += [card.title for card in page.items]
        after = page.next
        if after is None:
            break
    assert sorted(seen) == [f"Deal {number}" for number in range(9)]
    assert sort != "-title" or seen == sorted(seen, reverse=True)


@pytest.mark.usefixtures("sales")
def test_a_deal_is_added_with_its_person_and_their_company(session, actor, client):
    firm = company(session, actor)
    ann = contact(session, actor, company_id=firm.id)
    form = client.get("/deals/new", query_string={"contact": str(ann.id)}).text
    assert re.search(rf'selected value="{ann.id}"', form)
    assert re.search(rf'selected value="{firm.id}"', form)
    answer = client.post(
        "/deals/new",
        data={
            "title": "Ten reports",
            "amount": "1,240.50",
            "currency": "EUR",
            "contact_id": str(ann.id),
            "company_id": str(firm.id),
            "stage_id": str(stage(session, actor, "Offer").id),
            "owner_id": str(actor.user_id),
        },
    )
    assert answer.status_code == 303
    page = text_of(client.get(answer.location))
    assert "€1,240.50" in page
    assert "Ann Bo" in page
    assert "Ten reports" in client.get(f"/contacts/{ann.id}").text
    assert "Ten reports" in client.get(f"/companies/{firm.id}").text


@pytest.mark.usefixtures("sales")
@pytest.mark.parametrize("amount", ["-5", "1e400", "99999999999999999", "twelve", "1.234567", "NaN"])
def test_a_sum_that_is_none_is_refused_beside_the_field_and_kept(client, amount):
    answer = client.post("/deals/new", data={"title": "Ten reports", "amount": amount, "currency": "EUR"})
    assert answer.status_code == 422
    assert "Write a sum like" in answer.text
    assert f'value="{amount}"' in answer.text
    assert 'value="Ten reports"' in answer.text


@pytest.mark.usefixtures("sales")
def test_an_unknown_currency_and_a_made_up_choice_are_refused(client):
    for name, value in (("currency", "QQQ"), ("stage_id", "nonsense"), ("contact_id", "nonsense")):
        answer = client.post("/deals/new", data={"title": "x", "amount": "1", name: value})
        assert answer.status_code == 422, name
        assert "Traceback" not in answer.text


@pytest.mark.usefixtures("sales")
def test_moving_by_the_plain_form_leads_back_to_the_board(session, actor, client):
    made = deal(session, actor, "Alpha")
    target = stage(session, actor, "Offer")
    answer = client.post(f"/deals/{made.id}/move", data={"stage_id": str(target.id), "version": "1", "back": "/deals"})
    assert (answer.status_code, answer.location) == (303, "/deals")
    assert reread(session, made.id).stage_id == target.id


@pytest.mark.usefixtures("sales")
def test_the_boards_script_gets_the_card_both_heads_and_a_sentence(session, actor, client):
    made = deal(session, actor, "Alpha")
    target = stage(session, actor, "Offer")
    answer = client.post(
        f"/deals/{made.id}/move",
        data={"stage_id": str(target.id), "version": "1"},
        headers={"HX-Request": "true"},
    )
    assert answer.text.count("data-head") == 2
    assert 'data-version="2"' in answer.text
    assert "stands in “Offer” now" in answer.text
    stale = client.post(
        f"/deals/{made.id}/move",
        data={"stage_id": str(stage(session, actor, "Closing").id), "version": "1"},
        headers={"HX-Request": "true"},
    )
    assert stale.status_code == 409
    assert "it stands in “Offer” now" in stale.text
    assert reread(session, made.id).stage_id == target.id


@pytest.mark.usefixtures("sales")
def test_losing_a_deal_without_a_reason_asks_for_one_and_loses_nothing(session, actor, client):
    made = deal(session, actor, "Alpha")
    lost = stage(session, actor, "Lost")
    asked = client.post(f"/deals/{made.id}/move", data={"stage_id": str(lost.id), "version": "1"})
    assert asked.status_code == 422
    assert "Say why it was lost" in asked.text
    done = client.post(
        f"/deals/{made.id}/move", data={"stage_id": str(lost.id), "version": "1", "lost_note": "Too dear"}
    )
    assert done.status_code == 303
    assert "Too dear" in client.get(f"/deals/{made.id}").text


@pytest.mark.usefixtures("sales")
def test_one_fact_is_edited_where_it_stands_and_a_conflict_asks(session, actor, client):
    made = deal(session, actor, "Alpha", amount_minor=100)
    form = client.get(f"/deals/{made.id}/facts/amount", headers={"HX-Request": "true"}).text
    seen = re.search(r'name="seen"[^>]*value="([^"]*)"', form)[1].replace("&#34;", '"')
    services.update(session, actor, deal_id=made.id, changes={"amount_minor": 900}, now=made.created_at)
    session.flush()
    data = {"amount": "5.00", "currency": "EUR", "seen": seen}
    asked = client.post(f"/deals/{made.id}/facts/amount", data=data, headers={"HX-Request": "true"})
    assert asked.status_code == 409
    assert "€9.00" in asked.text
    again = re.search(r'name="seen"[^>]*value="([^"]*)"', asked.text)[1].replace("&#34;", '"')
    saved = client.post(f"/deals/{made.id}/facts/amount", data={**data, "seen": again}, headers={"HX-Request": "true"})
    assert saved.status_code == 200
    assert reread(session, made.id).amount_minor == 500


@pytest.mark.usefixtures("sales")
def test_a_deleted_deal_can_be_brought_back(session, actor, client):
    made = deal(session, actor, "Alpha")
    assert client.post(f"/deals/{made.id}/delete").status_code == 303
    assert client.get(f"/deals/{made.id}").status_code == 404
    assert client.post(f"/deals/{made.id}/restore").status_code == 303
    assert client.get(f"/deals/{made.id}").status_code == 200


@pytest.mark.usefixtures("sales")
def test_the_search_finds_deals_beside_people(session, actor, client):
    deal(session, actor, "Überprüfung der Lieferanten")
    for headers in ({}, {"HX-Request": "true"}):
        assert "Überprüfung" in client.get("/search?q=uberprufung", headers=headers).text


def test_people_and_companies_join_and_leave_a_deal(session, actor, client, sales):
    ann, firm, made = contact(session, actor), company(session, actor), deal(session, actor)
    assert client.post(f"/deals/{made.id}/people", data={"contact_id": "", "role": "x"}).status_code == 422
    client.post(f"/deals/{made.id}/people", data={"contact_id": str(ann.id), "role": "Buyer"})
    client.post(f"/deals/{made.id}/companies", data={"company_id": str(firm.id)})
    page = client.get(f"/deals/{made.id}/who").text
    assert "Buyer" in page
    assert "Bo Ceramiche" in page
    client.post(f"/deals/{made.id}/people/{ann.id}/remove")
    client.post(f"/deals/{made.id}/companies/{firm.id}/remove")
    assert queries.people_of(session, actor, deal_id=made.id) == []
    assert sales.id


def test_a_stage_with_deals_goes_only_when_somebody_says_where_they_go(session, actor, client, sales):
    made = deal(session, actor)
    first, offer, won = (stage(session, actor, name) for name in ("First talk", "Offer", "Won"))
    assert "1 deal stands" in client.get(f"/settings/stages/{first.id}/remove").text
    asked = client.post(f"/settings/stages/{first.id}/remove", data={"move_to": ""})
    assert asked.status_code == 409
    wrong = client.post(f"/settings/stages/{first.id}/remove", data={"move_to": str(won.id)})
    assert wrong.status_code == 422
    done = client.post(f"/settings/stages/{first.id}/remove", data={"move_to": str(offer.id)})
    assert done.status_code == 303
    row = reread(session, made.id)
    assert (row.stage_id, row.version) == (offer.id, 2)
    assert len(queries.stays(session, actor, deal_id=made.id, now=made.created_at)) == 2
    assert client.get(f"/deals?pipeline={sales.id}").status_code == 200


def test_stages_are_added_renamed_and_reordered_and_one_stays_open(session, actor, client, sales):
    client.post(
        f"/settings/pipelines/{sales.id}/stages", data={"name": "Contract", "kind": "open", "probability": "90"}
    )
    names = [row.name for row in queries.stages(session, actor, pipeline_id=sales.id)]
    assert names == ["First talk", "Offer", "Closing", "Contract", "Won", "Lost"]
    client.post(f"/settings/stages/{stage(session, actor, 'Contract').id}/forward")
    client.post(
        f"/settings/stages/{stage(session, actor, 'Offer').id}",
        data={"name": "Quote", "kind": "open", "probability": "55", "rot_days": "3"},
    )
    session.expire_all()
    names = [row.name for row in queries.stages(session, actor, pipeline_id=sales.id)]
    assert names == ["First talk", "Quote", "Contract", "Closing", "Won", "Lost"]
    for name in ("First talk", "Quote", "Contract"):
        assert client.post(f"/settings/stages/{stage(session, actor, name).id}/remove").status_code == 303
    assert client.post(f"/settings/stages/{stage(session, actor, 'Closing').id}/remove").status_code == 409
    bad = client.post(f"/settings/stages/{stage(session, actor, 'Closing').id}", data={"name": "", "kind": "odd"})
    assert bad.status_code == 422


def test_a_pipeline_with_open_deals_is_not_put_away(session, actor, client, sales):
    made = deal(session, actor)
    assert client.post(f"/settings/pipelines/{sales.id}/archive").status_code == 409
    moved(session, actor, made.id, "Won")
    session.flush()
    assert client.post(f"/settings/pipelines/{sales.id}/archive").status_code == 303
    assert client.get(f"/deals/{made.id}").status_code == 200
    assert client.post(f"/settings/pipelines/{sales.id}/unarchive").status_code == 303
