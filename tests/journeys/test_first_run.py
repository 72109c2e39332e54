"""A fresh installation in the browser: the wizard, then signing in again, and a Today that says what to do first."""

import pytest
from playwright.sync_api import Page, expect
from stack.chromium import tab

pytestmark = [pytest.mark.journey, pytest.mark.browser]

PASSWORD = "orchard lantern seventeen"


def heading(page: Page, text: str) -> None:
    expect(page.get_by_role("heading", name=text, level=1)).to_be_visible()


def move_in(page: Page) -> None:
    """The three steps of the wizard, with the sandbox and without people."""
    heading(page, "Welcome. Who are you?")
    page.get_by_label("Name of your firm").fill("Bottega Bo")
    page.get_by_label("Your name").fill("Ann Bo")
    page.get_by_label("Your e-mail").fill("ann@bottega.example")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Create the workspace").click()
    heading(page, "How do you want to send?")
    page.get_by_role("listitem").filter(has_text="Try with the sandbox").get_by_role("button", name="Choose").click()
    heading(page, "Whom do you keep in touch with?")
    page.get_by_role("button", name="Begin with an empty workspace").click()


def finds_an_empty_today(page: Page) -> None:
    heading(page, "Nobody is waiting for you")
    expect(page.get_by_role("heading", name="Today tells you whom to write to, and why")).to_be_visible()
    for step in ("Import people", "Add a person"):
        expect(page.get_by_role("main").get_by_role("link", name=step)).to_be_visible()


def test_a_first_owner_moves_in_and_comes_back(chromium, empty_house):
    with tab(chromium) as (page, said):
        page.goto(empty_house.address)
        move_in(page)
        finds_an_empty_today(page)

        page.get_by_role("button", name="Your menu, Ann Bo").click()
        page.get_by_role("button", name="Sign out").click()
        page.goto(f"{empty_house.address}/setup")
        heading(page, "Sign in")
        page.get_by_label("E-mail").fill("ann@bottega.example")
        page.get_by_label("Password").fill(PASSWORD)
        page.get_by_role("button", name="Sign in").click()
        finds_an_empty_today(page)

        page.get_by_role("link", name="Add a person").click()
        heading(page, "Add a person")
        assert said == []
