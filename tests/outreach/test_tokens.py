"""Accounts that sign in by token: one refresh for all who need it, and a sentence when the provider says no."""

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from urllib.parse import parse_qs, urlsplit

import pytest
from conftest import make_house
from factories import outreach
from factories.identity import identity_provider

from crm.accounts.rules import system_actor
from crm.channels.oauth import Tokens
from crm.db import database_now
from crm.outreach import setup as outreach_setup
from crm.outreach import telling, tokens
from crm.outreach.adapters import spec_of
from crm.outreach.kinds import AccountState
from crm.outreach.services import accounts, signin
from crm.outreach.tokens import Freshness, ensure_fresh
from crm.outreach.words import reason_text

from .conftest import NOW


@pytest.fixture
def identity(monkeypatch, settings):
    open_settings = settings.model_copy(update={"net_allow": ("127.0.0.1",)})
    monkeypatch.setattr(outreach_setup, "current", lambda: open_settings)
    monkeypatch.setattr(tokens, "current", lambda: open_settings)
    outreach_setup.keyring.cache_clear()
    with identity_provider() as found:
        yield found
    outreach_setup.keyring.cache_clear()


def by_token(session, actor, account, identity, *, seconds: int, now):
    data = signin.ApplicationInput(provider="google", client_id="id-1", client_secret="geheim")
    signin.set_application(session, actor, account_id=account.id, data=data)
    account.config = {**account.config, "oauth_base_url": identity.address}
    given = Tokens(access="access-0", refresh="refresh-0", seconds=seconds)
    return signin.keep_first(session, actor, account_id=account.id, tokens=given, now=now)


@pytest.fixture
def expired(fresh_database, identity):
    """A committed account whose token has ended; its workspace and id."""
    with fresh_database.database.scope() as session:
        house = make_house(session, name="Lanterna Dati")
        now = database_now(session)
        account = outreach.account(session, house.actor, now=now)
        by_token(session, house.actor, account, identity, seconds=60, now=now)
        return house.workspace.id, account.id


def test_many_who_find_the_token_ended_ask_for_one(fresh_database, identity, expired):
    workspace_id, account_id = expired
    identity.gate.clear()
    begun = threading.Barrier(9)

    def work() -> Freshness:
        begun.wait(10)
        return ensure_fresh(fresh_database.database, workspace_id=workspace_id, account_id=account_id)

    with ThreadPoolExecutor(8) as pool:
        running = [pool.submit(work) for _ in range(8)]
        begun.wait(10)
        identity.gate.set()
        found = [each.result(20) for each in running]
    assert found == [Freshness.GOOD] * 8
    assert [each["grant_type"] for each in identity.asked] == ["refresh_token"]
    with fresh_database.database.scope(workspace_id) as session:
        account = accounts.load(session, account_id)
        assert spec_of(account).adapter.secret["secret"] == "access-1"
        assert spec_of(account).adapter.secret["refresh_token"] == "refresh-0"
        assert account.token_claimed_until is None


def test_a_refused_refresh_holds_the_account_with_what_to_do(fresh_database, identity, expired):
    workspace_id, account_id = expired
    identity.script.append((400, {"error": "invalid_grant"}))
    assert ensure_fresh(fresh_database.database, workspace_id=workspace_id, account_id=account_id) is Freshness.REFUSED
    with fresh_database.database.scope(workspace_id) as session:
        account = accounts.load(session, account_id)
        assert (account.state, account.hold_reason) == (AccountState.HELD, "oauth_sign_in_again")
    assert "Sign in again" in reason_text("oauth_sign_in_again")


def test_a_provider_that_is_away_holds_nothing_and_is_left_alone_for_a_while(fresh_database, identity, expired):
    workspace_id, account_id = expired
    database = fresh_database.database
    identity.script.append((503, {}))
    for _ in range(3):
        found = ensure_fresh(database, workspace_id=workspace_id, account_id=account_id, patience=0)
        assert found is Freshness.UNREACHABLE
    assert len(identity.asked) == 1
    with database.scope(workspace_id) as session:
        assert accounts.load(session, account_id).state == AccountState.ACTIVE


