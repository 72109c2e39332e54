"""The main story as a person clicks it, with real processes: from a list of people to points on a person's page."""

import re
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from playwright.sync_api import Page, expect
from stack.chromium import tab

pytestmark = [pytest.mark.journey, pytest.mark.browser]

LIST = """Nome;Cognome;E-mail;Città
Olga;Rosso;olga@rosso.example;Brisighella
Omero;Viola;omero@viola.example;Brisighella
Orsola;Grigi;orsola@grigi.example;Ravenna
Nessuno;Altrove;not-an-address;Brisighella
"""
BODY = "Good morning {{ contact.first_name }},\n\nyour code is {{ voucher.code }}\n"
ANSWER = "Gladly, see you on Friday."
ZONE = ZoneInfo("Europe/Rome")
AHEAD = timedelta(seconds=10)
UNTIL_SENT = 160_000


def navigate(page: Page, name: str) -> None:
    """Go where the navigation says `name`."""
    page.get_by_role("navigation", name="Main").get_by_role("link", name=name).click()


def shown(page: Page, heading: str) -> None:
    """Wait for the page of this heading, with its scripts."""
    expect(page.get_by_role("heading", name=heading, level=1)).to_be_visible()
    page.wait_for_load_state()


def sign_in(page: Page, stack) -> None:
    """Come in; the demo's Italian house speaks the language of the browser."""
    page.goto(stack.address)
    page.get_by_label("E-mail").fill(stack.email)
    page.get_by_label("Password").fill(stack.password)
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("link", name="Today")).to_have_attribute("aria-current", "page")


def import_the_list(page: Page) -> None:
    navigate(page, "Contacts")
    shown(page, "People")
    page.get_by_role("main").get_by_role("link", name="Import", exact=True).click()
    shown(page, "Import people")
    page.get_by_label("File", exact=True).set_input_files(
        {"name": "rimini.csv", "mimeType": "text/csv", "buffer": LIST.encode("cp1252")}
    )
    page.get_by_role("button", name="Read the file").click()

    shown(page, "rimini.csv")
    expect(page.get_by_label("Città").locator("option:checked")).to_have_text("City")
    preview = page.get_by_role("table", name="Preview")
    expect(preview.get_by_role("row", name="Olga Rosso olga@rosso.example new")).to_be_visible()
    expect(preview.get_by_role("row", name="not-an-address")).to_contain_text("left out")
    page.get_by_label("Where these people come from").fill("Fair of Rimini")
    page.get_by_label("They agreed to receive promotions").check()
    page.get_by_label("Tag for everybody in this file").fill("rimini")
    page.get_by_role("button", name="Start the import").click()

    expect(page.get_by_text("3 new")).to_be_visible()
    expect(page.get_by_text("1 left out")).to_be_visible()
    expect(page.get_by_role("table", name="Rows that were left out")).to_contain_text("This is not an e-mail address.")
    page.get_by_role("link", name="See the people").click()
    shown(page, "People")
    expect(page.get_by_role("table", name="People").get_by_role("row")).to_have_count(4)


def pick_a_few(page: Page) -> None:
    navigate(page, "Segments")
    page.get_by_role("link", name="New segment").click()
    shown(page, "New segment")
    page.get_by_label("Name", exact=True).fill("Brisighella")
    count = page.get_by_role("status").filter(has_text="you may see")

    page.get_by_role("button", name="Condition", exact=True).click()
    page.get_by_role("group", name="New condition").get_by_label("What to ask about").select_option(label="Tag")
    page.get_by_role("combobox", name="Value of “Tag”").fill("rimini")
    page.get_by_role("option", name="rimini").locator("visible=true").last.click()
    expect(count).to_have_text(re.compile(r"^\s*3\s+people"))

    page.get_by_role("button", name="Condition", exact=True).click()
    page.get_by_role("group", name="New condition").get_by_label("What to ask about").select_option(label="City")
    page.get_by_label("Value of “City”").fill("Brisighella")
    expect(count).to_have_text(re.compile(r"^\s*2\s+people"))
    expect(page.get_by_text("People with the tag rimini, and in Brisighella.")).to_be_visible()
    page.get_by_role("button", name="Save segment").click()
    shown(page, "Brisighella")
    page.get_by_role("link", name="Write to them").click()


def set_the_campaign_up(page: Page) -> None:
    shown(page, "New campaign")
    page.get_by_label("Name").fill("A private promotion")
    expect(page.get_by_label("For whom").locator("option:checked")).to_have_text("Brisighella")
    page.get_by_role("button", name="Go on with the people").click()
    expect(page.get_by_text("All of them can be written to")).to_be_visible()
    page.get_by_role("button", name="Go on with the offer").click()

    page.get_by_role("link", name="New offer").click()
    shown(page, "New offer")
    page.get_by_label("Name").fill("Fifteen for Brisighella")
    page.get_by_label("Percent", exact=True).fill("15")
    page.get_by_role("button", name="Make the offer").click()
    expect(page.get_by_role("radio", name="Fifteen for Brisighella")).to_be_checked()
    page.get_by_role("button", name="Go on with the message").click()

    page.get_by_label("Subject", exact=True).fill("Only for you, {{ contact.first_name }}")
    page.get_by_label("Text", exact=True).fill(BODY)
    expect(page.get_by_text("Only for you, Olga")).to_be_visible()
    page.get_by_role("button", name="Write the drafts").click()


