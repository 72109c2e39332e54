"""Today is worked through by keyboard alone."""

import pytest
from stack.chromium import tab

pytestmark = pytest.mark.browser


def lines(page):
    return page.locator(".fd-queue [data-row]").count()


def test_today_is_worked_through_by_keyboard_alone(chromium, site):
    """Walk, put off, skip with a reason, do, and open: each line goes, and the number in the menu with it."""
    with tab(chromium, language="en") as (page, said):
        page.context.add_cookies([{"name": "crm", "value": site.cookie, "url": site.address}])
        page.goto(site.address + "/")
        before = lines(page)
        assert before >= 4

        page.keyboard.press("j")
        page.keyboard.press("j")
        page.keyboard.press("k")
        name = page.locator("[data-current] [data-row-link]").first.inner_text()
        with page.expect_navigation():
            page.keyboard.press("s")
        assert lines(page) == before - 1
        assert page.locator(".fd-queue [data-row-link]").first.inner_text() != name

        page.keyboard.press("j")
        with page.expect_navigation():
            page.keyboard.press("x")
        page.keyboard.press("ArrowDown")
        with page.expect_navigation():
            page.keyboard.press("Enter")
        assert lines(page) == before - 2

        page.keyboard.press("j")
        page.keyboard.press("j")
        with page.expect_navigation():
            page.keyboard.press("Enter")
        assert page.url != site.address + "/"
        assert said == []
