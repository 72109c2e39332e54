"""Builders of sender accounts and messages."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from factories.contacts import consent, contact
from sqlalchemy.orm import Session

from crm.accounts.rules import Actor
from crm.channels.base import ChannelKind
from crm.consent.kinds import Purpose
from crm.db import new_id
from crm.outreach import services
from crm.outreach.models import Message, SenderAccount
from crm.outreach.setup import keyring

NOW = datetime(2026, 11, 23, 10, 0, tzinfo=UTC)
#: Sending hours of a workspace that is never closed, at no minute and on no holiday, whenever a test runs.
ALWAYS_OPEN = {"window_start": "00:00", "window_end": "23:59:59.999999", "window_days": "1,2,3,4,5,6,7", "country": ""}


def account(
    session: Session, actor: Actor, name: str = "Sales", *, now: datetime = NOW, **fields: Any
) -> SenderAccount:
    """An e-mail account; `fields` as `AccountInput`."""
    data = services.AccountInput(
        **{
            "name": name,
            "address": "sales@lanterna.example.com",
            "display_name": "Giulia Ferri",
            "host": "127.0.0.1",
            "port": 2525,
            "security": "none",
            **fields,
        }
    )
    return services.create_account(session, actor, data=data, now=now)


def person(
    session: Session, actor: Actor, name: str = "Ann Bo", *, email: str = "ann@example.com", now: datetime = NOW
) -> UUID:
    """A reachable person who agreed to promotions by e-mail."""
    made = contact(session, actor, name, email=email, now=now)
    consent(session, actor, made.id, happened_at=now, now=now)
    return made.id


def message(
    session: Session,
    actor: Actor,
    contact_id: UUID,
    *,
    subject: str = "News",
    body: str = "Good morning.",
    purpose: Purpose = Purpose.PERSONAL,
    channel: ChannelKind = ChannelKind.EMAIL,
    send_at: datetime | None = None,
    now: datetime = NOW,
    **fields: Any,
) -> Message:
    """A message that is scheduled a little ahead of `now`, or at `send_at`."""
    return services.write(
        session,
        actor,
        contact_id=contact_id,
        channel=channel,
        subject=subject,
        body=body,
        purpose=purpose,
        send_at=send_at or now + timedelta(seconds=1),
        now=now,
        **fields,
    )


def api_account(
    session: Session,
    actor: Actor,
    channel: ChannelKind,
    *,
    address: str,
    config: dict[str, Any],
    secret: dict[str, str],
    now: datetime = NOW,
) -> SenderAccount:
    """An account of a network with an API."""
    made = SenderAccount(
        id=new_id(),
        channel=channel.value,
        name=channel.value.title(),
        address=address,
        config=config,
        created_at=now,
    )
    session.add(made)
    session.flush()
    made.secret = keyring().seal(secret, workspace_id=actor.workspace_id, row_id=made.id)
    session.flush()
    return made
