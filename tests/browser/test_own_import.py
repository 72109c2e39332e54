"""A table with an own field is imported in a browser: one row is left out with its reason, and all is taken back."""

import pytest
from browser.conftest import cookie_of, served
from conftest import make_house  # pyright: ignore[reportAttributeAccessIssue]
from factories.contacts import contact
from playwright.sync_api import expect
from sqlalchemy import select
from stack.chromium import tab

from crm.accounts.services import browsers
from crm.app import create_app
from crm.contacts import services
from crm.contacts.custom_inputs import CustomFieldInput
from crm.db import database_now
from crm.lifecycle import runner
from crm.lifecycle.models import Import

pytestmark = pytest.mark.browser

TABLE = "E-mail;Nome;Budget\nann@example.it;Ann;2000\nbob@example.it;Bob;molto\ncarl@example.it;Carl;300\n"


@pytest.fixture
def site(fresh_database, settings, jobs):
    """(address, cookie of the owner, id of the workspace, of Ann with a budget of 1,000)."""
    with fresh_database.database.scope() as session:
        house, now = make_house(session, name="Lanterna Dati"), database_now(session)
        data = CustomFieldInput.model_validate({"label": "Budget", "type": "number"})
        services.create_custom_field(session, house.actor, data=data, now=now)
        ann = contact(session, house.actor, "Ann", email="ann@example.it", now=now)
        services.set_custom_values(session, house.actor, contact_id=ann.id, values={"budget": 1000}, now=now)
        key = browsers.start(session, user_id=house.user.id, ip="127.0.0.1", agent="test", now=now)
        ids = {"workspace_id": house.workspace.id, "contact_id": ann.id}
        identity = house.user.fs_uniquifier
    app = create_app(settings, database=fresh_database.database, jobs=jobs)
    app.config["RATELIMIT_ENABLED"] = False
    cookie = cookie_of(
        app,
        _user_id=identity,
        _fresh=True,
        fs_cc="set",
        fs_paa=now.timestamp(),
        key=key,
        workspace_id=str(ids["workspace_id"]),
    )
    with served(app) as address:
        yield address, cookie, ids["workspace_id"], ids["contact_id"]


def test_an_own_field_comes_in_and_goes_back(chromium, site, fresh_database, settings):
    address, cookie, workspace_id, contact_id = site
    with tab(chromium) as (page, said):
        page.context.add_cookies([{"name": "crm", "value": cookie, "url": address}])
        page.goto(f"{address}/imports/new")
        page.locator('input[type="file"]').set_input_files(
            {"name": "gente.csv", "mimeType": "text/csv", "buffer": TABLE.encode()}
        )
        page.locator('main button[type="submit"]').first.click()
        expect(page.get_by_text("Budget: Write a number.")).to_be_visible()
        assert page.get_by_label("Budget", exact=True).input_value() == "custom.budget"
        page.get_by_label("Where these people come from").fill("Fiera")
        page.get_by_role("button", name="Start the import").click()
        page.wait_for_url("**/imports/*")

        with fresh_database.database.scope(workspace_id) as session:
            import_id = session.scalars(select(Import.id)).one()
        given = {"workspace_id": workspace_id, "import_id": import_id}
        runner.run(fresh_database.database, folder=settings.home / "files", **given)
        page.goto(f"{address}/imports/{import_id}")
        expect(page.get_by_text("Rows that were left out").first).to_be_visible()
        expect(page.get_by_text("bob@example.it, Bob, molto")).to_be_visible()
        page.goto(f"{address}/contacts/{contact_id}")
        expect(page.get_by_text("2,000")).to_be_visible()

        page.goto(f"{address}/imports/{import_id}")
        page.get_by_role("link", name="Take it back").click()
        page.get_by_role("button", name="Take the import back").click()
        page.wait_for_url("**/imports/*")
        runner.revert(fresh_database.database, **given)
        page.goto(f"{address}/imports/{import_id}")
        expect(page.get_by_text("The import was taken back")).to_be_visible()
        page.goto(f"{address}/contacts/{contact_id}")
        expect(page.get_by_text("1,000")).to_be_visible()
        assert said == []
