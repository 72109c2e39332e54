"""Time-based codes and recovery codes, from set-up to sign-in."""

import re
import time

import pytest
from factories import accounts as factory
from sqlalchemy import select, update

from crm.accounts.kinds import Role
from crm.accounts.models import AuditEntry, User, Workspace


@pytest.fixture
def browser(anonymous, person, sign_in):
    sign_in(anonymous, person.email)
    return anonymous


@pytest.fixture
def code(app, session):
    """The code that the person's app shows now, or so many steps of 30 seconds from now."""

    def of(secret, steps=0):
        factory_ = app.extensions["security"].totp_factory
        totp = factory_._totp.from_source(secret)
        return totp.generate(time.time() + 30 * steps).token

    return of


def set_up(browser, app, code):
    """Set the second factor up in the signed-in browser; the secret."""
    page = browser.post("/second-factor/set-up", data={"setup": "authenticator"})
    with browser.session_transaction() as cookie:
        secret = cookie["tf_totp_secret"]
    action = re.search(r'action="(/second-factor/set-up/[^"]+)"', page.text).group(1)
    answer = browser.post(action, data={"code": code(secret)})
    answer.close()
    assert answer.headers["Location"] == "/settings/access"
    return secret


def test_setting_up_shows_a_code_to_scan_and_asks_for_a_first_one(browser, app, session, person, code):
    page = browser.post("/second-factor/set-up", data={"setup": "authenticator"})
    assert 'src="data:image/svg+xml' in page.text

    set_up(browser, app, code)

    session.refresh(person)
    assert person.tf_primary_method == "authenticator"
    assert "encrypted" not in page.text
    assert '"enckey"' in person.tf_totp_secret, "the secret is stored encrypted"


def test_a_wrong_first_code_changes_nothing(browser, session, person):
    page = browser.post("/second-factor/set-up", data={"setup": "authenticator"})
    action = re.search(r'action="(/second-factor/set-up/[^"]+)"', page.text).group(1)

    browser.post(action, data={"code": "000000"})

    session.refresh(person)
    assert person.tf_primary_method is None


def test_the_sign_in_asks_for_the_code_and_each_code_works_once(app, browser, session, person, code, sign_in):
    secret = set_up(browser, app, code)
    other = app.test_client()
    asked = sign_in(other, person.email)
    assert asked.headers["Location"].startswith("/second-factor")
    assert other.get("/settings/profile").status_code == 303

    next_code = code(secret, steps=1)
    opened = other.post("/second-factor", data={"code": next_code})
    assert opened.headers["Location"] == "/"
    assert other.get("/settings/profile").status_code == 200

    third = app.test_client()
    sign_in(third, person.email)
    refused = third.post("/second-factor", data={"code": next_code})
    assert refused.status_code == 200
    assert third.get("/settings/profile").status_code == 303


def test_a_recovery_code_lets_in_once(app, browser, session, person, code, sign_in):
    set_up(browser, app, code)
    page = browser.post("/settings/recovery-codes", data={"generate_new_codes": "1"})
    codes = re.findall(r"[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}", page.text)
    assert len(set(codes)) == 8
    session.refresh(person)
    assert not set(codes) & set(person.mf_recovery_codes), "they are stored encrypted"

    other = app.test_client()
    sign_in(other, person.email)
    assert other.post("/recovery", data={"code": f" {codes[0].upper()} "}).headers["Location"] == "/"

    third = app.test_client()
    sign_in(third, person.email)
    assert third.post("/recovery", data={"code": codes[0]}).status_code == 200
    assert third.get("/settings/profile").status_code == 303


def test_switching_it_off_needs_nothing_but_a_fresh_password(app, browser, session, person, code):
    set_up(browser, app, code)
    with browser.session_transaction() as cookie:
        cookie["fs_paa"] = time.time() - 3600
        cookie.pop("fs_gexp", None)

    stale = browser.post("/second-factor/set-up", data={"setup": "disable"})
    session.refresh(person)
    assert stale.headers["Location"].startswith("/confirm-password")
    assert person.tf_primary_method == "authenticator"

    assert browser.post("/confirm-password", data={"password": "wrong password"}).status_code == 200
    confirmed = browser.post("/confirm-password", data={"password": factory.PASSWORD, "next": "/settings/access"})
    assert confirmed.headers["Location"] == "/settings/access"
    browser.post("/second-factor/set-up", data={"setup": "disable"}).close()
    session.refresh(person)
    assert person.tf_primary_method is None
    actions = session.scalars(select(AuditEntry.action).where(AuditEntry.user_id == person.id)).all()
    assert {"user.second_factor_on", "user.second_factor_off"} <= set(actions)


def demand(session, house):
    session.execute(update(Workspace).where(Workspace.id == house.workspace.id).values(require_second_factor=True))
    session.flush()


def test_a_workspace_that_demands_it_opens_only_after_the_set_up(app, session, house, person, code, sign_in):
    demand(session, house)
    browser = app.test_client()

    asked = sign_in(browser, person.email)
    assert asked.headers["Location"] == "/second-factor/set-up"
    assert browser.get("/settings/profile").status_code == 303
    assert "A workspace of yours demands it" in browser.get("/second-factor/set-up").text
    browser.post("/second-factor/set-up", data={"setup": "authenticator"})
    with browser.session_transaction() as cookie:
        secret = cookie["tf_totp_secret"]
    answer = browser.post("/second-factor", data={"code": code(secret)})

    assert answer.headers["Location"] == "/"
    assert browser.get("/settings/profile").status_code == 200


def test_a_demand_newer_than_the_session_counts_at_once(browser, session, house, person):
    demand(session, house)

    refused = browser.get("/settings/profile")

    assert refused.headers["Location"] == "/settings/access"
    assert "A second factor is needed" in browser.get("/settings/access").text
    assert browser.get("/api/v1/me").status_code == 403


def test_it_can_not_be_switched_off_where_it_is_demanded(app, browser, session, house, person, code):
    set_up(browser, app, code)
    demand(session, house)

    browser.post("/second-factor/set-up", data={"setup": "disable"})

    session.refresh(person)
    assert person.tf_primary_method == "authenticator"


def test_the_demand_of_one_workspace_does_not_bind_members_of_another(app, session, house, other_house, sign_in):
    demand(session, house)
    row, *_ = factory.member(session, other_house, role=Role.SALES)
    browser = app.test_client()

    assert sign_in(browser, row.email).headers["Location"] == "/"
    assert session.get(User, row.id).tf_primary_method is None


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_whoever_strays_to_the_page_for_a_code_stays_signed_in(browser, method):
    answer = browser.open("/second-factor", method=method)
    assert (answer.status_code, answer.headers["Location"]) == (303, "/settings/access")
    assert browser.get("/settings/profile").status_code == 200
