"""Two records of one person are found, compared, merged, and made two again, as a person clicks it."""

import re

import pytest
from playwright.sync_api import Page, expect
from stack.chromium import tab

pytestmark = [pytest.mark.journey, pytest.mark.browser]


def come_in(page: Page, stack) -> None:
    page.goto(stack.address)
    page.get_by_label("E-mail").fill(stack.email)
    page.get_by_label("Password").fill(stack.password)
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("link", name="Today")).to_have_attribute("aria-current", "page")


def add(page: Page, stack, first: str, last: str, address: str) -> str:
    """A new person; the address of their page."""
    page.goto(f"{stack.address}/contacts/new")
    page.get_by_label("First name").fill(first)
    page.get_by_label("Last name").fill(last)
    page.get_by_label("E-mail").fill(address)
    page.get_by_role("main").get_by_role("button", name="Add", exact=False).click()
    expect(page.get_by_role("heading", name=f"{first} {last}", level=1)).to_be_visible()
    page.wait_for_load_state()
    return page.url


def test_two_records_become_one_and_two_again(chromium, stack):
    with tab(chromium) as (page, said):
        come_in(page, stack)
        first = add(page, stack, "Ottavia", "Celeste", "ottavia@celeste.example")
        second = add(page, stack, "O.", "Celeste", "info.ottavia@celeste.example")

        page.goto(first)
        expect(page.get_by_text("Maybe the same person as O. Celeste")).to_be_visible()
        page.get_by_role("link", name="Compare").click()
        expect(page.get_by_role("heading", name="Merge two records", level=1)).to_be_visible()
        expect(page.get_by_role("radio", name="Ottavia", exact=True)).to_be_checked()
        page.get_by_role("radio", name="info.ottavia@celeste.example").check()
        page.get_by_role("button", name="Merge", exact=True).click()
        expect(page.get_by_text("The two records are one now.")).to_be_visible()
        expect(page.get_by_role("heading", name="Ottavia Celeste", level=1)).to_be_visible()

        page.goto(second)
        expect(page).to_have_url(re.compile(re.escape(first)))
        page.get_by_role("button", name="Undo the merge").click()
        expect(page.get_by_text("There are two records again.")).to_be_visible()
        page.goto(second)
        expect(page.get_by_role("heading", name="O. Celeste", level=1)).to_be_visible()
        assert said == []
