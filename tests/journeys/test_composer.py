"""What a person writes down and sends from somebody's page, clicked in a browser, with the real sender behind it."""

import pytest
from playwright.sync_api import Page, expect
from stack.chromium import tab

pytestmark = [pytest.mark.journey, pytest.mark.browser]

NOTE = "Prefers to be called after ten."
WORDS = "The sample left this morning."
UNTIL_SENT = 90_000


def come_in(page: Page, stack) -> None:
    page.goto(stack.address)
    page.get_by_label("E-mail").fill(stack.email)
    page.get_by_label("Password").fill(stack.password)
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("link", name="Today")).to_have_attribute("aria-current", "page")


def add_orfeo(page: Page, stack) -> None:
    page.goto(f"{stack.address}/contacts/new")
    page.get_by_label("First name").fill("Orfeo")
    page.get_by_label("Last name").fill("Bruno")
    page.get_by_label("E-mail").fill("orfeo@bruno.example")
    page.get_by_role("main").get_by_role("button", name="Add", exact=False).click()
    expect(page.get_by_role("heading", name="Orfeo Bruno", level=1)).to_be_visible()
    page.wait_for_load_state()


def told(page: Page, words: str):
    return page.get_by_role("main").get_by_role("listitem").filter(has_text=words)


def test_the_composer_notes_sends_and_takes_back(chromium, stack):
    with tab(chromium) as (page, said):
        come_in(page, stack)
        add_orfeo(page, stack)
        composer = page.locator("#log")

        composer.get_by_label("Note", exact=True).and_(page.locator("textarea")).fill(NOTE)
        composer.get_by_role("button", name="Keep note").click()
        expect(told(page, NOTE)).to_contain_text("You")

        # Words that were begun as a note go along into the message.
        composer.locator("textarea").fill(WORDS)
        composer.get_by_role("button", name="Message").click()
        expect(composer.get_by_text("orfeo@bruno.example")).to_be_visible()
        expect(composer.locator("textarea")).to_have_value(WORDS)
        composer.get_by_label("Subject").fill("On its way")
        composer.get_by_role("button", name="Send", exact=True).click()
        page.get_by_role("button", name="Take back").click()
        expect(page.get_by_text("Taken back: it did not leave.")).to_be_visible()

        page.get_by_role("button", name="Message").first.click()
        expect(composer.get_by_label("Subject")).to_be_visible()
        composer.get_by_label("Subject").fill("On its way")
        composer.locator("textarea").fill(WORDS)
        composer.get_by_role("button", name="Send", exact=True).click()
        expect(told(page, "On its way").first).to_be_visible()

        # One letter arrives: what was taken back never left.
        _letter, mail = stack.letter("orfeo@bruno.example")
        assert mail["Subject"] == "On its way"
        expect(told(page, "You wrote by e-mail").filter(has_text=WORDS)).to_be_visible(timeout=UNTIL_SENT)
        assert said == []
