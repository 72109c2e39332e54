"""HTML mail made to hurt, in a real browser: nothing in it runs, and nothing is asked for elsewhere."""

import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from email.message import EmailMessage
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from uuid import UUID

import pytest
from browser.conftest import cookie_of, served
from conftest import make_house
from factories import outreach
from factories.attack_letters import attacks
from sqlalchemy import select
from stack.chromium import tab

from crm.accounts.services import browsers
from crm.app import create_app
from crm.channels.letters import POLICY
from crm.db import database_now
from crm.outreach import services
from crm.outreach import setup as outreach_setup
from crm.outreach.letter_models import MessageLetter
from crm.outreach.models import Conversation

pytestmark = pytest.mark.browser

PNG = bytes.fromhex(
    "89504e470d0a1a0a0000000d49484452000000010000000108060000001f15c4890000000d49444154789c6360f8cf5000000301"
    "010018dd8db00000000049454e44ae426082"
)


@dataclass
class Attacker:
    """A web server that only counts who asks it for anything."""

    address: str = ""
    asked: list[str] = field(default_factory=list)


@pytest.fixture
def attacker() -> Iterator[Attacker]:
    found = Attacker()

    class Counting(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            found.asked.append(self.path)
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.end_headers()

        do_POST = do_GET  # noqa: N815

        def log_message(self, *_args: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Counting)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    found.address = f"http://127.0.0.1:{server.server_port}"
    yield found
    server.shutdown()
    thread.join()
    server.server_close()


@dataclass(frozen=True)
class Reader:
    """A served house whose conversations hold every attack, and its owner's cookie."""

    address: str
    cookie: str
    conversations: list[UUID]
    letters: dict[UUID, str]
    workspace_id: UUID


@pytest.fixture
def reader(fresh_database, settings, jobs, attacker, monkeypatch) -> Iterator[Reader]:
    monkeypatch.setattr(outreach_setup, "current", lambda: settings)
    with fresh_database.database.scope() as session:
        house = make_house(session, name="Lanterna Dati")
        now = database_now(session)
        account = outreach.account(session, house.actor, now=now)
        letters = {}
        # Two senders, so that each thread is shown whole.
        for number, (name, html) in enumerate(attacks(attacker.address).items()):
            message = services.receive(session, account, mail(name, html, sender=number % 2), now)
            assert message is not None
            letters[message.id] = name
        conversations = list(session.scalars(select(Conversation.id)))
        key = browsers.start(session, user_id=house.user.id, ip="127.0.0.1", agent="test", now=now)
        values = {"_user_id": house.user.fs_uniquifier, "key": key, "workspace_id": str(house.workspace.id)}
    app = create_app(settings, database=fresh_database.database, jobs=jobs)
    app.config["RATELIMIT_ENABLED"] = False
    cookie = cookie_of(app, _fresh=True, fs_cc="set", fs_paa=now.timestamp(), **values)
    with served(app) as address:
        yield Reader(address, cookie, conversations, letters, house.workspace.id)


def mail(name: str, html: str, *, sender: int) -> bytes:
    """A letter with a picture of its own."""
    message = EmailMessage()
    message["From"], message["To"] = f"Mallory <mallory{sender}@evil.example>", "sales@lanterna.example.com"
    message["Subject"], message["Message-ID"] = name, f"<{name.replace(' ', '-')}@evil.example>"
    message.set_content(f"{name}: read me in HTML")
    message.add_alternative(f"<p>{name}</p><img src='cid:logo@mail'>{html}", subtype="html", cte="base64")
    message.get_payload()[1].add_related(PNG, maintype="image", subtype="png", cid="<logo@mail>", disposition="inline")
    return message.as_bytes()


def open_all(page, address: str) -> list:
    """Open a conversation and every letter in it; their frames."""
    page.goto(address)
    page.locator("details.fd-letterview").evaluate_all(
        "all => all.forEach(one => { one.open = true; one.querySelector('iframe').loading = 'eager' })"
    )
    page.wait_for_load_state("networkidle")
    assert page.url == address
    return [frame for frame in page.frames if frame.url.endswith("/letter")]


def test_no_attack_runs_or_asks_for_anything(chromium, reader, attacker):
    with tab(chromium) as (page, said):
        asked: list[str] = []
        page.context.on("request", lambda request: asked.append(request.url))
        page.context.on("dialog", lambda dialog: asked.append(f"dialog {dialog.message}"))
        page.context.add_cookies([{"name": "crm", "value": reader.cookie, "url": reader.address}])
        shown, sandboxed = [], set()
        for conversation_id in reader.conversations:
            for frame in open_all(page, f"{reader.address}/inbox/{conversation_id}"):
                shown.append(frame.evaluate("[...document.images].filter(one => one.naturalWidth).length"))
                sandboxed.add(frame.evaluate("window.origin"))
    assert len(shown) == len(reader.letters)
    assert set(shown) <= {0, 1}
    assert sum(shown) > len(shown) // 2
    assert sandboxed == {"null"}
    assert [url for url in asked if not url.startswith((reader.address, "data:image/png"))] == []
    assert attacker.asked == []
    assert said == []


def test_the_policy_alone_holds_what_no_cleaning_touched(chromium, reader, attacker):
    """Were the cleaning ever wrong, the frame and its policy would still let nothing out."""
    headers = {"Content-Type": "text/html", "Content-Security-Policy": POLICY}

    def untouched(route) -> None:
        message_id = UUID(route.request.url.split("/")[-2])
        route.fulfill(body=attacks(attacker.address)[reader.letters[message_id]], headers=headers)

    with tab(chromium) as (page, _said):
        page.context.add_cookies([{"name": "crm", "value": reader.cookie, "url": reader.address}])
        page.route("**/letter", untouched)
        for conversation_id in reader.conversations:
            assert open_all(page, f"{reader.address}/inbox/{conversation_id}")
    assert attacker.asked == []


def test_a_link_opens_elsewhere_without_telling_where_it_came_from(chromium, fresh_database, reader, attacker):
    message_id = next(iter(reader.letters))
    with fresh_database.database.scope(reader.workspace_id) as session:
        kept = session.scalars(select(MessageLetter).where(MessageLetter.message_id == message_id)).one()
        kept.html = f'<a href="{attacker.address}/page">Read more</a>'
    with tab(chromium) as (page, _said):
        page.context.add_cookies([{"name": "crm", "value": reader.cookie, "url": reader.address}])
        page.goto(f"{reader.address}/messages/{message_id}")
        with page.context.expect_page() as opened:
            page.frame_locator("iframe.fd-letterframe").get_by_text("Read more").click()
        opened.value.wait_for_load_state()
        assert opened.value.evaluate("[document.referrer, window.opener]") == ["", None]
