"""Owns the decisions about the timeline as pure functions: what counts as an exchange, and of which direction."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from crm.interactions.kinds import Direction, InteractionKind

#: Kinds in which two people really had to do with each other; notes, likes, points and edits are none, and neither is
#: what somebody said to a whole group.
EXCHANGES: Final = frozenset(
    {
        InteractionKind.MESSAGE_SENT,
        InteractionKind.MESSAGE_RECEIVED,
        InteractionKind.CALL,
        InteractionKind.MEETING,
        InteractionKind.COMMENT,
        InteractionKind.MENTION,
        InteractionKind.REVIEW,
        InteractionKind.PURCHASE,
        InteractionKind.VISIT,
        InteractionKind.OFFER_REDEEMED,
    }
)

#: The direction of a kind where nobody says one.
_DIRECTIONS: Final = {
    InteractionKind.MESSAGE_SENT: Direction.OUTBOUND,
    InteractionKind.MESSAGE_RECEIVED: Direction.INBOUND,
    InteractionKind.CALL: Direction.OUTBOUND,
    InteractionKind.MEETING: Direction.NONE,
    InteractionKind.COMMENT: Direction.INBOUND,
    InteractionKind.MENTION: Direction.INBOUND,
    InteractionKind.LIKE: Direction.INBOUND,
    InteractionKind.SHARE: Direction.INBOUND,
    InteractionKind.FOLLOW: Direction.INBOUND,
    InteractionKind.REVIEW: Direction.INBOUND,
    InteractionKind.PURCHASE: Direction.INBOUND,
    InteractionKind.VISIT: Direction.INBOUND,
    InteractionKind.OFFER_REDEEMED: Direction.INBOUND,
}


def direction_of(kind: str) -> Direction:
    """Who began, for kinds where only one answer makes sense; none for a workspace's own kinds."""
    known = {item.value: item for item in InteractionKind}.get(kind)
    return _DIRECTIONS.get(known, Direction.NONE) if known else Direction.NONE


def is_exchange(kind: str, *, is_automatic: bool) -> bool:
    """Whether an interaction shows that two people were in touch (machines' messages never do)."""
    return not is_automatic and kind in EXCHANGES


@dataclass(slots=True, kw_only=True)
class LastSeen:
    """The newest exchanges of one contact within a set of interactions; each None when there is none."""

    contact_id: UUID
    outbound: datetime | None = None
    inbound: datetime | None = None
    any: datetime | None = None

    def take(self, *, direction: str, happened_at: datetime) -> None:
        """Count one exchange in. A meeting has no direction and is contact both ways."""
        self.any = _later(self.any, happened_at)
        if direction in {Direction.OUTBOUND, Direction.NONE}:
            self.outbound = _later(self.outbound, happened_at)
        if direction in {Direction.INBOUND, Direction.NONE}:
            self.inbound = _later(self.inbound, happened_at)


def _later(known: datetime | None, new: datetime) -> datetime:
    return new if known is None else max(known, new)


def last_seen(rows: Iterable[tuple[UUID | None, str, str, bool, datetime]]) -> list[LastSeen]:
    """The newest exchanges per contact of (contact id, kind, direction, is automatic, happened at), by contact id."""
    found: dict[UUID, LastSeen] = {}
    for contact_id, kind, direction, is_automatic, happened_at in rows:
        if contact_id is not None and is_exchange(kind, is_automatic=is_automatic):
            seen = found.setdefault(contact_id, LastSeen(contact_id=contact_id))
            seen.take(direction=direction, happened_at=happened_at)
    return sorted(found.values(), key=lambda seen: seen.contact_id)
