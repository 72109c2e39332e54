"""Owns where deals came from: the campaign that somebody named, the one that may be it, and what a campaign has won."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from crm.accounts.rules import Actor
from crm.campaigns.models import Campaign, CampaignDeal, Recipient
from crm.contacts.queries import Scope, scope
from crm.deals import queries as deals
from crm.deals.kinds import StageKind
from crm.deals.models import Deal
from crm.outreach.kinds import MessageState
from crm.outreach.models import Message

#: A deal may come from a campaign whose message left at most so long before the deal was made.
ORIGIN_WITHIN: Final = timedelta(days=90)
OFFERED: Final = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """A campaign that a deal came from (`is_confirmed`) or may have come from; `sent_at` is when it wrote, if known."""

    campaign_id: UUID
    name: str
    is_confirmed: bool
    sent_at: datetime | None


@dataclass(frozen=True, slots=True)
class WonDeals:
    """Won deals of one currency that came from a campaign, and how many more may have; amounts in minor units."""

    currency: str
    count: int
    amount_minor: int
    unsure: int


def origin_of(session: Session, actor: Actor, *, deal_id: UUID, contact_id: UUID | None) -> Origin | None:
    """Where a deal came from: what somebody said, else the last campaign that wrote to its person before it was made.

    Raises `DealNotFoundError`.
    """
    deal = deals.deal(session, actor, deal_id=deal_id)
    named = session.execute(
        select(Campaign.id, Campaign.name, CampaignDeal.is_confirmed)
        .join(CampaignDeal, CampaignDeal.campaign_id == Campaign.id)
        .where(CampaignDeal.deal_id == deal.id)
    ).one_or_none()
    if named is not None and named.is_confirmed:
        return Origin(campaign_id=named.id, name=named.name, is_confirmed=True, sent_at=None)
    if contact_id is None:
        return None
    return last_before(session, contact_id=contact_id, moment=deal.created_at)


def last_before(session: Session, *, contact_id: UUID, moment: datetime) -> Origin | None:
    """The campaign whose message to this person left last before `moment`, within `ORIGIN_WITHIN`."""
    wanted = (
        select(Campaign.id, Campaign.name, Message.sent_at)
        .join(Recipient, Recipient.campaign_id == Campaign.id)
        .join(Message, Message.id == Recipient.message_id)
        .where(
            Recipient.contact_id == contact_id,
            Message.state == MessageState.SENT,
            Message.sent_at <= moment,
            Message.sent_at > moment - ORIGIN_WITHIN,
            Campaign.deleted_at.is_(None),
        )
        .order_by(Message.sent_at.desc(), Campaign.id)
        .limit(1)
    )
    row = session.execute(wanted).one_or_none()
    if row is None:
        return None
    return Origin(campaign_id=row.id, name=row.name, is_confirmed=False, sent_at=row.sent_at)


def origins(session: Session, actor: Actor) -> Sequence[tuple[UUID, str]]:
    """The newest campaigns that a deal may be said to come from: id and name."""
    if scope(actor) is Scope.NOTHING:
        return []
    wanted = select(Campaign.id, Campaign.name).where(Campaign.deleted_at.is_(None))
    wanted = wanted.order_by(Campaign.created_at.desc(), Campaign.id).limit(OFFERED)
    return [(row.id, row.name) for row in session.execute(wanted)]


def won_deals(session: Session, actor: Actor, *, campaign_id: UUID) -> list[WonDeals]:
    """What the deals that came from a campaign have won, over those that the actor may see, per currency."""
    confirmed = CampaignDeal.is_confirmed
    wanted = (
        select(
            Deal.currency,
            func.count().filter(confirmed).label("sure"),
            func.coalesce(func.sum(Deal.amount_minor).filter(confirmed), 0).label("amount"),
            func.count().filter(~confirmed).label("unsure"),
        )
        .join(CampaignDeal, CampaignDeal.deal_id == Deal.id)
        .where(CampaignDeal.campaign_id == campaign_id, Deal.state == StageKind.WON, deals.alive(actor))
        .group_by(Deal.currency)
        .order_by(Deal.currency)
    )
    return [WonDeals(row.currency, row.sure, int(row.amount), row.unsure) for row in session.execute(wanted)]
