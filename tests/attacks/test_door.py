"""Attacks on the door: forged forms, closed routes, rights per role, foreign ids, more fields than asked for."""

import pytest
from factories import accounts as factory
from factories.routes import FILES, words_of
from sqlalchemy import select

from crm.accounts.guards import PUBLIC, required_of
from crm.accounts.kinds import Permission, Role
from crm.accounts.models import User, Workspace
from crm.accounts.rules import RIGHTS
from crm.accounts.security import MEMBER_ENDPOINTS, SIGN_IN_ENDPOINTS
from crm.db import new_id
from crm.web.api import PREFIX

OPEN = {
    "accounts.setup",
    "accounts.invitation",
    "accounts.forgot",
    "accounts.reset_password",
    "accounts.preferences",
    "accounts.healthz",
    "accounts.readyz",
    "accounts.metrics",
}
"""The views of accounts that need no sign-in."""
CAPABILITIES = {
    "loyalty.offer_page",
    "one_click.ask",
    "one_click.stop",
    "portal.preferences",
    "portal.save",
}
"""The views whose address is itself the key."""
SIGNED = {"hooks.challenge", "hooks.deliver"}
"""Where networks call: the signature of each delivery is the key, and all else is refused."""
DESCRIBED = {"api_docs.openapi", "share.manifest"}
"""What programs and phones read before they have a token."""
HANDED = {"share.shared"}
"""What the share menu of a phone posts, without a token: it shows whose words they may be, and keeps nothing."""


def rules(app, method, prefix="accounts."):
    for rule in app.url_map.iter_rules():
        if method in rule.methods and rule.endpoint.startswith((prefix, "security.")):
            with app.test_request_context():
                yield rule.endpoint, app.url_map.bind("localhost").build(rule.endpoint, values(rule), method=method)


def values(rule):
    words = words_of(rule)
    return {name: words.get(name, "x" if name in {"secret", "token"} else new_id()) for name in rule.arguments}


def everywhere(app, method):
    """(endpoint, path) of every view of every domain."""
    for endpoint, path in rules(app, method, prefix=""):
        if endpoint not in FILES:
            yield endpoint, path


def test_only_the_listed_views_are_public(app):
    found = {name for name, view in app.view_functions.items() if getattr(view, "is_public", False)}

    assert found == OPEN | CAPABILITIES | DESCRIBED | SIGNED


def test_every_post_needs_its_token(fortress, enter):
    browser = fortress.test_client()
    enter(browser)
    fortress.config["TESTING"] = False

    posts = [
        (endpoint, path)
        for endpoint, path in everywhere(fortress, "POST")
        if not endpoint.startswith("one_click") and endpoint not in SIGNED | HANDED
    ]
    for endpoint, path in posts:
        answer = browser.post(path, data={"x": "y"})
        assert answer.status_code == 400, endpoint
    assert len(posts) > 200


def test_the_api_with_a_cookie_needs_the_token_too_and_a_bearer_does_not(fortress, committed, enter):
    browser = fortress.test_client()
    enter(browser)
    secret = committed(lambda session, owner: factory.token(session, owner.last_workspace_id)[1])
    body = {"name": "regular"}

    assert browser.post("/api/v1/tags", json=body).status_code == 400
    stranger = fortress.test_client()
    assert stranger.post("/api/v1/tags", json=body).status_code == 401
    answer = stranger.post("/api/v1/tags", json=body, headers={"Authorization": f"Bearer {secret}"})
    assert answer.status_code == 201


def test_a_stranger_is_let_through_nowhere_else(app, anonymous, house):
    stopped = 0
    for method in ("GET", "POST"):
        for endpoint, path in everywhere(app, method):
            if endpoint in PUBLIC | OPEN | CAPABILITIES | DESCRIBED:
                continue
            answer = anonymous.open(path, method=method)
            if path.startswith(PREFIX):
                assert answer.status_code == 401, endpoint
            elif endpoint in SIGNED:
                assert answer.status_code == 403, endpoint
            elif endpoint.startswith("security.") and answer.status_code == 404:
                continue
            else:
                assert answer.status_code == 303, endpoint
                assert answer.headers["Location"].startswith("/sign-in"), endpoint
            stopped += 1
    assert stopped > 400


def test_routes_of_the_sign_in_library_that_are_not_used_are_closed(app, client, anonymous):
    used = SIGN_IN_ENDPOINTS | MEMBER_ENDPOINTS
    closed = [
        (endpoint, path)
        for method in ("GET", "POST")
        for endpoint, path in rules(app, method, "security.")
        if endpoint.startswith("security.") and endpoint not in used
    ]

    assert {endpoint for endpoint, _path in closed} == {"security.two_factor_rescue", "security.tf_select"}
    for _endpoint, path in closed:
        for browser in (client, anonymous):
            assert browser.get(path).status_code == 404
            assert browser.post(path).status_code == 404


