"""Signing in to a mailbox at Google or Microsoft 365: the authorisation code with PKCE, and fresh tokens after it.

RFC 6749, 7636 and 9700; what comes of it is used by XOAUTH2. No database: whoever calls keeps the tokens.
"""

import base64
import hashlib
import json
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final
from urllib.parse import urlencode, urlsplit

from crm.channels.base import OutcomeKind
from crm.net.client import HttpClient
from crm.net.errors import NetError

#: A token of this length fits every provider's promise and every header.
MAX_TOKEN: Final = 16_000
#: When the provider does not say how long a token lasts (RFC 6749, 5.1, leaves it open).
DEFAULT_SECONDS: Final = 3_600
_FORM: Final = {"Content-Type": "application/x-www-form-urlencoded", "Accept": "application/json"}
_TOO_MANY: Final = 429
#: A longer number of seconds is none.
_DIGITS: Final = 12
_SERVER_ERROR: Final = 500


class Provider(StrEnum):
    """Who runs the mailbox."""

    GOOGLE = "google"
    MICROSOFT = "microsoft"


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoints:
    """Where a provider is asked, for what, and its mail servers."""

    authorise: str
    token: str
    scope: str
    smtp_host: str
    imap_host: str
    extra: Mapping[str, str] = field(default_factory=dict)


ENDPOINTS: Final[Mapping[Provider, Endpoints]] = {
    Provider.GOOGLE: Endpoints(
        authorise="https://accounts.google.com/o/oauth2/v2/auth",
        token="https://oauth2.googleapis.com/token",
        scope="https://mail.google.com/",
        smtp_host="smtp.gmail.com",
        imap_host="imap.gmail.com",
        # Without these Google gives a refresh token the first time only.
        extra={"access_type": "offline", "prompt": "consent"},
    ),
    Provider.MICROSOFT: Endpoints(
        authorise="https://login.microsoftonline.com/{tenant}/oauth2/v2.0/authorize",
        token="https://login.microsoftonline.com/{tenant}/oauth2/v2.0/token",
        scope="offline_access https://outlook.office.com/SMTP.Send https://outlook.office.com/IMAP.AccessAsUser.All",
        smtp_host="smtp.office365.com",
        imap_host="outlook.office365.com",
        extra={"prompt": "select_account"},
    ),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Application:
    """What the house registered at the provider; `base_url` replaces the provider's host in tests."""

    provider: Provider
    client_id: str
    client_secret: str = field(default="", repr=False)
    tenant: str = "organizations"
    base_url: str = ""

    def address(self, template: str) -> str:
        """An address of the provider with the tenant filled in."""
        whole = template.format(tenant=self.tenant)
        return f"{self.base_url}{urlsplit(whole).path}" if self.base_url else whole


@dataclass(frozen=True, slots=True, kw_only=True)
class Tokens:
    """What the provider gave; an empty `refresh` means that the one before stays good."""

    access: str = field(repr=False)
    refresh: str = field(default="", repr=False)
    seconds: int = DEFAULT_SECONDS


class OAuthError(Exception):
    """No token: `code` says why, `kind` whether the account is at fault (`AUTH`) or the moment (`RETRY_LATER`)."""

    def __init__(self, code: str, kind: OutcomeKind = OutcomeKind.AUTH) -> None:
        super().__init__(code)
        self.code = code
        self.kind = kind


def new_secret() -> str:
    """A state or a PKCE verifier: 43 letters that nobody guesses."""
    return secrets.token_urlsafe(32)


def consent_url(application: Application, *, redirect_uri: str, state: str, verifier: str, address: str) -> str:
    """Where the mailbox's owner agrees; `address` is proposed there."""
    where = ENDPOINTS[application.provider]
    challenge = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode("ascii")).digest()).rstrip(b"=")
    asked = {
        "response_type": "code",
        "client_id": application.client_id,
        "redirect_uri": redirect_uri,
        "scope": where.scope,
        "state": state,
        "code_challenge": challenge.decode("ascii"),
        "code_challenge_method": "S256",
        "login_hint": address,
        **where.extra,
    }
    return f"{application.address(where.authorise)}?{urlencode(asked)}"


def exchange(client: HttpClient, application: Application, *, code: str, verifier: str, redirect_uri: str) -> Tokens:
    """Turn the code that came back into tokens. Raises `OAuthError`."""
    given = {"grant_type": "authorization_code", "code": code, "code_verifier": verifier, "redirect_uri": redirect_uri}
    tokens = _ask(client, application, given)
    if not tokens.refresh:
        # It would work for an hour and then never again.
        raise OAuthError("oauth_no_refresh")
    return tokens


def refresh(client: HttpClient, application: Application, *, refresh_token: str) -> Tokens:
    """A fresh access token. Raises `OAuthError`; `oauth_sign_in_again` when the owner has to agree once more."""
    return _ask(client, application, {"grant_type": "refresh_token", "refresh_token": refresh_token})


def _ask(client: HttpClient, application: Application, given: Mapping[str, str]) -> Tokens:
    form = {**given, "client_id": application.client_id}
    if application.client_secret:
        form["client_secret"] = application.client_secret
    url = application.address(ENDPOINTS[application.provider].token)
    try:
        answer = client.post(url, content=urlencode(form).encode("ascii"), headers=_FORM)
    except NetError as error:
        raise OAuthError("oauth_unreachable", OutcomeKind.RETRY_LATER) from error
    if answer.status == _TOO_MANY or answer.status >= _SERVER_ERROR:
        raise OAuthError("oauth_unreachable", OutcomeKind.RETRY_LATER)
    said = _object(answer.content)
    if "error" in said:
        raise OAuthError(_REFUSALS.get(str(said["error"]), "oauth_refused"))
    access, again = said.get("access_token"), said.get("refresh_token", "")
    if not isinstance(access, str) or not _is_token(access) or not (again == "" or _is_token(again)):
        raise OAuthError("oauth_unreadable", OutcomeKind.RETRY_LATER)
    seconds = said.get("expires_in", DEFAULT_SECONDS)
    is_number = len(str(seconds)) < _DIGITS and str(seconds).isascii() and str(seconds).isdigit()
    return Tokens(access=access, refresh=again, seconds=min(int(seconds), 86_400) if is_number else DEFAULT_SECONDS)


_REFUSALS: Final = {
    "invalid_grant": "oauth_sign_in_again",
    "interaction_required": "oauth_sign_in_again",
    "consent_required": "oauth_sign_in_again",
    "invalid_client": "oauth_client",
    "unauthorized_client": "oauth_client",
}


def _object(content: bytes) -> dict[str, Any]:
    try:
        said = json.loads(content)
    except (ValueError, RecursionError):
        said = None
    if not isinstance(said, dict):
        raise OAuthError("oauth_unreadable", OutcomeKind.RETRY_LATER)
    return said


def _is_token(value: object) -> bool:
    """Printable ASCII, as it will stand in a command to a mail server."""
    return isinstance(value, str) and 0 < len(value) <= MAX_TOKEN and value.isascii() and value.isprintable()
