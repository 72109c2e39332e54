"""Shared views in two browsers: one keeps it, the other opens it and sees their own; then many people are changed."""

import re

import pytest
from browser.conftest import cookie_of, served
from conftest import make_house
from factories import accounts as factory
from factories.contacts import company, contact
from playwright.sync_api import expect
from stack.chromium import tab

from crm.accounts.kinds import RecordAccess, Role
from crm.accounts.models import Membership
from crm.accounts.services import browsers
from crm.app import create_app
from crm.db import database_now

pytestmark = pytest.mark.browser


@pytest.fixture
def two(fresh_database, settings, jobs):
    """(address, the cookie of the owner, the cookie of a seller who sees their own people)."""
    with fresh_database.database.scope() as session:
        house, now = make_house(session, name="Lanterna Dati"), database_now(session)
        seller = factory.user(session, name="Luca Verdi")
        session.add(Membership(user_id=seller.id, role=Role.SALES))
        session.flush()
        house.workspace.record_access = {Role.SALES.value: RecordAccess.OWN.value}
        contact(session, house.actor, "Ann Bo", lifecycle="customer", now=now)
        contact(session, house.actor, "Bea Conti", lifecycle="customer", owner_id=seller.id, now=now)
        contact(session, house.actor, "Carl Dini", lifecycle="lead", now=now)
        company(session, house.actor, "Alfa", owner_id=house.user.id, now=now)
        company(session, house.actor, "Beta", owner_id=seller.id, now=now)
        cookies = {
            user.fs_uniquifier: browsers.start(session, user_id=user.id, ip="127.0.0.1", agent="test", now=now)
            for user in (house.user, seller)
        }
    app = create_app(settings, database=fresh_database.database, jobs=jobs)
    app.config["RATELIMIT_ENABLED"] = False
    made = [
        cookie_of(
            app,
            _user_id=identity,
            _fresh=True,
            fs_cc="set",
            fs_paa=now.timestamp(),
            key=key,
            workspace_id=str(house.workspace.id),
        )
        for identity, key in cookies.items()
    ]
    with served(app) as address:
        yield address, *made


def names(page):
    return page.locator(".fd-personcell__name").all_inner_texts()


def test_what_one_shares_the_other_opens_with_their_own_people_and_changes_them(chromium, two):
    address, owners, sellers = two
    with tab(chromium) as (owner, said), tab(chromium) as (seller, said_too):
        owner.context.add_cookies([{"name": "crm", "value": owners, "url": address}])
        seller.context.add_cookies([{"name": "crm", "value": sellers, "url": address}])

        owner.goto(f"{address}/contacts?lifecycle=customer")
        owner.get_by_role("link", name="Save view").click()
        owner.get_by_label("Name", exact=True).fill("Our customers")
        owner.get_by_label("Shared with everybody here").check()
        owner.get_by_role("button", name="Save view").click()
        expect(owner.get_by_role("link", name="Our customers")).to_have_attribute(
            "aria-current", re.compile("page|true")
        )
        assert names(owner) == ["Ann Bo", "Bea Conti"]

        seller.goto(f"{address}/contacts")
        seller.get_by_role("link", name="Our customers").click()
        expect(seller.get_by_role("link", name="Bea Conti")).to_be_visible()
        assert names(seller) == ["Bea Conti"]

        seller.get_by_role("link", name="Change everybody of this list").click()
        seller.get_by_label("Importance").select_option("key")
        seller.get_by_role("button", name="Set the importance").click()
        expect(seller.get_by_text("1 person changes")).to_be_visible()
        seller.get_by_role("button", name="Change them").click()
        expect(seller.get_by_text("1 person changed.")).to_be_visible()
        seller.get_by_role("button", name="Undo").click()
        expect(seller.get_by_text("Taken back.")).to_be_visible()

        owner.goto(f"{address}/companies")
        owner.get_by_role("button", name="Filter", exact=True).click()
        owner.get_by_role("group", name="Filter").get_by_label("Owner").select_option("me")
        owner.get_by_role("group", name="Filter").get_by_role("button", name="Show these").click()
        owner.get_by_role("link", name="Save view").click()
        owner.get_by_label("Name", exact=True).fill("Our firms")
        owner.get_by_label("Shared with everybody here").check()
        owner.get_by_role("button", name="Save view").click()
        expect(owner.get_by_text("The view is saved.")).to_be_visible()
        assert names(owner) == ["Alfa"]
        seller.goto(f"{address}/companies")
        seller.get_by_role("link", name="Our firms").click()
        expect(seller.get_by_role("link", name="Alfa")).to_have_count(0)
        assert names(seller) == ["Beta"]
        assert said == said_too == []
