"""Two people at the same person's facts, each in a tab: different facts merge, the same one asks."""

import pytest
from playwright.sync_api import Locator, Page, expect
from stack.chromium import tab

pytestmark = [pytest.mark.journey, pytest.mark.browser]


def come_in(page: Page, stack) -> None:
    page.goto(stack.address)
    page.get_by_label("E-mail").fill(stack.email)
    page.get_by_label("Password").fill(stack.password)
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("link", name="Today")).to_have_attribute("aria-current", "page")


def add_ottavia(page: Page, stack) -> str:
    page.goto(f"{stack.address}/contacts/new")
    page.get_by_label("First name").fill("Ottavia")
    page.get_by_label("Last name").fill("Serra")
    page.get_by_role("main").get_by_role("button", name="Add", exact=False).click()
    expect(page.get_by_role("heading", name="Ottavia Serra", level=1)).to_be_visible()
    page.wait_for_load_state()
    return page.url


def edit(page: Page, label: str) -> Locator:
    """Open the control of a fact where it stands; the form."""
    page.get_by_role("link", name=f"Edit: {label}", exact=True).click()
    form = page.locator("form").filter(has=page.get_by_label(label, exact=True))
    expect(form.get_by_label(label, exact=True)).to_be_focused()
    return form


def fact(page: Page, field: str) -> Locator:
    return page.locator(f"#fact-{field}")


def test_different_facts_merge_and_the_same_one_asks(chromium, stack):
    with tab(chromium) as (mine, said), tab(chromium) as (theirs, _):
        come_in(mine, stack)
        come_in(theirs, stack)
        url = add_ottavia(mine, stack)
        theirs.goto(url)

        city, role = edit(mine, "City"), edit(theirs, "Role")
        role.get_by_label("Role", exact=True).fill("Buyer")
        role.get_by_role("button", name="Save").click()
        expect(fact(theirs, "title")).to_contain_text("Buyer")
        city.get_by_label("City", exact=True).fill("Faenza")
        city.get_by_role("button", name="Save").click()
        expect(fact(mine, "city")).to_contain_text("Faenza")
        theirs.reload()
        expect(fact(theirs, "city")).to_contain_text("Faenza")
        expect(fact(theirs, "title")).to_contain_text("Buyer")

        city, other = edit(mine, "City"), edit(theirs, "City")
        other.get_by_label("City", exact=True).fill("Rimini")
        other.get_by_role("button", name="Save").click()
        expect(fact(theirs, "city")).to_contain_text("Rimini")
        city.get_by_label("City", exact=True).fill("Ravenna")
        city.get_by_role("button", name="Save").click()
        asked = mine.locator(".fd-fact").filter(has_text="It now says “Rimini”.")
        expect(asked.get_by_label("City", exact=True)).to_have_value("Ravenna")
        asked.get_by_role("button", name="Save").click()
        expect(fact(mine, "city")).to_contain_text("Ravenna")
        theirs.reload()
        expect(fact(theirs, "city")).to_contain_text("Ravenna")
        # The refusal is an answer like any other; the console is told of its status and of nothing else.
        assert [line for line in said if "409" not in line] == []
