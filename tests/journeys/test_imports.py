"""A list with a wrong row is brought in, taken back, and a filtered list of people goes out, as a person clicks it."""

import pytest
from playwright.sync_api import Page, expect
from stack.chromium import tab

pytestmark = [pytest.mark.journey, pytest.mark.browser]

LIST = """Notes:
"When exporting your connection data, you may notice that some of the e-mail addresses are missing."

First Name,Last Name,URL,Email Address,Company,Position,Connected On
Ilaria,Ferrante,https://www.linkedin.com/in/ilaria-ferrante,ilaria@ferrante.example,Ferrante,Acquisti,12 Mar 2024
Ivano,Sala,https://www.linkedin.com/in/ivano-sala,nobody at all,,,13 Mar 2024
"""


def bring_in(page: Page, address: str) -> None:
    page.goto(f"{address}/imports/new")
    page.get_by_label("File", exact=True).set_input_files(
        {"name": "Connections.csv", "mimeType": "text/csv", "buffer": LIST.encode()}
    )
    page.get_by_role("button", name="Read the file").click()
    expect(page.get_by_text("This looks like an export of LinkedIn connections")).to_be_visible()
    expect(page.get_by_label("URL").locator("option:checked")).to_have_text("LinkedIn")
    expect(page.get_by_role("table", name="Preview")).to_contain_text("This is not an e-mail address.")
    page.get_by_role("button", name="Start the import").click()
    expect(page.get_by_text("1 new")).to_be_visible()
    expect(page.get_by_role("table", name="Rows that were left out")).to_contain_text("nobody at all")


def take_back(page: Page) -> None:
    page.get_by_role("link", name="Take it back").click()
    dialog = page.get_by_role("dialog", name="Take this import back?")
    dialog.get_by_role("button", name="Take the import back").click()
    expect(page.get_by_text("The import was taken back")).to_be_visible()
    expect(page.get_by_text("New people removed")).to_be_visible()


def take_out(page: Page, address: str) -> None:
    page.goto(f"{address}/contacts?lifecycle=customer")
    page.get_by_role("button", name="More about people").click()
    page.get_by_role("menuitem", name="Export these people").or_(
        page.get_by_role("link", name="Export these people")
    ).first.click()
    page.get_by_label("Contact cards (vCard 3.0)").check()
    page.get_by_role("button", name="Write the file").click()
    with page.expect_download() as download:
        page.get_by_role("link", name="Download").click()
    assert download.value.suggested_filename.endswith(".vcf")
    assert download.value.path().read_bytes().startswith(b"BEGIN:VCARD\r\nVERSION:3.0\r\n")


def test_a_list_comes_in_and_goes_back_and_people_go_out(chromium, stack):
    with tab(chromium) as (page, said):
        page.goto(stack.address)
        page.get_by_label("E-mail").fill(stack.email)
        page.get_by_label("Password").fill(stack.password)
        page.get_by_role("button", name="Sign in").click()
        expect(page.get_by_role("link", name="Today")).to_have_attribute("aria-current", "page")
        bring_in(page, stack.address)
        take_back(page)
        take_out(page, stack.address)
        assert said == []
