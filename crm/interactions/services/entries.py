"""Owns the shape of what is logged: one thing that happened, before it is on the timeline."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from crm.interactions.kinds import Direction, Sentiment, Visibility


# One is made for each message that leaves; a frozen one takes three times as long to make.
@dataclass(slots=True, kw_only=True)
class Entry:
    """One thing that happened; see `crm.interactions.services.timeline.log` for the meaning of each part."""

    kind: str
    happened_at: datetime
    contact_id: UUID | None = None
    company_id: UUID | None = None
    handle_id: UUID | None = None
    direction: Direction | None = None
    channel: str | None = None
    subject: str = ""
    body: str = ""
    external_id: str | None = None
    source_kind: str | None = None
    source_id: UUID | None = None
    is_automatic: bool = False
    author_id: UUID | None = None
    points: int | None = None
    amount_minor: int | None = None
    duration_minutes: int | None = None
    sentiment: Sentiment | None = None
    visibility: Visibility = Visibility.TEAM
    post_url: str = ""
    label_ids: tuple[UUID, ...] = ()
