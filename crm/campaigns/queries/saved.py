"""Owns reading campaigns themselves: one, the list, their texts, and what each is doing."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import ColumnElement, case, func, select, tuple_
from sqlalchemy.orm import Session

from crm.accounts.rules import Actor
from crm.campaigns.kinds import CampaignStage, CampaignState, Outcome, RecipientState
from crm.campaigns.models import Campaign, CampaignText, Recipient
from crm.campaigns.rules import OUTCOMES, campaign_state
from crm.channels.sentences import N_
from crm.contacts.queries import Scope, scope
from crm.errors import NotFoundError
from crm.outreach.kinds import BatchState
from crm.outreach.models import Batch, Message
from crm.outreach.queries.gate import among
from crm.web.paging import Page, decode_cursor, page_of


class CampaignNotFoundError(NotFoundError):
    """No such campaign in this workspace."""

    code = "campaign_not_found"


@dataclass(frozen=True, slots=True, kw_only=True)
class CampaignLine:
    """A campaign as the list shows it; the counts are over all its recipients."""

    campaign: Campaign
    state: CampaignState
    outcomes: Mapping[Outcome, int]

    @property
    def planned(self) -> int:
        """How many people it was prepared for."""
        return sum(self.outcomes.values())

    @property
    def settled(self) -> int:
        """How many of them are where they will stay."""
        return self.planned - sum(
            self.outcomes.get(kind, 0) for kind in (Outcome.WAITING, Outcome.HELD, Outcome.UNCERTAIN)
        )


def outcome_of() -> ColumnElement[str]:
    """`rules.outcome` as an expression over `Recipient` and its (outer joined) `Message`."""
    return case(
        (Recipient.state == RecipientState.HOLDOUT, Outcome.HOLDOUT.value),
        (Recipient.state == RecipientState.SKIPPED, Outcome.SKIPPED.value),
        *((Message.state == state.value, found.value) for state, found in OUTCOMES.items()),
        else_=Outcome.CANCELLED.value,
    )


def campaign(session: Session, actor: Actor, *, campaign_id: UUID, lock: bool = False) -> Campaign:
    """The campaign; raises `CampaignNotFoundError`. `lock` keeps others from changing it."""
    wanted = select(Campaign).where(
        Campaign.workspace_id == actor.workspace_id, Campaign.id == campaign_id, Campaign.deleted_at.is_(None)
    )
    if lock:
        wanted = wanted.with_for_update().execution_options(populate_existing=True)
    found = session.scalars(wanted).one_or_none() if scope(actor) is not Scope.NOTHING else None
    if found is None:
        raise CampaignNotFoundError(N_("There is no such campaign."))
    return found


def campaigns(
    session: Session, actor: Actor, *, after: str | None = None, limit: int = 50, now: datetime
) -> Page[CampaignLine]:
    """A page of campaigns, the newest first."""
    if scope(actor) is Scope.NOTHING:
        return Page([])
    wanted = select(Campaign).where(Campaign.workspace_id == actor.workspace_id, Campaign.deleted_at.is_(None))
    if after:
        wanted = wanted.where(tuple_(Campaign.created_at, Campaign.id) < tuple(decode_cursor(after, datetime, UUID)))
    rows = session.scalars(wanted.order_by(Campaign.created_at.desc(), Campaign.id.desc()).limit(limit + 1)).all()
    page = page_of(rows, limit=limit, key=lambda row: (row.created_at, row.id))
    return Page(lines(session, page.items, now=now), page.next)


def line(session: Session, actor: Actor, *, campaign_id: UUID, now: datetime) -> CampaignLine:
    """One campaign with its state and counts; raises `CampaignNotFoundError`."""
    return lines(session, [campaign(session, actor, campaign_id=campaign_id)], now=now)[0]


def lines(session: Session, rows: Collection[Campaign], *, now: datetime) -> list[CampaignLine]:
    """Campaigns with their states, counted over everybody in them, whoever asks."""
    counted: dict[UUID, dict[Outcome, int]] = {row.id: {} for row in rows}
    kind = outcome_of()
    counts = (
        select(Recipient.campaign_id, kind, func.count())
        .outerjoin(Message, Message.id == Recipient.message_id)
        .where(among(Recipient.campaign_id, counted))
        .group_by(Recipient.campaign_id, kind)
    )
    for campaign_id, name, count in session.execute(counts):
        counted[campaign_id][Outcome(name)] = count
    batch_ids = {row.batch_id for row in rows if row.batch_id}
    found = session.execute(select(Batch.id, Batch.state).where(among(Batch.id, batch_ids)))
    batches = {row.id: row.state for row in found}
    return [
        CampaignLine(
            campaign=row,
            state=campaign_state(
                CampaignStage(row.stage),
                batch=BatchState(batches[row.batch_id]) if row.batch_id and row.batch_id in batches else None,
                outcomes=counted[row.id],
                starts_at=row.starts_at,
                now=now,
            ),
            outcomes=counted[row.id],
        )
        for row in rows
    ]


def texts(session: Session, campaign: Campaign) -> dict[str, CampaignText]:
    """The campaign's texts on its channel, by language; '' is the one used when no other fits."""
    rows = session.scalars(
        select(CampaignText).where(CampaignText.campaign_id == campaign.id, CampaignText.channel == campaign.channel)
    )
    return {row.language: row for row in rows}
