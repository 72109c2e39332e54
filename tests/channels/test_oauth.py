"""Tokens from Google and Microsoft: what is asked, and what each answer means."""

import base64
import hashlib
from urllib.parse import parse_qs, urlsplit

import pytest
from factories.identity import identity_provider

from crm.channels.base import OutcomeKind
from crm.channels.oauth import Application, OAuthError, Provider, consent_url, exchange, new_secret, refresh
from crm.net.client import HttpClient
from crm.net.guard import Guard

BACK = "https://crm.example/settings/channels/sign-in/back"


@pytest.fixture
def identity():
    with identity_provider() as found:
        yield found


@pytest.fixture
def client():
    return HttpClient(Guard(allow=("127.0.0.1",)), version="test", total_seconds=5)


def application(base_url: str = "", provider: Provider = Provider.GOOGLE) -> Application:
    return Application(provider=provider, client_id="id-1", client_secret="geheim", base_url=base_url)


@pytest.mark.parametrize("provider", Provider)
def test_the_way_there_carries_state_and_a_challenge_but_never_the_verifier(provider):
    verifier = new_secret()
    url = consent_url(
        application(provider=provider), redirect_uri=BACK, state="s-1", verifier=verifier, address="a@b.example"
    )
    asked = {name: values[0] for name, values in parse_qs(urlsplit(url).query).items()}
    challenge = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()
    assert (asked["code_challenge"], asked["code_challenge_method"]) == (challenge, "S256")
    assert (asked["state"], asked["redirect_uri"], asked["login_hint"]) == ("s-1", BACK, "a@b.example")
    assert verifier not in url
    assert "geheim" not in url


def test_code_and_refresh_token_become_tokens(identity, client):
    tokens = exchange(client, application(identity.address), code="c", verifier="v", redirect_uri=BACK)
    assert (tokens.access, tokens.refresh, tokens.seconds) == ("access-1", "refresh-1", 3600)
    again = refresh(client, application(identity.address), refresh_token=tokens.refresh)
    assert (again.access, again.refresh) == ("access-2", "")
    assert identity.asked[0]["code_verifier"] == "v"
    assert identity.asked[1]["refresh_token"] == "refresh-1"


@pytest.mark.parametrize(
    ("status", "said", "code", "kind"),
    [
        (400, {"error": "invalid_grant"}, "oauth_sign_in_again", OutcomeKind.AUTH),
        (400, {"error": "interaction_required"}, "oauth_sign_in_again", OutcomeKind.AUTH),
        (401, {"error": "invalid_client"}, "oauth_client", OutcomeKind.AUTH),
        (400, {"error": ["x"]}, "oauth_refused", OutcomeKind.AUTH),
        (429, {"error": "slow_down"}, "oauth_unreachable", OutcomeKind.RETRY_LATER),
        (503, b"<html>", "oauth_unreachable", OutcomeKind.RETRY_LATER),
        (200, b"<html>", "oauth_unreadable", OutcomeKind.RETRY_LATER),
        (200, b"[" * 50_000, "oauth_unreadable", OutcomeKind.RETRY_LATER),
        (200, {"access_token": "a\x01b"}, "oauth_unreadable", OutcomeKind.RETRY_LATER),
        (200, {"access_token": ""}, "oauth_unreadable", OutcomeKind.RETRY_LATER),
        (200, {"access_token": "a", "refresh_token": 7}, "oauth_unreadable", OutcomeKind.RETRY_LATER),
        (302, b"", "oauth_unreadable", OutcomeKind.RETRY_LATER),
    ],
)
def test_each_refusal_means_the_account_or_the_moment(identity, client, status, said, code, kind):
    identity.script.append((status, said))
    with pytest.raises(OAuthError) as refused:
        refresh(client, application(identity.address), refresh_token="r")
    assert (refused.value.code, refused.value.kind) == (code, kind)


@pytest.mark.parametrize("seconds", ["soon", -5, None, 10**12, 3.5])
def test_a_strange_life_of_a_token_is_a_day_at_most(identity, client, seconds):
    identity.script.append((200, {"access_token": "a", "expires_in": seconds}))
    assert 0 < refresh(client, application(identity.address), refresh_token="r").seconds <= 86_400


def test_a_permission_that_ends_with_the_first_token_is_none(identity, client):
    identity.script.append((200, {"access_token": "a"}))
    with pytest.raises(OAuthError, match="oauth_no_refresh"):
        exchange(client, application(identity.address), code="c", verifier="v", redirect_uri=BACK)


def test_a_provider_inside_the_house_is_not_asked(identity):
    strict = HttpClient(Guard(), version="test", total_seconds=5)
    with pytest.raises(OAuthError, match="oauth_unreachable"):
        refresh(strict, application(identity.address), refresh_token="r")
    assert identity.asked == []
