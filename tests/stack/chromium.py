"""Headless Chromium, and a tab that keeps what its console complained about."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from playwright.sync_api import Browser, ConsoleMessage, Error, Page, sync_playwright

WIDE = {"width": 1440, "height": 900}
LOCALES = {"en": "en-GB", "it": "it-IT"}
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
# A breach of the content policy is no error of the console everywhere; the page is asked to say it.
LISTEN = """
document.addEventListener("securitypolicyviolation", (event) =>
    console.error(`policy: ${event.violatedDirective} ${event.blockedURI || event.sourceFile}`));
"""


@pytest.fixture(scope="session")
def chromium() -> Iterator[Browser]:
    """The browser; without one the tests are skipped, unless CRM_REQUIRE_BROWSER says that there must be one."""
    path = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if path is None:
        message = "No Chromium on PATH (Debian: apt-get install chromium): pages were not looked at in a browser."
        if os.environ.get("CRM_REQUIRE_BROWSER") == "1":
            pytest.fail(message)
        pytest.skip(message)
    with sync_playwright() as playwright:
        try:
            browser = playwright.chromium.launch(executable_path=path, args=FLAGS)
        except Error as error:
            pytest.fail(f"Chromium at {path} does not start: {error}")
        yield browser
        browser.close()


def _is_ours(message: ConsoleMessage) -> bool:
    """An error of the page; beside an answer that is no page the browser asks for an icon, which nothing promised."""
    return message.type == "error" and not message.location["url"].endswith("/favicon.ico")


@contextmanager
def tab(chromium: Browser, *, language: str = "en", scripts: tuple[str, ...] = ()) -> Iterator[tuple[Page, list[str]]]:
    """A tab of a fresh session, and the list that its errors go to; `scripts` run before those of each page."""
    context = chromium.new_context(viewport=WIDE, locale=LOCALES[language], reduced_motion="reduce")  # pyright: ignore[reportArgumentType]
    for script in (LISTEN, *scripts):
        context.add_init_script(script)
    context.set_default_timeout(30_000)
    page = context.new_page()
    said: list[str] = []
    page.on("console", lambda message: said.append(message.text) if _is_ours(message) else None)
    page.on("pageerror", lambda error: said.append(str(error)))
    yield page, said
    context.close()