@pytest.mark.parametrize("late", [(200, {"access_token": "late", "expires_in": 60}), (400, {"error": "invalid_grant"})])
def test_an_answer_that_comes_after_a_new_sign_in_changes_nothing(fresh_database, identity, expired, late):
    workspace_id, account_id = expired
    database = fresh_database.database
    identity.script.append(late)
    identity.gate.clear()
    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(ensure_fresh, database, workspace_id=workspace_id, account_id=account_id)
        claimed = False
        while not claimed:
            with database.scope(workspace_id) as session:
                claimed = accounts.load(session, account_id).token_claimed_until is not None
        with database.scope(workspace_id) as session:
            given = Tokens(access="access-9", refresh="refresh-9", seconds=3600)
            account = accounts.load(session, account_id)
            signin.keep_first(
                session, system_actor(workspace_id), account_id=account.id, tokens=given, now=database_now(session)
            )
        identity.gate.set()
        assert running.result(20) is Freshness.GOOD
    with database.scope(workspace_id) as session:
        account = accounts.load(session, account_id)
        assert account.state == AccountState.ACTIVE
        known = spec_of(account).adapter.secret
        assert (known["secret"], known["refresh_token"]) == ("access-9", "refresh-9")


def test_a_claim_whose_process_died_is_taken_over(desk, identity):
    account = by_token(desk.session, desk.actor, desk.account, identity, seconds=60, now=NOW)
    assert signin.claim_token(desk.session, account, now=NOW) is not None
    assert signin.is_claimed(account, now=NOW)
    assert not signin.is_claimed(account, now=NOW + signin.CLAIM + timedelta(seconds=1))


def test_a_token_that_was_refused_before_its_end_is_replaced(desk, identity):
    account = by_token(desk.session, desk.actor, desk.account, identity, seconds=3600, now=NOW)
    assert not signin.needs_token(account, now=NOW)
    account.last_error_code, account.last_error_at = "auth_535", NOW + timedelta(seconds=5)
    assert signin.needs_token(account, now=NOW)


def test_other_settings_keep_the_application_and_the_tokens(desk, identity):
    account = by_token(desk.session, desk.actor, desk.account, identity, seconds=3600, now=NOW)
    data = accounts.AccountInput(name="Other", address=account.address, host="smtp.gmail.com", mechanism="xoauth2")
    accounts.update_account(desk.session, desk.actor, account_id=account.id, data=data)
    assert signin.application_of(account).client_id == "id-1"
    assert spec_of(account).adapter.secret["refresh_token"] == "refresh-0"
    # What is the provider's own never reaches the settings of the adapter.
    assert not [name for name in spec_of(account).adapter.config if name.startswith("oauth")]


def test_the_way_there_and_back_signs_the_account_in(desk, identity, client, monkeypatch, settings):
    base = f"/settings/channels/{desk.account.id}/sign-in"
    answer = client.post(base, data={"provider": "google", "client_id": "id-1", "client_secret": "geheim"})
    assert answer.status_code == 303
    assert "geheim" not in client.get(base).text
    desk.session.refresh(desk.account)
    desk.account.config = {**desk.account.config, "oauth_base_url": identity.address}
    desk.session.flush()
    there = client.get(f"{base}/go").headers["Location"]
    asked = {name: values[0] for name, values in parse_qs(urlsplit(there).query).items()}
    assert there.startswith(identity.address)
    back = urlsplit(asked["redirect_uri"]).path
    answer = client.get(back, query_string={"code": "c-1", "state": asked["state"]})
    assert answer.headers["Location"].endswith(str(desk.account.id))
    desk.session.expire_all()
    assert desk.account.config["mechanism"] == "xoauth2"
    assert spec_of(desk.account).adapter.secret["secret"] == "access-1"
    assert identity.asked[0]["redirect_uri"] == asked["redirect_uri"]
    # The same answer once more is somebody else's, or a second click.
    client.get(back, query_string={"code": "c-1", "state": asked["state"]})
    assert len(identity.asked) == 1


@pytest.mark.parametrize("query", [{}, {"code": "c", "state": "wrong"}, {"code": "c"}, {"state": ""}])
def test_an_answer_nobody_asked_for_is_thrown_away(desk, identity, client, query):
    answer = client.get("/settings/channels/sign-in/back", query_string=query)
    assert answer.status_code == 303
    assert identity.asked == []


def test_a_password_at_microsoft_is_told_to_end(desk, client):
    for host, ends in (("smtp.office365.com", True), ("smtp-mail.outlook.com", True), ("notoutlook.com", False)):
        desk.account.config = {**desk.account.config, "host": host}
        assert telling.password_ends(desk.account) is ends
    desk.account.config = {**desk.account.config, "host": "smtp.office365.com"}
    desk.session.flush()
    assert "December 2026" in client.get(f"/settings/channels/{desk.account.id}").text
