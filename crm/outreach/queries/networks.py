"""Reads what a network demands of whoever writes by machine: that the person began the chat, or wrote lately."""

from collections.abc import Collection, Mapping
from datetime import UTC, datetime, timedelta
from typing import Final
from uuid import UUID

from sqlalchemy import func, literal_column, or_, select
from sqlalchemy.orm import Session

from crm.channels.base import ChannelKind
from crm.channels.whatsapp import WINDOW
from crm.contacts.models import Handle
from crm.outreach.models import Conversation, FrozenContent, Message, SenderAccount
from crm.outreach.queries.recipients import among

#: Where a machine may write only to people who began the chat, whom it knows by the network's id.
MUST_START: Final = frozenset({ChannelKind.TELEGRAM})
#: Where free text may follow only so long after the person's last message.
WINDOWS: Final[Mapping[str, timedelta]] = {ChannelKind.WHATSAPP: WINDOW}
_LONG_AGO: Final = datetime(2000, 1, 1, tzinfo=UTC)


def is_started(channel: ChannelKind, platform_id: str | None) -> bool:
    """Whether the network lets us write to an address with this id of its own."""
    return channel not in MUST_START or bool(platform_id)


def text_until(channel: ChannelKind, last_inbound_at: datetime | None) -> datetime | None:
    """Until when free text may be sent; None where there is no such end, long ago where the person never wrote."""
    window = WINDOWS.get(channel)
    if window is None:
        return None
    return _LONG_AGO if last_inbound_at is None else last_inbound_at + window


#: Of messages: when their person last wrote to the same account, and the template that was approved with them.
TALKS: Final = select(
    Message.id,
    select(func.max(Conversation.last_inbound_at))
    .where(
        Conversation.workspace_id == Message.workspace_id,
        Conversation.account_id == Message.account_id,
        or_(Conversation.contact_id == Message.contact_id, Conversation.handle_id == Message.handle_id),
    )
    .correlate(Message)
    .scalar_subquery()
    .label("last_inbound_at"),
    func.coalesce(
        func.jsonb_exists(FrozenContent.headers, literal_column("'template'")), literal_column("false")
    ).label("has_template"),
).outerjoin(FrozenContent, (FrozenContent.message_id == Message.id) & (FrozenContent.hash == Message.approved_hash))


def last_written(
    session: Session, *, contact_ids: Collection[UUID], channel: ChannelKind, account_id: UUID | None
) -> dict[UUID, datetime]:
    """When each of these people last wrote on `channel`, to one account or to any; who never did is left out."""
    wanted = (
        select(Conversation.contact_id, func.max(Conversation.last_inbound_at))
        .where(
            among(Conversation.contact_id, contact_ids),
            Conversation.channel == channel,
            Conversation.last_inbound_at.is_not(None),
        )
        .group_by(Conversation.contact_id)
    )
    if account_id is not None:
        wanted = wanted.where(Conversation.account_id == account_id)
    return {contact_id: at for contact_id, at in session.execute(wanted) if contact_id is not None and at is not None}


def needs_template(session: Session, *, conversation_id: UUID, now: datetime) -> bool:
    """Whether the network takes only an approved template in this conversation just now."""
    found = session.execute(
        select(Conversation.channel, Conversation.account_id, Conversation.last_inbound_at).where(
            Conversation.id == conversation_id
        )
    ).one_or_none()
    if found is None or found.account_id is None:
        return False
    until = text_until(ChannelKind(found.channel), found.last_inbound_at)
    return until is not None and now >= until


def bot_to_start(session: Session, *, contact_id: UUID) -> SenderAccount | None:
    """The bot that a person would have to start before we may write to them there; None when they did, or without one.

    Whoever blocked the bot has started it once, and knows how to come back.
    """
    started = select(Handle.id).where(
        Handle.contact_id == contact_id,
        Handle.channel == ChannelKind.TELEGRAM,
        Handle.platform_id.is_not(None),
        Handle.deleted_at.is_(None),
    )
    return session.scalars(
        select(SenderAccount)
        .where(
            SenderAccount.channel == ChannelKind.TELEGRAM,
            SenderAccount.deleted_at.is_(None),
            SenderAccount.address != "",
            ~started.exists(),
        )
        .order_by(SenderAccount.created_at, SenderAccount.id)
        .limit(1)
    ).one_or_none()
