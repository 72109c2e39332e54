"""Owns how an account hears what came in: the platform calls us with a secret of our own, or we ask it."""

import secrets
from typing import Final
from uuid import UUID

from sqlalchemy.orm import Session

from crm.accounts.kinds import Permission
from crm.accounts.rules import Actor
from crm.outreach.adapters import SenderSpec, spec_of
from crm.outreach.services.accounts import load
from crm.outreach.setup import keyring

#: The secret with which a platform that signs nothing proves its calls.
WEBHOOK_SECRET: Final = "webhook_secret"
_BYTES: Final = 32


def prepare_calls(session: Session, actor: Actor, *, account_id: UUID) -> SenderSpec:
    """Give the account the secret that its platform must know, if it has none; the account with its credentials.

    Raises `AccountNotFoundError`, and `SecretError` for credentials that can't be read.
    """
    actor.require(Permission.MANAGE_CHANNELS)
    account = load(session, account_id, lock=True)
    known = dict(spec_of(account).adapter.secret)
    if WEBHOOK_SECRET not in known:
        known[WEBHOOK_SECRET] = secrets.token_urlsafe(_BYTES)
        account.secret = keyring().seal(known, workspace_id=account.workspace_id, row_id=account.id)
        session.flush()
    return spec_of(account)


def note_receiving(session: Session, actor: Actor, *, account_id: UUID, is_called: bool) -> None:
    """From now on the platform calls us, or we ask it."""
    actor.require(Permission.MANAGE_CHANNELS)
    account = load(session, account_id, lock=True)
    account.config = {**account.config, "receive": "webhook" if is_called else "poll"}
    session.flush()
