"""Fetches fresh tokens for accounts that sign in by one: once, however many processes find the old one at its end.

Whoever sets out says so in the account's row and commits; the others wait for what it brings. No transaction is open
while the provider is asked.
"""

import time
from contextlib import suppress
from datetime import datetime
from enum import StrEnum
from importlib.metadata import PackageNotFoundError, version
from typing import Final
from uuid import UUID

import structlog

from crm.channels.base import OutcomeKind
from crm.channels.oauth import OAuthError, refresh
from crm.db import Database, database_now
from crm.net.client import HttpClient
from crm.net.guard import Guard
from crm.outreach.adapters import SenderSpec, load_spec
from crm.outreach.models import SenderAccount
from crm.outreach.services import signin
from crm.outreach.services.accounts import hold_account, load
from crm.settings import current

log = structlog.get_logger(__name__)

#: How long to wait for somebody else's token, and how often to look.
PATIENCE: Final = 15.0
LOOK: Final = 0.1


class Freshness(StrEnum):
    """What is known of an account's token."""

    GOOD = "good"
    REFUSED = "refused"
    """The owner has to sign in again; the account is held."""
    UNREACHABLE = "unreachable"
    """Nobody could ask the provider; later."""


def http_client() -> HttpClient:
    """How providers are asked: by every rule of the installation."""
    return HttpClient(Guard(allow=current().net_allow), version=_version())


def _version() -> str:
    with suppress(PackageNotFoundError):
        return version("filodiretto")
    return "0"


def ensure_fresh(database: Database, *, workspace_id: UUID, account_id: UUID, patience: float = PATIENCE) -> Freshness:
    """Make sure of a token that lasts a while; call it without an open transaction."""
    until = time.monotonic() + patience
    while True:
        with database.scope(workspace_id) as session:
            now = database_now(session)
            account = load(session, account_id)
            if not signin.needs_token(account, now=now):
                return Freshness.GOOD
            # Somebody may have brought one between this look and the lock.
            session.refresh(account, with_for_update=True)
            if not signin.needs_token(account, now=now):
                return Freshness.GOOD
            is_taken = signin.is_claimed(account, now=now)
            stale = None if is_taken else signin.claim_token(session, account, now=now)
            if not is_taken and stale is None:
                hold_account(session, account_id=account_id, code="oauth_sign_in_again", now=now)
                return Freshness.REFUSED
        if stale is not None:
            return _fetch(database, workspace_id, account_id, stale)
        if time.monotonic() >= until:
            return Freshness.UNREACHABLE
        time.sleep(LOOK)


class TokenError(Exception):
    """An account has no token to sign in with: `code` says why, `kind` whether it is at fault."""

    def __init__(self, code: str, kind: OutcomeKind) -> None:
        super().__init__(code)
        self.code = code
        self.kind = kind


def with_token(database: Database, spec: SenderSpec, *, workspace_id: UUID) -> SenderSpec:
    """`spec` with a token that lasts a while, where the account signs in by one. Raises `TokenError`.

    Call it without an open transaction.
    """
    if not spec.signs_in_by_token:
        return spec
    found = ensure_fresh(database, workspace_id=workspace_id, account_id=spec.account_id)
    if found is Freshness.REFUSED:
        raise TokenError("oauth_sign_in_again", OutcomeKind.AUTH)
    if found is Freshness.UNREACHABLE:
        raise TokenError("oauth_unreachable", OutcomeKind.RETRY_LATER)
    with database.scope(workspace_id) as session:
        return load_spec(session, spec.account_id) or spec


def _fetch(database: Database, workspace_id: UUID, account_id: UUID, stale: signin.Stale) -> Freshness:
    try:
        tokens = refresh(http_client(), stale.application, refresh_token=stale.refresh_token)
    except OAuthError as error:
        log.warning("token_refused", account=str(account_id), error=error.code)
        if error.kind is not OutcomeKind.AUTH:
            # The claim runs out by itself: until then nobody knocks again.
            return Freshness.UNREACHABLE
        with database.scope(workspace_id) as session:
            account, now = load(session, account_id, lock=True), database_now(session)
            if not signin.is_as_claimed(account, stale):
                return _of_others(account, now=now)
            hold_account(session, account_id=account_id, code=error.code, now=now)
            account.token_claimed_until = None
        return Freshness.REFUSED
    with database.scope(workspace_id) as session:
        account, now = load(session, account_id, lock=True), database_now(session)
        if not signin.is_as_claimed(account, stale):
            return _of_others(account, now=now)
        signin.keep(session, account, tokens, now=now)
        if account.last_error_code.startswith("oauth_"):
            account.last_error_code = ""
    return Freshness.GOOD


def _of_others(account: SenderAccount, *, now: datetime) -> Freshness:
    """Somebody signed the account in anew meanwhile: theirs counts, and what was asked for before says nothing."""
    return Freshness.UNREACHABLE if signin.needs_token(account, now=now) else Freshness.GOOD
