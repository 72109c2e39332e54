"""Two records become one in a browser, with a choice of a value, and two again from the page, also after a reload."""

import pytest
from browser.conftest import cookie_of, served
from conftest import make_house  # pyright: ignore[reportAttributeAccessIssue]
from factories.contacts import contact
from playwright.sync_api import expect
from stack.chromium import tab

from crm.accounts.services import browsers
from crm.app import create_app
from crm.contacts.models import Contact
from crm.db import database_now

pytestmark = pytest.mark.browser


@pytest.fixture
def house(fresh_database, settings, jobs):
    """(address, cookie, how to look into the house, the ids of its two records)."""
    database = fresh_database.database
    with database.scope() as session:
        made, now = make_house(session, name="Lanterna Dati"), database_now(session)
        kept = contact(session, made.actor, "Anna Rossi", email="anna@bo.example.com", city="Faenza", now=now).id
        other = contact(session, made.actor, "Anna Rossi", email="a@lugo.example.com", city="Lugo", now=now).id
        key = browsers.start(session, user_id=made.user.id, ip="127.0.0.1", agent="test", now=now)
        identity, workspace_id = made.user.fs_uniquifier, made.workspace.id
    app = create_app(settings, database=database, jobs=jobs)
    app.config["RATELIMIT_ENABLED"] = False
    cookie = cookie_of(
        app,
        _user_id=identity,
        _fresh=True,
        fs_cc="set",
        fs_paa=now.timestamp(),
        key=key,
        workspace_id=str(workspace_id),
    )
    with served(app) as address:
        yield address, cookie, database, workspace_id, kept, other


def test_two_records_are_merged_with_a_chosen_value_and_parted_after_a_reload(chromium, house):
    address, cookie, database, workspace_id, kept, other = house

    def held(person):
        with database.scope(workspace_id) as session:
            row = session.get_one(Contact, person)
            return row.city, row.email, row.merged_into_id

    with tab(chromium) as (page, said):
        page.context.add_cookies([{"name": "crm", "value": cookie, "url": address}])
        page.goto(f"{address}/contacts/{kept}/merge/{other}")
        page.get_by_label("Lugo", exact=True).check()
        page.get_by_role("button", name="Merge", exact=True).click()
        page.wait_for_url(f"{address}/contacts/{kept}")
        assert held(kept) == ("Lugo", "anna@bo.example.com", None)
        page.goto(f"{address}/contacts/{other}")
        assert page.url == f"{address}/contacts/{kept}"
        page.reload()
        page.get_by_role("button", name="Undo the merge").click()
        expect(page.get_by_text("There are two records again.")).to_be_visible()
        assert held(kept) == ("Faenza", "anna@bo.example.com", None)
        assert held(other) == ("Lugo", "a@lugo.example.com", None)
        page.reload()
        expect(page.get_by_role("button", name="Undo the merge")).to_have_count(0)
        assert said == []
