"""Attacks on the sign-in: guessing, fixation, replay, stolen cookies, forged hosts and redirects."""

import re
import threading
import time
from datetime import timedelta

import pytest
from factories import accounts as factory
from sqlalchemy import select

from crm.accounts.kinds import Role
from crm.accounts.models import OneTimeLink, Throttle, User
from crm.accounts.services import memberships, reset
from crm.app import create_app
from crm.db import database_now
from crm.settings import Settings

EMAIL = "owner@example.com"
INSIDE = "/settings/profile"


def is_inside(browser):
    return browser.get(INSIDE).status_code == 200


def test_guessing_is_stopped_across_browsers_and_restarts(fortress, fresh_database, settings, jobs, enter):
    for _ in range(5):
        enter(fortress.test_client(), password="wrong guess")

    again = create_app(settings, database=fresh_database.database, jobs=jobs)
    browser = again.test_client()
    answer = enter(browser)

    assert "Too many tries" in answer.text
    assert not is_inside(browser)


def test_many_guesses_at_the_same_moment_do_not_slip_through(fortress, fresh_database, enter, submit):
    gate, heard = threading.Barrier(12), []

    def guess():
        browser = fortress.test_client()
        browser.get("/sign-in")
        gate.wait()
        answer = enter(browser, password="wrong guess")
        heard.append("is not right" in answer.text)

    threads = [threading.Thread(target=guess) for _ in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sum(heard) == 5


def test_an_unknown_address_is_counted_and_answered_like_a_known_one(fortress, enter):
    def answers(email):
        texts = [enter(fortress.test_client(), email, "wrong guess").text for _ in range(7)]
        # What differs by nature: the address that was typed, tokens and nonces.
        return [re.sub(r'(value|nonce|hx-headers:inherited)=("[^"]*"|\'[^\']*\')', "", text) for text in texts]

    known, unknown = answers(EMAIL), answers("nobody@example.com")

    assert known == unknown
    assert ["is not right" in text for text in known] == [True] * 5 + [False] * 2
    assert ["Too many tries" in text for text in known] == [False] * 5 + [True] * 2


def test_the_right_password_in_time_clears_the_counter(fortress, fresh_database, enter):
    for _ in range(4):
        enter(fortress.test_client(), password="wrong guess")
    enter(fortress.test_client())

    with fresh_database.database.scope() as session:
        assert session.scalars(select(Throttle.key).where(Throttle.key.startswith("sign-in:"))).all() == []


def test_a_cookie_from_before_the_sign_in_is_worthless_after_it(fortress, enter):
    browser = fortress.test_client()
    with browser.session_transaction() as cookie:
        cookie["planted"] = "by a stranger"
    browser.get("/sign-in")
    before = browser.get_cookie("crm").value
    enter(browser)
    with browser.session_transaction() as cookie:
        assert "planted" not in cookie
        key = cookie["key"]

    stranger = fortress.test_client()
    stranger.set_cookie("crm", before)
    assert not is_inside(stranger)
    second = fortress.test_client()
    enter(second)
    with second.session_transaction() as cookie:
        assert cookie["key"] != key


def test_a_cookie_without_its_row_or_with_another_users_row_opens_nothing(fortress, committed, colleague, enter):
    browser = fortress.test_client()
    enter(browser)
    uniquifier = committed(lambda session, _owner: session.get(User, colleague[0]).fs_uniquifier)

    with browser.session_transaction() as cookie:
        cookie["_user_id"] = uniquifier
    assert not is_inside(browser)
    with browser.session_transaction() as cookie:
        cookie.pop("key")
    assert not is_inside(browser)


def test_a_new_password_ends_all_other_browsers_and_old_cookies(fortress, enter, submit):
    mine, other = fortress.test_client(), fortress.test_client()
    enter(mine)
    enter(other)
    stolen = mine.get_cookie("crm").value

    submit(
        mine,
        "/settings/access/password",
        {"current": factory.PASSWORD, "password": "an entirely new one"},
        page="/settings/access",
    )

    thief = fortress.test_client()
    thief.set_cookie("crm", stolen)
    assert is_inside(mine)
    assert not is_inside(other)
    assert not is_inside(thief)
    assert "is not right" in enter(fortress.test_client()).text


def test_the_old_password_is_needed_and_guesses_at_it_are_counted(fortress, enter, submit):
    browser = fortress.test_client()
    enter(browser)

    texts = [
        submit(
            browser,
            "/settings/access/password",
            {"current": "wrong guess", "password": "an entirely new one"},
            page="/settings/access",
        ).text
        for _ in range(6)
    ]

    assert "This is not your password." in texts[4]
    assert "Too many tries" in texts[5]


def test_a_new_role_ends_the_browsers_of_the_person(fortress, fresh_database, committed, colleague, enter):
    from crm.accounts.kinds import ActorKind
    from crm.accounts.rules import Actor

    browser = fortress.test_client()
    enter(browser, colleague[2])
    assert is_inside(browser)

    def demote(session, owner):
        actor = Actor(workspace_id=owner.last_workspace_id, kind=ActorKind.USER, role=Role.OWNER, user_id=owner.id)
        memberships.set_role(session, actor, membership_id=colleague[1], role=Role.VIEWER, now=database_now(session))

    committed(demote)

    assert not is_inside(browser)


def link_for(committed, base="https://crm.example"):
    return committed(
        lambda session, owner: reset.reset_link(session, user=owner, public_url=base, now=database_now(session))
    )


def test_a_reset_link_works_once_and_signs_everybody_out(fortress, committed, enter, submit):
    browser = fortress.test_client()
    enter(browser)
    path = link_for(committed).removeprefix("https://crm.example")

    first = submit(fortress.test_client(), path, {"password": "an entirely new one"})
    replay = fortress.test_client()
    replay.get("/sign-in")
    again = replay.post(path, data={"csrf_token": token(replay), "password": "and another one again"})

    assert first.headers["Location"] == "/sign-in"
    assert again.status_code == 404
    assert not is_inside(browser)
    assert enter(fortress.test_client(), password="an entirely new one").status_code == 302


def token(browser):
    return re.search(r'name="csrf_token" value="([^"]+)"', browser.get("/sign-in").text).group(1)


def test_a_reset_link_ends_after_ten_minutes_and_when_a_newer_one_is_made(fortress, committed):
    old = link_for(committed).removeprefix("https://crm.example")
    new = link_for(committed).removeprefix("https://crm.example")
    assert fortress.test_client().get(old).status_code == 404
    assert fortress.test_client().get(new).status_code == 200

    def age(session, _owner):
        for row in session.scalars(select(OneTimeLink).where(OneTimeLink.used_at.is_(None))):
            row.expires_at -= timedelta(minutes=10)

    committed(age)

    assert fortress.test_client().get(new).status_code == 404


def test_two_uses_of_one_reset_link_at_once_set_one_password(fortress, committed, submit):
    path = link_for(committed).removeprefix("https://crm.example")
    gate, answers = threading.Barrier(2), []

    def use(number):
        browser = fortress.test_client()
        browser.get(path)
        gate.wait()
        answers.append(submit(browser, path, {"password": f"an entirely new {number}"}, page="/sign-in").status_code)

    threads = [threading.Thread(target=use, args=(number,)) for number in (1, 2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sorted(answers) == [303, 404]


def test_secrets_of_links_are_stored_as_hashes(fortress, committed):
    secret = link_for(committed).rpartition("/")[2]

    hashes = committed(lambda session, _owner: session.scalars(select(OneTimeLink.token_hash)).all())
    assert secret not in hashes


def test_a_forged_host_changes_no_link_and_no_redirect(fortress):
    forged = {"base_url": "http://evil.example", "headers": {"X-Forwarded-Host": "evil.example"}}
    browser = fortress.test_client()
    assert browser.get("/settings/people", **forged).headers["Location"] == "/sign-in?next=/settings/people"

    def post(path, data, page):
        found = re.search(r'name="csrf_token" value="([^"]+)"', browser.get(page, **forged).text).group(1)
        return browser.post(path, data={"csrf_token": found, **data}, **forged)

    fields = {"email": EMAIL, "password": factory.PASSWORD}
    away = post("/sign-in", {**fields, "next": "http://evil.example/"}, "/sign-in")
    assert away.headers["Location"] == "/sign-in"
    assert post("/sign-in", fields, "/sign-in").headers["Location"] == "/"
    page = post("/settings/people/invitations", {"email": "new@example.com", "role": "viewer"}, "/settings/people")

    assert "http://127.0.0.1:8000/invitation/" in page.text
    assert "evil.example" not in page.text


@pytest.mark.parametrize(
    "away",
    [
        "https://evil.example/",
        "//evil.example",
        "/\\evil.example",
        "///evil.example",
        "\\\\evil.example",
        "https:evil.example",
        "javascript:alert(1)",
        "/%09/evil.example\t//x",
    ],
)
def test_next_leads_nowhere_else(fortress, enter, submit, away):
    browser = fortress.test_client()

    refused = enter(browser, next=away)
    assert refused.headers["Location"] == "/sign-in"
    assert not is_inside(browser)
    enter(browser)
    changed = submit(browser, "/preferences", {"theme": "dark", "next": away}, page=INSIDE)
    assert changed.headers["Location"] == "/"


def test_half_a_sign_in_opens_nothing_and_grows_old(fortress, committed, enter, submit):
    def demand(session, owner):
        from crm.accounts.models import Workspace

        session.get(Workspace, owner.last_workspace_id).require_second_factor = True

    committed(demand)
    browser = fortress.test_client()
    enter(browser)
    assert not is_inside(browser)
    assert browser.get("/settings/recovery-codes").status_code == 303
    submit(browser, "/second-factor/set-up", {"setup": "authenticator"})
    with browser.session_transaction() as cookie:
        secret = cookie["tf_totp_secret"]
        cookie["tf_at"] = time.time() - 3600
    code = fortress.extensions["security"].totp_factory.generate_totp_password(secret)

    answer = submit(browser, "/second-factor", {"code": code})

    assert "Begin again" in answer.text
    assert not is_inside(browser)


def test_an_old_cookie_can_not_bring_its_own_secret_past_a_factor_set_up_since(fortress, committed, enter, submit):
    """Somebody with the password keeps a half-finished set-up; the owner sets the factor up; the old cookie comes."""

    def demand(session, owner):
        from crm.accounts.models import Workspace

        session.get(Workspace, owner.last_workspace_id).require_second_factor = True

    committed(demand)
    thief = fortress.test_client()
    enter(thief)
    submit(thief, "/second-factor/set-up", {"setup": "authenticator"})
    with thief.session_transaction() as cookie:
        own_secret = cookie["tf_totp_secret"]

    owner = fortress.test_client()
    enter(owner)
    submit(owner, "/second-factor/set-up", {"setup": "authenticator"})
    with owner.session_transaction() as cookie:
        secret = cookie["tf_totp_secret"]
    codes = fortress.extensions["security"].totp_factory
    submit(owner, "/second-factor", {"code": codes.generate_totp_password(secret)})
    assert is_inside(owner)

    submit(thief, "/second-factor", {"code": codes.generate_totp_password(own_secret)})

    assert not is_inside(thief)
    kept = committed(lambda _session, row: row.tf_totp_secret)
    assert codes.get_totp_b32_key(kept) == codes.get_totp_b32_key(secret)


def test_codes_can_not_be_guessed(fortress, committed, enter, submit):
    def set_up(_session, owner):
        owner.tf_totp_secret = fortress.extensions["security"].totp_factory.generate_totp_secret()
        owner.tf_primary_method = "authenticator"

    with fortress.app_context():
        committed(set_up)
    texts = []
    for _ in range(6):
        browser = fortress.test_client()
        enter(browser)
        texts.append(submit(browser, "/second-factor", {"code": "000000"}).text)

    assert "Too many tries" not in texts[4]
    assert "Too many tries" in texts[5]
    browser = fortress.test_client()
    enter(browser)
    assert "Too many tries" in submit(browser, "/recovery", {"code": "0000-0000-0000"}).text


def test_cookies_are_bound_to_the_host_and_to_https(fresh_database, tmp_path, jobs):
    settings = Settings.load(
        home=tmp_path / "home",
        base_url="https://crm.example",
        secret_key="s",
        channel_key="k",
        password_hash_cost="test",
    )
    with fresh_database.database.scope() as session:
        factory.owner(session, email=EMAIL)
    app = create_app(settings, database=fresh_database.database, jobs=jobs)

    answer = app.test_client().get("/sign-in", base_url="https://crm.example")

    cookie = answer.headers["Set-Cookie"]
    assert cookie.startswith("__Host-")
    assert {"Secure", "HttpOnly", "Path=/", "SameSite=Lax"} <= {part.strip() for part in cookie.split(";")}
    assert "Domain" not in cookie
    assert "max-age=" in answer.headers["Strict-Transport-Security"]


def test_signed_in_pages_are_not_kept_by_the_browser(fortress, enter):
    browser = fortress.test_client()
    enter(browser)

    assert "no-store" in browser.get(INSIDE).headers["Cache-Control"]
