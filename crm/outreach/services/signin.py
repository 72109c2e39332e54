"""Owns an account's sign-in at Google or Microsoft: the registered application, and its tokens, sealed."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Annotated, Final
from uuid import UUID

from pydantic import Field
from sqlalchemy.orm import Session

from crm.accounts.kinds import Permission
from crm.accounts.rules import Actor
from crm.accounts.services import audit
from crm.channels.oauth import ENDPOINTS, Application, Provider, Tokens
from crm.channels.sentences import N_
from crm.channels.smtp import Mechanism, Security
from crm.contacts.inputs import Input, Line
from crm.errors import ConflictError
from crm.outreach.models import SenderAccount
from crm.outreach.secrets import SecretError
from crm.outreach.services.accounts import activate, load
from crm.outreach.setup import keyring

#: A token is replaced this long before its end, so that none ends in the middle of a run.
MARGIN: Final = timedelta(minutes=5)
#: Whoever set out to fetch a token is given up after this.
CLAIM: Final = timedelta(seconds=30)


class ApplicationInput(Input):
    """What the house registered at the provider; an empty secret keeps the one that is there."""

    provider: Provider
    client_id: Annotated[Line, Field(min_length=3, max_length=300, pattern=r"^[A-Za-z0-9._-]+$")]
    client_secret: Annotated[Line, Field(max_length=500)] = ""
    tenant: Annotated[Line, Field(max_length=100, pattern=r"^[A-Za-z0-9.-]*$")] = ""


def set_application(session: Session, actor: Actor, *, account_id: UUID, data: ApplicationInput) -> SenderAccount:
    """Remember with which application an account signs in; its owner agrees at the provider afterwards."""
    actor.require(Permission.MANAGE_CHANNELS)
    account = load(session, account_id, lock=True)
    account.config = {
        **account.config,
        "oauth_provider": data.provider.value,
        "oauth_client_id": data.client_id,
        "oauth_tenant": data.tenant,
    }
    if data.client_secret:
        _seal(account, {**_opened(account), "client_secret": data.client_secret})
    session.flush()
    audit.record(
        session, actor, action="sender.credentials_changed", object_kind="sender_account", object_id=account.id
    )
    return account


def application_of(account: SenderAccount) -> Application | None:
    """The application an account signs in with, None without one."""
    provider = account.config.get("oauth_provider")
    if provider not in set(Provider) or not account.config.get("oauth_client_id"):
        return None
    return Application(
        provider=Provider(provider),
        client_id=account.config["oauth_client_id"],
        client_secret=_opened(account).get("client_secret", ""),
        tenant=account.config.get("oauth_tenant") or "organizations",
        base_url=account.config.get("oauth_base_url", ""),
    )


def keep_first(session: Session, actor: Actor, *, account_id: UUID, tokens: Tokens, now: datetime) -> SenderAccount:
    """The owner agreed: from now on the account signs in by token, at the provider's servers unless others are set."""
    actor.require(Permission.MANAGE_CHANNELS)
    account = load(session, account_id, lock=True)
    application = application_of(account)
    if application is None:
        raise ConflictError(N_("Say first with which application this account signs in."), code="no_application")
    where, config = ENDPOINTS[application.provider], dict(account.config)
    if not config.get("host"):
        config |= {"host": where.smtp_host, "port": 587, "security": Security.STARTTLS.value}
    if not config.get("imap_host"):
        config |= {"imap_host": where.imap_host, "imap_port": 993, "imap_security": Security.TLS.value}
    account.config = {
        **config,
        "mechanism": Mechanism.XOAUTH2.value,
        "username": config.get("username") or account.address,
        "files_sent": True,
    }
    keep(session, account, tokens, now=now)
    activate(account)
    account.last_error_code = ""
    session.flush()
    audit.record(
        session, actor, action="sender.credentials_changed", object_kind="sender_account", object_id=account.id
    )
    return account


def keep(session: Session, account: SenderAccount, tokens: Tokens, *, now: datetime) -> None:
    """Seal fresh tokens into a locked account; a provider that gives no new refresh token means the old one."""
    known = {**_opened(account), "secret": tokens.access}
    known.pop("imap_secret", None)
    if tokens.refresh:
        known["refresh_token"] = tokens.refresh
    _seal(account, known)
    account.token_until = now + timedelta(seconds=tokens.seconds)
    account.token_at, account.token_claimed_until = now, None
    session.flush()


@dataclass(frozen=True, slots=True)
class Stale:
    """A token that this process alone set out to replace."""

    application: Application
    refresh_token: str


def needs_token(account: SenderAccount, *, now: datetime) -> bool:
    """Whether the account signs in by token and the one it has ends soon, or was refused after it came."""
    if account.config.get("mechanism") != Mechanism.XOAUTH2 or not account.config.get("oauth_provider"):
        return False
    if account.token_until is None or account.token_until <= now + MARGIN:
        return True
    was_refused = account.last_error_code.startswith(("auth_", "imap_refused"))
    return was_refused and bool(account.token_at and account.last_error_at and account.last_error_at > account.token_at)


def claim_token(session: Session, account: SenderAccount, *, now: datetime) -> Stale | None:
    """Set out to replace the token of a locked account, None when there is nothing to do it with.

    The caller has made sure that it must be and that nobody else does, and commits at once.
    """
    application, known = application_of(account), _opened(account)
    if application is None or not known.get("refresh_token"):
        return None
    account.token_claimed_until = now + CLAIM
    session.flush()
    return Stale(application, known["refresh_token"])


def is_as_claimed(account: SenderAccount, stale: Stale) -> bool:
    """Whether a locked account still signs in with what somebody set out with."""
    return application_of(account) == stale.application and _opened(account).get("refresh_token") == stale.refresh_token


def is_claimed(account: SenderAccount, *, now: datetime) -> bool:
    """Whether somebody is fetching a token just now."""
    return account.token_claimed_until is not None and account.token_claimed_until > now


def _opened(account: SenderAccount) -> dict[str, str]:
    if account.secret is None:
        return {}
    try:
        return keyring().open(account.secret, workspace_id=account.workspace_id, row_id=account.id)
    except SecretError:
        return {}


def _seal(account: SenderAccount, known: dict[str, str]) -> None:
    account.secret = keyring().seal(known, workspace_id=account.workspace_id, row_id=account.id)
