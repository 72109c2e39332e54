"""Every address that can be read, in a real browser: no error, no serious barrier, nothing that scrolls sideways.

Each page is opened once in each language and then looked at wide and on a phone, light and dark. Nothing may scroll
sideways in any of the eight. axe looks for names and structure once in each language, wide and on a phone, and for the
contrast in the light and in the dark: colours depend neither on the language nor on the width, and names not on the
theme.
"""

import re

import pytest
from axe_playwright_python.base import AXE_SCRIPT
from playwright.sync_api import Page
from stack.chromium import WIDE, tab

pytestmark = pytest.mark.browser

PHONE = {"width": 360, "height": 780}
OVERFLOW = """() => {
    const width = document.documentElement.clientWidth;
    if (document.documentElement.scrollWidth <= width) return "";
    const scrolls = (element) =>
        element && (getComputedStyle(element).overflowX !== "visible" || scrolls(element.parentElement));
    const guilty = [...document.querySelectorAll("body *")].filter((element) => {
        if (scrolls(element.parentElement)) return false;
        const box = element.getBoundingClientRect();
        return box.width > 0 && box.right > width + 1;
    });
    const shown = guilty.slice(0, 3).map((one) => `${one.tagName.toLowerCase()}.${one.className}`);
    return `${document.documentElement.scrollWidth} px: ${shown.join(", ")}`;
}"""
BARRIERS = """async (asked) => (await axe.run({
    resultTypes: ["violations"], preload: false, ...asked,
})).violations
    .filter((one) => one.impact === "serious" || one.impact === "critical")
    .map((one) => `${one.impact} ${one.id}: ${one.nodes[0].html.slice(0, 160)} (${one.nodes.length})`)"""
RULES = {"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]}
COLOURS = {"runOnly": ["color-contrast"]}
NAMES = RULES | {"rules": {"color-contrast": {"enabled": False}}}
# (size, theme, what axe looks for in each language), in the order in which the least changes.
LOOKS = [
    (WIDE, "light", {"en": RULES}),
    (WIDE, "dark", {}),
    (PHONE, "dark", {"en": COLOURS}),
    (PHONE, "light", {"it": NAMES}),
]
# What only leads on for the owner of a house that is set up: each of these pages is looked at in another way below.
LEADS_ON = {
    "accounts.setup": "/",
    "campaigns.report": "/campaigns/.*",
    "campaigns.run": "/campaigns/.*",
    "campaigns.show": "/campaigns/.*",
    # The address in question has an owner already.
    "contacts.ask_owner": "/contacts/.*/handles",
    # Nothing is being taken back.
    "lifecycle.revert_progress": "/imports/.*",
    # A message of e-mail is no card of the queue, and an account of e-mail has a form of its own.
    "outreach.by_hand_card": "/messages/.*",
    "outreach.edit_channel": "/settings/channels/.*/edit",
    # Nobody has begun to sign in to a mailbox.
    "outreach.back_from_provider": "/settings/channels",
    "outreach.go_to_provider": "/settings/channels/.*/sign-in",
    "security.login": "/",
    "security.mf_recovery": "/",
    "security.two_factor_token_validation": "/settings/access",
}
# Closed without a token of the operator's, or to everybody: the routes of the sign-in library that are not used.
CLOSED = {"accounts.metrics", "security.tf_select", "security.two_factor_rescue"}


def looked_at(page: Page, said: list[str], address: str, language: str) -> list[str]:
    """Open an address and look at it in every way; what is wrong with it."""
    said.clear()
    page.set_viewport_size(WIDE)
    page.emulate_media(color_scheme="light")
    answer = page.goto(address)
    if answer is None or answer.status != 200:
        return [f"status {answer and answer.status}"]
    if page.evaluate("document.doctype === null"):
        return []
    found = [] if page.url == address else [f"leads to {page.url}"]
    for size, theme, asked in LOOKS:
        look = f"{theme} {size['width']}"
        page.set_viewport_size(size)
        page.emulate_media(color_scheme=theme)
        if sideways := page.evaluate(OVERFLOW):
            found.append(f"{look}: scrolls sideways: {sideways}")
        if language in asked:
            found += [f"{look}: {one}" for one in page.evaluate(BARRIERS, asked[language])]
    return found + [f"console: {one}" for one in said]


def wanted(pages):
    """What people open; the API answers programs, files are saved, and in a letter nothing runs, not even axe."""
    return [
        (endpoint, path)
        for endpoint, path in pages
        if endpoint not in CLOSED
        and endpoint != "outreach.letter"
        and not path.endswith((".csv", ".html", "/file"))
        and "/files/" not in path
        and (endpoint == "api_docs.docs" or not path.startswith("/api/v1"))
    ]


@pytest.mark.parametrize(("site", "language"), [("en", "en"), ("it", "it")], indirect=["site"])
def test_every_page_is_sound(chromium, site, language):
    wrong: list[str] = []
    led_on, shown = set(), set()
    with tab(chromium, language=language, scripts=(AXE_SCRIPT,)) as (page, said):
        page.context.add_cookies([{"name": "crm", "value": site.cookie, "url": site.address}])
        for endpoint, path in wanted(site.pages):
            found = looked_at(page, said, site.address + path, language)
            if found[:1] == [f"leads to {page.url}"]:
                if re.fullmatch(site.address + LEADS_ON.get(endpoint, "nowhere"), page.url):
                    found = found[1:]
                led_on.add(endpoint)
            else:
                shown.add(endpoint)
            wrong += [f"{endpoint} {path}: {one}" for one in found]
        assert page.evaluate("document.documentElement.lang") in {language, ""}
    with tab(chromium, language=language, scripts=(AXE_SCRIPT,)) as (page, said):
        for endpoint, path in [*site.strangers, ("security.login", "/sign-in"), ("accounts.forgot", "/forgot")]:
            wrong += [f"stranger {endpoint}: {one}" for one in looked_at(page, said, site.address + path, language)]
    with tab(chromium, language=language, scripts=(AXE_SCRIPT,)) as (page, said):
        page.context.add_cookies([{"name": "crm", "value": site.half, "url": site.address}])
        for path in ("/second-factor", "/recovery"):
            wrong += [f"half signed in {path}: {one}" for one in looked_at(page, said, site.address + path, language)]
    assert not wrong, f"{len(wrong)} findings\n" + "\n".join(wrong)
    assert led_on == set(LEADS_ON)
    assert shown >= {"campaigns.report", "campaigns.run"}


@pytest.mark.parametrize("language", ["en", "it"])
def test_the_first_page_of_an_empty_house_is_sound(chromium, empty_house, language):
    with tab(chromium, language=language, scripts=(AXE_SCRIPT,)) as (page, said):
        assert looked_at(page, said, f"{empty_house}/setup", language) == []