def review(page: Page) -> None:
    """With the keys that the page shows: look at both, then approve both."""
    expect(page.get_by_text("0 of 2 reviewed")).to_be_visible()
    expect(page.get_by_role("heading", name="Why Olga")).to_be_visible()
    expect(page.get_by_text("May be sent")).to_be_visible()
    for key, name in (("j", "Omero"), ("k", "Olga"), ("a", "Omero")):
        page.wait_for_load_state()
        page.keyboard.press(key)
        expect(page.get_by_role("heading", name=f"Why {name}")).to_be_visible()
    expect(page.get_by_text("1 of 2 reviewed")).to_be_visible()
    page.wait_for_load_state()
    page.keyboard.press("a")
    expect(page.get_by_text("2 approved messages")).to_be_visible()


def schedule(page: Page) -> datetime:
    """Say the next minute that can be said; it."""
    at = (datetime.now(ZONE) + AHEAD + timedelta(minutes=1)).replace(second=0, microsecond=0)
    page.get_by_label("Day", exact=True).fill(at.strftime("%Y-%m-%d"))
    page.get_by_label("Time", exact=True).fill(at.strftime("%H:%M"))
    page.get_by_role("button", name="Schedule them").click()
    expect(page.get_by_text("0 of 2")).to_be_visible()
    expect(page.get_by_role("main").get_by_role("listitem").filter(has_text="Olga Rosso")).to_contain_text(
        at.strftime("%H:%M")
    )
    return at


def answer_as_olga(page: Page) -> str:
    """Read her mail and write back; the code that stands in it."""
    navigate(page, "Sandbox")
    page.get_by_role("link", name="Olga Rosso").click()
    letter = page.get_by_role("article")
    expect(letter.get_by_role("heading", name="Only for you, Olga")).to_be_visible()
    code = re.search(r"your code is (\S+)", letter.inner_text())
    assert code
    page.get_by_role("main").get_by_label("Text").fill(ANSWER)
    page.get_by_role("button", name="Send the answer").click()
    expect(page.get_by_text("The answer has arrived in your inbox.")).to_be_visible()
    return code[1]


def find_the_answer(page: Page, code: str) -> None:
    navigate(page, "Today")
    page.get_by_role("article").filter(has_text=ANSWER).get_by_role("link", name="Olga Rosso").click()
    thread = page.get_by_role("log", name="Messages")
    expect(thread).to_contain_text(f"your code is {code}")
    expect(thread).to_contain_text(ANSWER)
    page.get_by_role("link", name="Open the person").click()
    shown(page, "Olga Rosso")
    heard = page.get_by_role("main").get_by_role("listitem").filter(has_text="Olga Rosso answered by e-mail")
    expect(heard).to_contain_text(ANSWER)
    page.get_by_role("button", name="Make a member").click()
    expect(page.get_by_role("link", name="Give points")).to_be_visible()


def redeem(page: Page, code: str) -> int:
    """At the till, for a purchase of 100 euros; the points that it says it gives."""
    navigate(page, "Till")
    page.get_by_label("Code", exact=True).fill(code)
    page.keyboard.press("Enter")
    seen = page.get_by_role("region", name="The code and its holder")
    expect(seen).to_contain_text("Olga Rosso")
    expect(seen).to_contain_text("Valid")
    page.get_by_label("Purchase before the discount").fill("100")
    expect(seen).to_contain_text("€85.00")
    earned = re.search(r"\+([\d,]+) points", seen.inner_text())
    assert earned
    page.get_by_role("button", name="Redeem").click()
    expect(page.get_by_text("Redeemed.")).to_be_visible()
    return int(earned[1].replace(",", ""))


def test_a_newcomer_writes_to_a_few_and_sees_what_they_earn(chromium, stack):
    with tab(chromium) as (page, said):
        sign_in(page, stack)
        import_the_list(page)
        pick_a_few(page)
        set_the_campaign_up(page)
        review(page)
        at = schedule(page)

        expect(page.get_by_text("2 of 2")).to_be_visible(timeout=UNTIL_SENT)
        expect(page.get_by_role("main").get_by_text("finished", exact=True)).to_be_visible()
        for address in ("olga@rosso.example", "omero@viola.example"):
            assert stack.letter(address)[0].at >= at

        code = answer_as_olga(page)
        find_the_answer(page, code)
        points = redeem(page, code)
        assert points > 0
        page.get_by_role("link", name="Olga Rosso").click()
        shown(page, "Olga Rosso")
        expect(page.get_by_text(re.compile(rf"Balance\s*{points}"))).to_be_visible()
        assert said == []
