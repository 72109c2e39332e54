"""Owns start links: a token that binds whoever opens a chat with it to the contact it was made for, once."""

import hashlib
import secrets
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from crm.accounts.kinds import Permission
from crm.accounts.rules import Actor
from crm.contacts import queries as contacts
from crm.contacts import services as contact_services
from crm.contacts.models import Handle
from crm.db import new_id
from crm.outreach.inbound_models import StartLink
from crm.outreach.services.accounts import load

#: How long a link works: it travels in a mail that people read after their holidays.
VALID: Final = timedelta(days=30)
#: 192 bits are 32 letters of `A-Za-z0-9_-`; Telegram takes 64.
TOKEN_BYTES: Final = 24


def start_link(session: Session, actor: Actor, *, contact_id: UUID, account_id: UUID, now: datetime) -> str:
    """A fresh token for a link like `https://t.me/<bot>?start=<token>`; only its digest is kept.

    Raises the not-found errors of the contact and of the account.
    """
    actor.require(Permission.WRITE)
    contacts.contact(session, actor, contact_id=contact_id)
    load(session, account_id)
    token = secrets.token_urlsafe(TOKEN_BYTES)
    session.add(
        StartLink(
            id=new_id(),
            digest=_digest(token),
            contact_id=contact_id,
            account_id=account_id,
            created_at=now,
            expires_at=now + VALID,
        )
    )
    session.flush()
    return token


def redeem(session: Session, actor: Actor, *, token: str, account_id: UUID, handle: Handle, now: datetime) -> Handle:
    """Bind an address of nobody to the contact of a live token; the handle as it is then.

    A token that is unknown, used, over or of another account binds nothing, and an address that is somebody's stays
    theirs: a link that was passed on must not move a person.
    """
    if not token:
        return handle
    link = session.scalars(
        select(StartLink)
        .where(
            StartLink.digest == _digest(token),
            StartLink.account_id == account_id,
            StartLink.used_at.is_(None),
            StartLink.expires_at > now,
        )
        .with_for_update()
    ).one_or_none()
    if link is None or handle.company_id is not None or handle.contact_id not in {None, link.contact_id}:
        return handle
    if not contacts.contacts(session, actor, contact_ids=[link.contact_id]):
        return handle
    link.used_at, link.handle_id = now, handle.id
    if handle.contact_id is None:
        handle = contact_services.link_handle(session, actor, handle_id=handle.id, contact_id=link.contact_id, now=now)
    handle.verified_at = now
    session.flush()
    return handle


def _digest(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()
