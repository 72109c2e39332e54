"""The demo house with one thing of every kind behind a real server on loopback."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from uuid import UUID

import pytest
from factories import accounts, campaigns
from factories.everything import WORDS, everything, owner_of
from sqlalchemy import select
from werkzeug.serving import WSGIRequestHandler, make_server

from crm.accounts.credentials import NewPassword
from crm.accounts.models import User
from crm.accounts.services import browsers, memberships, reset
from crm.app import create_app
from crm.channels.base import ChannelKind
from crm.db import database_now, enter_workspace
from crm.desk import demo
from crm.outreach.links import PreferenceToken
from crm.outreach.setup import links

# Pages of a campaign that show nothing before it was scheduled, and those that are forms only until it is written.
SCHEDULED = {"campaigns.report", "campaigns.run"}
UNWRITTEN = {"campaigns.people", "campaigns.offer", "campaigns.message"}
# Files, and what platforms ask; none of it is a page.
NO_PAGES = {"static", "assets.file", "hooks.challenge", "share.manifest"}
# Pages for strangers, opened by what their own address carries.
SECRETS = {
    "portal.preferences": "token",
    "one_click.ask": "token",
    "accounts.invitation": "secret",
    "accounts.reset_password": "secret",
}


@dataclass(frozen=True)
class Site:
    """A served demo house: its pages and the cookie of its owner; the cookie of who still owes the second factor."""

    address: str
    cookie: str
    half: str
    pages: list[tuple[str, str]]
    strangers: list[tuple[str, str]]
    workspace_id: UUID


class Quiet(WSGIRequestHandler):
    """Hundreds of lines about good answers would bury what a failed test says."""

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        """Say nothing."""


@contextmanager
def served(app) -> Iterator[str]:
    """Serve the application on loopback; its address."""
    server = make_server("127.0.0.1", 0, app, threaded=True, request_handler=Quiet)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


def cookie_of(app, **values: object) -> str:
    """The signed cookie of a browser that remembers `values`."""
    client = app.test_client()
    with client.session_transaction() as cookie:
        cookie.update(values)
    signed = client.get_cookie("crm")
    assert signed is not None
    return signed.value


@pytest.fixture
def empty_house(fresh_database, settings, jobs) -> Iterator[str]:
    """The address of an installation without anybody."""
    app = create_app(settings, database=fresh_database.database, jobs=jobs)
    app.config["RATELIMIT_ENABLED"] = False
    with served(app) as address:
        yield address


@pytest.fixture
def site(fresh_database, settings, jobs, request) -> Iterator[Site]:
    """Serve the demo house to an owner who reads the test's language."""
    language = getattr(request, "param", "en")
    database = fresh_database.database
    with database.scope() as session:
        now = database_now(session)
        actor = demo.build(session, password=NewPassword(hashed=accounts.HASHED), now=now)
        user = session.scalars(select(User).where(User.id == actor.user_id)).one()
        user.locale = language
        actor = owner_of(user, actor.workspace_id)
        enter_workspace(session, actor.workspace_id)
        ids = everything(session, actor, home=settings.home, now=now)
        scheduled = campaigns.scheduled(session, actor, 2, now=now, name="On its way")
        draft = campaigns.campaign(session, actor, [UUID(str(ids["contact_id"]))], now=now)
        # The pages only ask for a code here; no code is ever checked against this.
        careful = accounts.user(
            session, locale=language, tf_primary_method="authenticator", tf_totp_secret="never looked at"
        )
        others = dict.fromkeys(SCHEDULED, scheduled.id) | dict.fromkeys(UNWRITTEN, draft.id)
        _invitation, invited = memberships.invite(
            session, actor, email="new@example.com", role=memberships.Role.SALES, now=now
        )
        link = reset.reset_link(session, user=user, public_url="http://x", now=now)
        key = browsers.start(session, user_id=user.id, ip="127.0.0.1", agent="test", now=now)
        identity, careful_id = user.fs_uniquifier, careful.fs_uniquifier
        token = links().preference_token(
            PreferenceToken(actor.workspace_id, UUID(str(ids["contact_id"])), ChannelKind.EMAIL)
        )
    secrets = {
        "portal.preferences": token,
        "one_click.ask": token,
        "accounts.invitation": invited,
        "accounts.reset_password": link.rpartition("/")[2],
    }
    app = create_app(settings, database=database, jobs=jobs)
    app.config["RATELIMIT_ENABLED"] = False
    cookie = cookie_of(
        app,
        _user_id=identity,
        _fresh=True,
        fs_cc="set",
        fs_paa=now.timestamp(),
        key=key,
        workspace_id=str(actor.workspace_id),
    )
    half = cookie_of(app, tf_state="ready", tf_user_id=careful_id, tf_at=now.timestamp())
    pages = list(addresses(app, ids, secrets))
    for endpoint, campaign_id in others.items():
        pages.append((endpoint, f"/campaigns/{campaign_id}/{endpoint.rpartition('.')[2]}"))
    with served(app) as address:
        yield Site(
            address,
            cookie,
            half,
            [page for page in pages if page[0] not in SECRETS],
            [page for page in pages if page[0] in SECRETS],
            actor.workspace_id,
        )


def addresses(app, ids, secrets) -> Iterator[tuple[str, str]]:
    """(endpoint, path) of every address that can be read; a part that nothing fills stops the test."""
    for rule in sorted(app.url_map.iter_rules(), key=lambda rule: rule.rule):
        if "GET" not in (rule.methods or set()) or rule.endpoint in NO_PAGES:
            continue
        values = {**ids, **WORDS}
        if rule.endpoint in SECRETS:
            values[SECRETS[rule.endpoint]] = secrets[rule.endpoint]
        lacking = rule.arguments - set(values)
        assert not lacking, f"{rule.rule}: say in factories/everything.py what {sorted(lacking)} means"
        built = rule.build({name: values[name] for name in rule.arguments})
        assert built is not None
        query = "?segment=" + str(ids["segment_id"]) if rule.endpoint == "segments_api.why" else ""
        yield rule.endpoint, built[1] + query
