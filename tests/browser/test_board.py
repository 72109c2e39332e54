"""The board of deals in a browser: a card goes by drag and by keys, and comes back where somebody was quicker."""

import pytest
from browser.conftest import cookie_of, served
from conftest import make_house  # pyright: ignore[reportAttributeAccessIssue]
from factories.deals import deal, moved, pipeline
from playwright.sync_api import expect
from stack.chromium import tab

from crm.accounts.services import browsers
from crm.app import create_app
from crm.db import database_now
from crm.deals import queries

pytestmark = pytest.mark.browser


@pytest.fixture
def house(fresh_database, settings, jobs):
    """(address, cookie, how to act in the house, the ids of its two deals)."""
    database = fresh_database.database
    with database.scope() as session:
        made, now = make_house(session, name="Lanterna Dati"), database_now(session)
        pipeline(session, made.actor, now=now)
        ids = [deal(session, made.actor, title, now=now).id for title in ("Alpha", "Beta")]
        key = browsers.start(session, user_id=made.user.id, ip="127.0.0.1", agent="test", now=now)
        identity = made.user.fs_uniquifier
    app = create_app(settings, database=database, jobs=jobs)
    app.config["RATELIMIT_ENABLED"] = False
    cookie = cookie_of(
        app,
        _user_id=identity,
        _fresh=True,
        fs_cc="set",
        fs_paa=now.timestamp(),
        key=key,
        workspace_id=str(made.workspace.id),
    )
    with served(app) as address:
        yield address, cookie, database, made.actor, ids, now


def column(page, name):
    return page.locator(f'[data-column][data-name="{name}"]')


def test_a_card_goes_by_keys_and_by_drag_and_comes_back_where_somebody_was_quicker(chromium, house):
    address, cookie, database, actor, ids, now = house
    with tab(chromium) as (page, said):
        page.context.add_cookies([{"name": "crm", "value": cookie, "url": address}])
        page.goto(f"{address}/deals")
        told = page.locator("#announce")

        page.get_by_role("link", name="Alpha").focus()
        page.keyboard.press("Space")
        expect(told).to_contain_text("taken up")
        page.keyboard.press("ArrowRight")
        expect(told).to_contain_text("Offer, column 2 of 5")
        page.keyboard.press("Escape")
        expect(told).to_contain_text("is left in First talk")
        page.keyboard.press("Space")
        page.keyboard.press("ArrowRight")
        page.keyboard.press("Space")
        expect(told).to_contain_text("stands in “Offer” now")
        expect(column(page, "Offer").locator(".fd-board__head")).to_contain_text("€1,000.00")
        expect(page.get_by_role("link", name="Alpha")).to_be_focused()

        page.keyboard.press("Space")
        page.keyboard.press("ArrowLeft")
        page.keyboard.press("ArrowDown")
        expect(told).to_contain_text("Place 2 of 2 in First talk")
        page.keyboard.press("ArrowUp")
        page.keyboard.press("Space")
        expect(told).to_contain_text("stands in “First talk” now")
        expect(page.get_by_role("link", name="Alpha")).to_be_focused()
        for key in ("Space", "ArrowDown", "Space"):
            page.keyboard.press(key)
        expect(told).to_contain_text("“Alpha” has a new place in “First talk”")
        cards = column(page, "First talk").locator("[data-deal]")
        cards.first.locator(".fd-board__amount").drag_to(cards.last, target_position={"x": 30, "y": 60})
        expect(told).to_contain_text("“Beta” has a new place in “First talk”")
        page.reload()
        assert [card.get_attribute("data-title") for card in cards.all()] == ["Alpha", "Beta"]
        cards.last.get_by_role("button").click()
        page.get_by_role("button", name="One place up").click()
        page.wait_for_load_state()
        assert [card.get_attribute("data-title") for card in cards.all()] == ["Beta", "Alpha"]
        page.get_by_role("link", name="Alpha").focus()
        for key in ("Space", "ArrowRight", "Space"):
            page.keyboard.press(key)
        expect(told).to_contain_text("stands in “Offer” now")

        amount = column(page, "First talk").locator("[data-deal]", has_text="Beta").locator(".fd-board__amount")
        amount.drag_to(column(page, "Closing").locator("[data-cards]"))
        expect(told).to_contain_text("stands in “Closing” now")
        expect(column(page, "Closing").locator("[data-deal]")).to_have_count(1)

        with database.scope(actor.workspace_id) as session:
            moved(session, actor, ids[0], "Won", now=now)
        page.get_by_role("link", name="Alpha").focus()
        for key in ("Space", "ArrowRight", "Space"):
            page.keyboard.press(key)
        expect(told).to_contain_text("it stands in “Won” now")
        expect(column(page, "Offer").locator("[data-deal]", has_text="Alpha")).to_have_count(1)

        page.get_by_role("link", name="Beta").focus()
        for key in ("Space", "ArrowRight", "ArrowRight", "Space"):
            page.keyboard.press(key)
        page.get_by_label("In your own words").fill("Too dear")
        page.get_by_role("button", name="Mark as lost").click()
        expect(column(page, "Lost").locator("[data-deal]", has_text="Beta")).to_have_count(1)
        # The refusal itself is an answer of 409, which browsers write down.
        assert [line for line in said if "409" not in line] == []
    with database.scope(actor.workspace_id) as session:
        assert queries.deal(session, actor, deal_id=ids[1]).lost_note == "Too dear"
