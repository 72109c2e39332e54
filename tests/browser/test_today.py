"""Today is worked through by keyboard alone."""

import re

import pytest
from playwright.sync_api import expect
from stack.chromium import tab

pytestmark = pytest.mark.browser


def lines(page):
    return page.locator(".fd-queue [data-row]")


def test_today_is_worked_through_by_keyboard_alone(chromium, site):
    """Walk, put off, skip with a reason, do, and open: each line goes, and the number in the menu with it."""
    with tab(chromium, language="en") as (page, said):
        page.context.add_cookies([{"name": "crm", "value": site.cookie, "url": site.address}])
        page.goto(site.address + "/")
        before = lines(page).count()
        assert before >= 4

        page.keyboard.press("j")
        page.keyboard.press("j")
        page.keyboard.press("k")
        name = page.locator("[data-current] [data-row-link]").first.inner_text()
        page.keyboard.press("s")
        expect(lines(page)).to_have_count(before - 1)
        assert page.locator(".fd-queue [data-row-link]").first.inner_text() != name

        page.keyboard.press("j")
        page.keyboard.press("x")
        expect(page).to_have_url(re.compile("/today/skip"))
        page.wait_for_load_state()
        page.keyboard.press("ArrowDown")
        page.keyboard.press("Enter")
        expect(lines(page)).to_have_count(before - 2)

        page.keyboard.press("j")
        page.keyboard.press("j")
        page.keyboard.press("Enter")
        expect(page).not_to_have_url(f"{site.address}/")
        assert said == []