def test_the_sign_in_library_answers_no_json(anonymous, house):
    answer = anonymous.post("/sign-in", json={"email": house.user.email, "password": factory.PASSWORD})

    assert "token" not in answer.headers.get("Content-Type", "")
    assert answer.mimetype == "text/html"


@pytest.mark.parametrize("role", Role)
def test_each_role_passes_exactly_the_routes_of_its_rights(app, session, house, signed_in, role):
    row, _, actor = factory.member(session, house, role=role)
    browser = signed_in(type(house)(house.workspace, row, actor))

    for method in ("GET", "POST"):
        for endpoint, path in rules(app, method):
            view = app.view_functions[endpoint]
            if endpoint in PUBLIC | OPEN | MEMBER_ENDPOINTS or endpoint.startswith("security."):
                continue
            needed = required_of(view, method)
            answer = browser.open(path, method=method)
            is_allowed = set(needed) <= RIGHTS[role]
            assert (answer.status_code != 403) is is_allowed, f"{role} {method} {endpoint}"
            if endpoint == "accounts.end_other_browsers":
                browser = signed_in(type(house)(house.workspace, row, actor))


def test_views_without_a_declaration_are_closed_to_the_till_and_unwritable_for_viewers():
    assert required_of(object(), "GET") == (Permission.VIEW_OWN,)
    assert required_of(object(), "POST") == (Permission.EDIT,)
    assert Permission.VIEW_OWN not in RIGHTS[Role.TILL]
    assert Permission.EDIT not in RIGHTS[Role.VIEWER]


def test_a_workspace_of_others_can_not_be_entered(client, session, house, other_house):
    assert client.post(f"/workspaces/{other_house.workspace.id}/switch").status_code == 404
    assert client.post(f"/workspaces/{new_id()}/switch").status_code == 404
    with client.session_transaction() as cookie:
        cookie["workspace_id"] = str(other_house.workspace.id)

    assert client.get("/api/v1/me").get_json()["workspace"]["id"] == str(house.workspace.id)


def test_somebody_in_two_workspaces_switches_between_them(client, session, house, other_house):
    from crm.accounts.models import Membership
    from crm.db import enter_workspace

    enter_workspace(session, other_house.workspace.id)
    session.add(Membership(user_id=house.user.id, role=Role.VIEWER))
    session.flush()

    client.post(f"/workspaces/{other_house.workspace.id}/switch")

    me = client.get("/api/v1/me").get_json()
    assert (me["workspace"]["id"], me["role"]) == (str(other_house.workspace.id), "viewer")


def test_forms_take_only_the_fields_they_show(client, session, house):
    client.post(
        "/settings/profile",
        data={
            "name": "Giulia",
            "locale": "it",
            "time_zone": "",
            "theme": "dark",
            "email": "evil@example.com",
            "password": "x",
            "active": "",
            "fs_uniquifier": "x",
            "last_workspace_id": str(new_id()),
        },
    )
    session.refresh(house.user)
    assert (house.user.name, house.user.theme) == ("Giulia", "dark")
    assert house.user.email != "evil@example.com"
    assert house.user.fs_uniquifier != "x"

    before = session.scalars(select(Workspace)).one()
    slug = before.slug
    client.post(
        "/settings/workspace",
        data={
            "name": "New name",
            "locale": "it",
            "country": "IT",
            "time_zone": "Europe/Rome",
            "postal_address": "",
            "window_start": "09:00",
            "window_end": "18:00",
            "window_days": ["1", "2"],
            "promotional_per_week": "1",
            "company_per_week": "2",
            "audience_limit": "10",
            "slug": "evil",
            "is_demo": "1",
            "sending_paused": "1",
            "id": str(new_id()),
        },
    )
    session.refresh(before)
    assert before.name == "New name"
    assert (before.slug, before.is_demo, before.sending_paused) == (slug, False, False)


def test_an_end_of_somebody_elses_browser_does_not_exist(client, session, house):
    from crm.accounts.models import UserSession
    from crm.accounts.services import browsers
    from crm.db import database_now

    row, *_ = factory.member(session, house)
    browsers.start(session, user_id=row.id, ip="", agent="", now=database_now(session))
    theirs = session.scalar(select(UserSession.id).where(UserSession.user_id == row.id))

    assert client.post(f"/settings/access/browsers/{theirs}/end").status_code == 404
    assert session.scalar(select(UserSession.ended_at).where(UserSession.id == theirs)) is None


def test_a_person_switched_off_is_out_at_once(client, session, house):
    assert client.get("/settings/profile").status_code == 200
    session.get(User, house.user.id).active = False
    session.flush()

    assert client.get("/settings/profile").status_code == 303
