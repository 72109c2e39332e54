"""Owns saying which campaign a deal came from."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import delete, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from crm.accounts.kinds import Permission
from crm.accounts.rules import Actor
from crm.campaigns import queries
from crm.campaigns.models import CampaignDeal
from crm.db import new_id
from crm.deals import queries as deals
from crm.deals.models import Deal


def name_origin(session: Session, actor: Actor, *, deal_id: UUID, campaign_id: UUID | None, now: datetime) -> None:
    """Say that a deal came from this campaign, or from none; the campaign's report counts it once it is won.

    Raises `DealNotFoundError`, `CampaignNotFoundError`, `ForbiddenError`.
    """
    actor.require(Permission.EDIT)
    deal = deals.deal(session, actor, deal_id=deal_id, lock=True)
    if campaign_id is None:
        session.execute(delete(CampaignDeal).where(CampaignDeal.deal_id == deal.id))
        return
    queries.campaign(session, actor, campaign_id=campaign_id)
    made = insert(CampaignDeal).values(
        id=new_id(),
        workspace_id=actor.workspace_id,
        campaign_id=campaign_id,
        deal_id=deal.id,
        is_confirmed=True,
        at=now,
        user_id=actor.user_id,
    )
    said = {"campaign_id": campaign_id, "is_confirmed": True, "at": now, "user_id": actor.user_id}
    session.execute(made.on_conflict_do_update(index_elements=["workspace_id", "deal_id"], set_=said))


def guess_origin(session: Session, *, deal_id: UUID, contact_id: UUID | None, now: datetime) -> None:
    """Note the campaign that a deal may have come from; nothing where somebody said one, or where none wrote."""
    made_at = session.scalar(select(Deal.created_at).where(Deal.id == deal_id))
    if contact_id is None or made_at is None:
        return
    found = queries.last_before(session, contact_id=contact_id, moment=made_at)
    if found is None:
        return
    session.execute(
        insert(CampaignDeal)
        .values(
            id=new_id(),
            workspace_id=session.info["workspace_id"],
            campaign_id=found.campaign_id,
            deal_id=deal_id,
            is_confirmed=False,
            at=now,
        )
        .on_conflict_do_nothing(index_elements=["workspace_id", "deal_id"])
    )
