"""Every address that can be read, in a real browser: no error, no serious barrier, nothing that scrolls sideways."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page

pytestmark = pytest.mark.browser

WIDE = {"width": 1440, "height": 900}
PHONE = {"width": 360, "height": 780}
LISTEN = """
window.violations = [];
document.addEventListener("securitypolicyviolation", (event) =>
    window.violations.push(`${event.violatedDirective} ${event.blockedURI || event.sourceFile}`));
"""
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
AXE = Axe()
# Closed without a token of the operator's, or to everybody: the routes of the sign-in library that are not used.
CLOSED = {"accounts.metrics", "security.tf_select", "security.two_factor_rescue"}
SERIOUS = {"serious", "critical"}


@contextmanager
def opened(chromium: Browser, site, *, language: str, cookie: bool) -> Iterator[tuple[Page, list[str]]]:
    """A tab with the findings of its console."""
    context = chromium.new_context(
        viewport=WIDE, locale={"en": "en-GB", "it": "it-IT"}[language], reduced_motion="reduce"
    )
    context.add_init_script(LISTEN)
    if cookie:
        context.add_cookies([{"name": "crm", "value": site.cookie, "url": site.address}])
    page = context.new_page()
    said: list[str] = []
    page.on("console", lambda message: said.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: said.append(str(error)))
    yield page, said
    context.close()


def barriers(page: Page) -> list[str]:
    """The serious findings of axe on the page as it is shown now."""
    found = AXE.run(
        page, options={"resultTypes": ["violations"], "runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa"]}
    )
    return [
        f"{one['impact']} {one['id']}: {one['nodes'][0]['html'][:160]} ({len(one['nodes'])})"
        for one in found.response["violations"]
        if one["impact"] in SERIOUS
    ]


def looked_at(page: Page, said: list[str], address: str) -> list[str]:
    """Open an address wide and on a phone, light and dark; what is wrong with it."""
    answer = page.request.get(address)
    if answer.status not in {200, 204}:
        return [f"status {answer.status}"]
    if "<!doctype html>" not in answer.text()[:200].lower():
        return []
    said.clear()
    page.emulate_media(color_scheme="light")
    page.set_viewport_size(WIDE)
    page.goto(address, wait_until="load")
    found = [f"light: {one}" for one in barriers(page)]
    page.set_viewport_size(PHONE)
    page.emulate_media(color_scheme="dark")
    found += [f"dark phone: {one}" for one in barriers(page)]
    sideways = page.evaluate(OVERFLOW)
    found += [f"scrolls sideways at 360: {sideways}"] if sideways else []
    found += [f"policy: {one}" for one in page.evaluate("window.violations")]
    return found + [f"console: {one}" for one in said]


def wanted(pages):
    """What people open; the API answers programs, and files are saved."""
    return [
        (endpoint, path)
        for endpoint, path in pages
        if endpoint not in CLOSED
        and not path.endswith(".csv")
        and (endpoint == "api_docs.docs" or not path.startswith("/api/v1"))
    ]


@pytest.mark.parametrize(("site", "language"), [("en", "en"), ("it", "it")], indirect=["site"])
def test_every_page_is_sound(chromium, site, language):
    wrong = []
    with opened(chromium, site, language=language, cookie=True) as (page, said):
        for endpoint, path in wanted(site.pages):
            wrong += [f"{endpoint} {path}: {one}" for one in looked_at(page, said, site.address + path)]
        assert page.evaluate("document.documentElement.lang") in {language, ""}
    with opened(chromium, site, language=language, cookie=False) as (page, said):
        for endpoint, path in [*site.strangers, ("security.login", "/sign-in"), ("accounts.forgot", "/forgot")]:
            wrong += [f"stranger {endpoint}: {one}" for one in looked_at(page, said, site.address + path)]
    assert not wrong, f"{len(wrong)} findings\n" + "\n".join(wrong)
