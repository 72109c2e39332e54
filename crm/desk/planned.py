"""Owns what is planned to leave for people: their next message, wherever it was written."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from crm.accounts.rules import Actor
from crm.contacts import queries as contacts
from crm.contacts.models import Contact
from crm.outreach.kinds import MessageDirection, MessageState
from crm.outreach.models import Message, MessageText

#: States in which a message is still to leave, once somebody agreed to it.
PLANNED: Final = (
    MessageState.APPROVED,
    MessageState.SCHEDULED,
    MessageState.CLAIMED,
    MessageState.SENDING,
    MessageState.HELD,
)
MOST: Final = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedMessage:
    """A message that is to leave; `at` is the agreed time, `held_until` when it is tried again."""

    id: UUID
    contact_id: UUID
    channel: str
    state: str
    reason: str
    at: datetime | None
    held_until: datetime | None
    subject: str
    author_id: UUID | None

    @property
    def is_held(self) -> bool:
        """True when it waits for more than its time."""
        return self.state == MessageState.HELD


def planned(session: Session, actor: Actor, *, contact_ids: Collection[UUID]) -> dict[UUID, list[PlannedMessage]]:
    """What is to leave for each of the visible contacts, the soonest first; people without anything are left out."""
    wanted = (
        select(Contact.id, Message, MessageText.subject)
        .join(Contact, Contact.id == Message.contact_id)
        .outerjoin(MessageText, MessageText.message_id == Message.id)
        .where(
            Message.contact_id.in_(list(contact_ids)),
            Message.direction == MessageDirection.OUTBOUND,
            Message.state.in_([state.value for state in PLANNED]),
            contacts.alive(actor),
        )
        .order_by(Message.planned_at.asc().nulls_last(), Message.id)
        .limit(MOST * max(len(contact_ids), 1))
    )
    found: dict[UUID, list[PlannedMessage]] = {}
    for contact_id, row, subject in session.execute(wanted):
        line = PlannedMessage(
            id=row.id,
            contact_id=contact_id,
            channel=row.channel,
            state=row.state,
            reason=row.reason,
            at=row.planned_at,
            held_until=row.held_until,
            subject=subject or "",
            author_id=row.created_by_id,
        )
        found.setdefault(contact_id, []).append(line)
    return found
