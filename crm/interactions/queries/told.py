"""Reads what the timeline knows of messages: how they were judged, their labels, their public place; and notes."""

from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from crm.accounts.models import User
from crm.accounts.rules import Actor
from crm.db import among
from crm.interactions.kinds import InteractionKind, Sentiment, Visibility
from crm.interactions.models import Interaction, InteractionBody
from crm.interactions.queries.timeline import readable
from crm.interactions.timeline_models import EntryLabel, LabelledEntry

#: What an entry written inside a conversation names as its source.
CONVERSATION: Final = "conversation"


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """The entry of one message: its sentiment, until when it was unanswered, its post, (label, tone) pairs."""

    interaction_id: UUID
    kind: str
    sentiment: Sentiment | None
    answered_at: datetime | None
    visibility: Visibility
    post_url: str
    labels: list[tuple[str, str]] = field(default_factory=list)


@dataclass(frozen=True, slots=True, kw_only=True)
class NoteLine:
    """A note that a colleague left inside a conversation."""

    id: UUID
    body: str
    author_name: str
    at: datetime


def told_of(session: Session, actor: Actor, *, source_ids: Collection[UUID]) -> dict[UUID, Told]:
    """The entries made of these messages; those without one are left out. Two statements."""
    if not source_ids:
        return {}
    rows = session.scalars(
        select(Interaction).where(
            among(Interaction.source_id, source_ids), Interaction.removed_at.is_(None), readable(actor)
        )
    )
    found = {
        row.source_id: Told(
            interaction_id=row.id,
            kind=row.kind,
            sentiment=Sentiment(row.sentiment) if row.sentiment else None,
            answered_at=row.answered_at,
            visibility=Visibility(row.visibility),
            post_url=row.post_url,
        )
        for row in rows
        if row.source_id is not None
    }
    by_entry = {told.interaction_id: told for told in found.values()}
    labels = session.execute(
        select(LabelledEntry.interaction_id, EntryLabel.name, EntryLabel.tone)
        .join(EntryLabel, EntryLabel.id == LabelledEntry.label_id)
        .where(among(LabelledEntry.interaction_id, list(by_entry)))
        .order_by(EntryLabel.name)
    )
    for interaction_id, name, tone in labels:
        by_entry[interaction_id].labels.append((name, tone))
    return found


def notes_in(
    session: Session,
    actor: Actor,
    *,
    conversation_id: UUID,
    since: datetime | None = None,
    before: datetime | None = None,
    limit: int = 200,
) -> list[NoteLine]:
    """Notes left inside a conversation, oldest first, from `since` on and before `before`; of more, the newest."""
    wanted = (
        select(Interaction.id, Interaction.happened_at, InteractionBody.body, User.name)
        .join(InteractionBody, InteractionBody.interaction_id == Interaction.id)
        .outerjoin(User, User.id == Interaction.author_id)
        .where(
            Interaction.source_id == conversation_id,
            Interaction.source_kind == CONVERSATION,
            Interaction.kind == InteractionKind.NOTE,
            Interaction.removed_at.is_(None),
            readable(actor),
        )
    )
    if since is not None:
        wanted = wanted.where(Interaction.happened_at >= since)
    if before is not None:
        wanted = wanted.where(Interaction.happened_at < before)
    rows = session.execute(wanted.order_by(Interaction.happened_at.desc(), Interaction.id.desc()).limit(limit)).all()
    return [NoteLine(id=key, body=body, author_name=name or "", at=at) for key, at, body, name in reversed(rows)]


@dataclass(frozen=True, slots=True)
class Purchases:
    """When a person first bought, and for how much since a day, in minor units; 0 where no amounts are known."""

    first_at: datetime | None
    total_minor: int


def purchases_of(session: Session, actor: Actor, *, contact_id: UUID, since: datetime) -> Purchases:
    """The purchases of one person who can be seen."""
    recent = func.coalesce(func.sum(Interaction.amount_minor).filter(Interaction.happened_at >= since), 0)
    first_at, total = session.execute(
        select(func.min(Interaction.happened_at), recent).where(
            Interaction.contact_id == contact_id, Interaction.kind == InteractionKind.PURCHASE, readable(actor)
        )
    ).one()
    return Purchases(first_at, total or 0)
