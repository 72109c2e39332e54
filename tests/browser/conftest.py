"""The demo house with one thing of every kind behind a real server on loopback."""

import threading
from collections.abc import Iterator
from dataclasses import dataclass
from uuid import UUID

import pytest
from factories import accounts
from factories.everything import WORDS, everything, owner_of
from sqlalchemy import select
from werkzeug.serving import make_server

from crm.accounts.credentials import NewPassword
from crm.accounts.models import User
from crm.accounts.services import browsers, memberships, reset
from crm.app import create_app
from crm.channels.base import ChannelKind
from crm.db import database_now, enter_workspace
from crm.desk import demo
from crm.outreach.links import PreferenceToken
from crm.outreach.setup import links

# Pages for strangers, opened by what their own address carries.
SECRETS = {
    "portal.preferences": "token",
    "one_click.ask": "token",
    "accounts.invitation": "secret",
    "accounts.reset_password": "secret",
}


@dataclass(frozen=True)
class Site:
    """A served demo house: its pages and the cookie of its owner."""

    address: str
    cookie: str
    pages: list[tuple[str, str]]
    strangers: list[tuple[str, str]]


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
        _invitation, invited = memberships.invite(
            session, actor, email="new@example.com", role=memberships.Role.SALES, now=now
        )
        link = reset.reset_link(session, user=user, public_url="http://x", now=now)
        key = browsers.start(session, user_id=user.id, ip="127.0.0.1", agent="test", now=now)
        identity = user.fs_uniquifier
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
    client = app.test_client()
    with client.session_transaction() as cookie:
        cookie.update(_user_id=identity, _fresh=True, fs_cc="set", fs_paa=now.timestamp(), key=key)
        cookie["workspace_id"] = str(actor.workspace_id)
    signed = client.get_cookie("crm")
    assert signed is not None
    server = make_server("127.0.0.1", 0, app, threaded=True)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    pages = list(addresses(app, ids, secrets))
    yield Site(
        f"http://127.0.0.1:{server.server_port}",
        signed.value,
        [page for page in pages if page[0] not in SECRETS],
        [page for page in pages if page[0] in SECRETS],
    )
    server.shutdown()
    thread.join()
    server.server_close()


def addresses(app, ids, secrets) -> Iterator[tuple[str, str]]:
    """(endpoint, path) of every address that can be read; a part that nothing fills stops the test."""
    for rule in sorted(app.url_map.iter_rules(), key=lambda rule: rule.rule):
        if "GET" not in (rule.methods or set()) or rule.endpoint in {"static", "assets.file"}:
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
