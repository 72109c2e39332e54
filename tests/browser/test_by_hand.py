"""On a phone, in Italian: texts are sent by hand one after the other, and a mailbox says what is wrong with it."""

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.handlers import Sink
from factories import outreach
from factories.everything import owner_of
from mailboxes import MARKED, PASSWORD
from sqlalchemy import select
from stack.chromium import tab

from crm.accounts.models import User
from crm.channels.base import ChannelKind
from crm.contacts.models import Handle
from crm.db import database_now, enter_workspace
from crm.desk.demo import OWNER_ADDRESS
from crm.outreach import services
from crm.settings import current

pytestmark = pytest.mark.browser
PHONE = {"width": 360, "height": 780}
#: What a thumb can hit.
THUMB = 44


@pytest.fixture
def texts(site, fresh_database):
    """Three texts for WhatsApp that wait for the hand of the owner; their words."""
    words = []
    with fresh_database.database.scope() as session:
        user = session.scalars(select(User).where(User.email_norm == OWNER_ADDRESS)).one()
        enter_workspace(session, site.workspace_id)
        actor, now = owner_of(user, site.workspace_id), database_now(session)
        whatsapp = select(Handle.contact_id).where(Handle.channel == "whatsapp", Handle.contact_id.is_not(None))
        for contact_id in session.scalars(whatsapp.order_by(Handle.created_at, Handle.id)):
            assert contact_id is not None
            text = f"Ci vediamo in fiera, stand {len(words) + 1}?"
            try:
                outreach.message(
                    session,
                    actor,
                    contact_id,
                    channel=ChannelKind.WHATSAPP,
                    subject="",
                    body=text,
                    send_at=now,
                    now=now,
                )
            except services.BlockedError:
                continue
            words.append(text)
            if len(words) == 3:
                return words
    pytest.fail("the demo has too few people on WhatsApp")


def signed_in(context, site):
    context.add_cookies([{"name": "crm", "value": site.cookie, "url": site.address}])
    # Nothing leaves this machine: whatever the link of a chat opens is an empty page.
    context.route("https://wa.me/**", lambda route: route.fulfill(status=200, body="<p>chat", content_type="text/html"))


def fits(page) -> bool:
    return page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]


@pytest.mark.parametrize("site", ["it"], indirect=True)
def test_texts_are_sent_by_hand_one_after_the_other(chromium, site, texts):
    """Copy and open in one tap, done, not done with its reason; the last one without any script."""
    with tab(chromium, language="it") as (page, said):
        page.set_viewport_size(PHONE)
        signed_in(page.context, site)
        page.context.grant_permissions(["clipboard-read", "clipboard-write"], origin=site.address)
        page.goto(site.address + "/by-hand")
        assert page.locator("#words").inner_text() == texts[0]
        page.get_by_role("button", name="Scrivi ora a").click()

        link = page.get_by_role("link", name="Copia e apri WhatsApp")
        assert fits(page)
        boxes = [one.bounding_box() for one in page.locator("#way .fd-button").all() if one.is_visible()]
        assert min(box["height"] for box in boxes if box) >= THUMB
        with page.context.expect_page() as chat:
            link.click()
        assert chat.value.url.startswith("https://wa.me/39")
        chat.value.close()
        page.bring_to_front()
        assert page.evaluate("navigator.clipboard.readText()") == texts[0]

        page.get_by_role("button", name="Fatto").first.click()
        page.wait_for_url("**/by-hand/*")
        assert page.locator("#words").inner_text() == texts[1]
        assert page.get_by_role("link", name="Copia e apri WhatsApp").is_visible()
        page.keyboard.press("n")
        assert fits(page)
        page.get_by_role("button", name="Domani").click()
        page.wait_for_url("**/by-hand/*")
        assert page.locator("#words").inner_text() == texts[2]
        assert said == []

    context = chromium.new_context(viewport=PHONE, java_script_enabled=False, locale="it-IT")
    signed_in(context, site)
    bare = context.new_page()
    bare.goto(site.address + "/by-hand")
    href = bare.get_by_role("link", name="Copia e apri WhatsApp").get_attribute("href")
    assert href is not None
    assert "stand%203" in href
    bare.locator("summary", has_text="Non fatto").click()
    bare.get_by_role("button", name="Non questo messaggio").click()
    assert bare.get_by_text("Niente da inviare a mano").is_visible()
    context.close()


class Loopback(Controller):
    """A mail server that lets everybody in, on whichever port is free."""

    def _trigger_server(self):
        self.port = self.server.sockets[0].getsockname()[1]
        super()._trigger_server()


@pytest.mark.parametrize("site", ["it"], indirect=True)
def test_a_wrong_password_is_told_beside_its_field(chromium, site, mail_server, monkeypatch):
    """Against a real mailbox: the sentence stands beside the password, nothing is lost, and the right one works."""
    monkeypatch.setenv("SSL_CERT_FILE", str(mail_server.certificate))
    allowing = current().model_copy(update={"net_allow": ("127.0.0.1",)})
    monkeypatch.setattr("crm.outreach.adapters.current", lambda: allowing)
    mail_server.make_folder("phone", MARKED)
    smtp = Loopback(Sink(), hostname="127.0.0.1", port=0)
    smtp.start()
    with tab(chromium, language="it") as (page, said):
        page.set_viewport_size(PHONE)
        signed_in(page.context, site)
        page.goto(site.address + "/settings/channels/add")
        page.get_by_role("link", name="Collega: E-mail").click()
        page.get_by_label("Indirizzo", exact=True).fill("giulia@lanterna.example")
        page.locator("summary", has_text="Server").first.click()
        given = {"host": "127.0.0.1", "port": str(smtp.port), "imap_host": "127.0.0.1"}
        given |= {"imap_port": str(mail_server.tls_port), "imap_username": "phone", "imap_password": "falsch"}
        for name, value in given.items():
            page.locator(f"[name={name}]").fill(value)
        page.locator("[name=security]").select_option("none")
        page.get_by_role("button", name="Controlla e salva").click()
        page.wait_for_url("**/edit")

        wrong = page.locator("[name=imap_password]")
        assert wrong.get_attribute("aria-invalid") == "true"
        assert "ha rifiutato l’accesso" in page.locator("#imap_password-error").inner_text()
        assert page.locator("[name=imap_username]").input_value() == "phone"
        assert fits(page)

        wrong.fill(PASSWORD)
        page.get_by_role("button", name="Controlla e salva").click()
        page.wait_for_url(lambda url: not url.endswith("/edit"))
        assert page.get_by_text("Funziona").first.is_visible()
        assert said == []
    smtp.stop()
