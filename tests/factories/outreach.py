"""Builders of sender accounts and messages."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from factories.contacts import consent, contact
from sqlalchemy import select
from sqlalchemy.orm import Session

from crm.accounts.rules import Actor
from crm.channels.base import ChannelKind
from crm.channels.imap_names import Folder
from crm.consent.kinds import Purpose
from crm.db import new_id
from crm.outreach import services
from crm.outreach.mailbox_models import MailboxExclusion, MailboxFolder
from crm.outreach.models import Message, SenderAccount
from crm.outreach.services import mailboxes
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


def mailbox(session: Session, actor: Actor, account_id: UUID, *, now: datetime = NOW) -> MailboxExclusion:
    """A mailbox that was read and stopped, with one address that stays out."""
    folders = [Folder("INBOX", "INBOX", False, "/"), Folder("Posta inviata", "Sent", True, "/")]
    box = mailboxes.keep_folders(session, actor, account_id=account_id, folders=folders, now=now)
    rows = session.scalars(select(MailboxFolder).where(MailboxFolder.mailbox_id == box.id)).all()
    for row in rows:
        row.back_total, row.back_done, row.kept, row.strangers, row.left_out = 1_000, 400, 120, 200, 80
    data = mailboxes.MailboxInput(folder_ids=[row.id for row in rows])
    mailboxes.switch_on(session, actor, account_id=account_id, data=data, now=now)
    made = mailboxes.exclude(session, actor, account_id=account_id, pattern="@private.example", now=now)
    mailboxes.stop(session, actor, account_id=account_id)
    return made


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
