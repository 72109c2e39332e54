"""Owns what was agreed to leave for people: their next messages, without drafts nobody agreed to yet."""

from collections.abc import Collection
from datetime import UTC, datetime
from typing import Final
from uuid import UUID

from sqlalchemy.orm import Session

from crm.accounts.rules import Actor
from crm.outreach import queries as outreach
from crm.outreach.kinds import MessageState
from crm.outreach.queries import MessageLine

AGREED: Final = frozenset(
    {
        MessageState.APPROVED,
        MessageState.SCHEDULED,
        MessageState.CLAIMED,
        MessageState.SENDING,
        MessageState.HELD,
    }
)


def planned(session: Session, actor: Actor, *, contact_ids: Collection[UUID]) -> dict[UUID, list[MessageLine]]:
    """What is to leave for each of the visible contacts, the soonest first; people without anything are left out."""
    if not contact_ids:
        return {}
    found = outreach.planned_for(session, actor, contact_ids=contact_ids)
    agreed = {owner: [line for line in lines if line.state in AGREED] for owner, lines in found.items()}
    return {owner: sorted(lines, key=_moment) for owner, lines in agreed.items() if lines}


def _moment(line: MessageLine) -> datetime:
    return line.leaves_at or datetime.max.replace(tzinfo=UTC)
