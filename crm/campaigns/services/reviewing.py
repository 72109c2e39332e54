"""Owns the review: one person's text changed, approved, skipped or rejected, all unchanged ones approved at once."""

from collections.abc import Collection
from datetime import datetime
from uuid import UUID

from sqlalchemy.orm import Session

from crm.accounts.rules import Actor
from crm.campaigns import queries
from crm.campaigns.kinds import CampaignStage
from crm.campaigns.models import Campaign
from crm.campaigns.services.setup import load
from crm.outreach import services as outreach
from crm.outreach.models import Message
from crm.outreach.services import Changed

#: Drafts can be looked at until the last one has left: some may be approved after the others were scheduled.
OPEN_STAGES = (CampaignStage.REVIEW, CampaignStage.SCHEDULED)


def edit(
    session: Session,
    actor: Actor,
    *,
    campaign_id: UUID,
    recipient_id: UUID,
    subject: str,
    body: str,
    expected_version: int | None = None,
    now: datetime,
) -> Message:
    """Change one person's text; it must be approved (again). Raises `InvalidInputError` by field, `ConflictError`."""
    campaign = load(session, actor, campaign_id, *OPEN_STAGES)
    ids = queries.message_ids(session, actor, campaign=campaign, recipient_ids=[recipient_id])
    return outreach.edit_draft(
        session,
        actor,
        message_id=ids[recipient_id],
        subject=subject,
        body=body,
        expected_version=expected_version,
        now=now,
    )


def approve(
    session: Session, actor: Actor, *, campaign_id: UUID, recipient_ids: Collection[UUID] | None = None, now: datetime
) -> Changed:
    """Approve these people's drafts; None approves all that nobody changed.

    Answers by message id; refusals are codes of `outreach.services.approve`, among them `own` where the workspace asks
    for a second person.
    """
    campaign = load(session, actor, campaign_id, *OPEN_STAGES)
    if recipient_ids is None:
        ids = queries.unchanged(session, actor, campaign=campaign)
    else:
        ids = _messages(session, actor, campaign, recipient_ids)
    return outreach.approve(session, actor, message_ids=ids, now=now)


def skip(
    session: Session,
    actor: Actor,
    *,
    campaign_id: UUID,
    recipient_ids: Collection[UUID],
    reason: str = "",
    now: datetime,
) -> Changed:
    """These people get nothing this time; `reason` is the reviewer's own words, at most 200 characters."""
    campaign = load(session, actor, campaign_id, *OPEN_STAGES)
    ids = _messages(session, actor, campaign, recipient_ids)
    return outreach.skip(session, actor, message_ids=ids, reason=_reason(reason), now=now)


def reject(
    session: Session,
    actor: Actor,
    *,
    campaign_id: UUID,
    recipient_ids: Collection[UUID],
    reason: str = "",
    now: datetime,
) -> Changed:
    """The reviewer says no to these drafts."""
    campaign = load(session, actor, campaign_id, *OPEN_STAGES)
    ids = _messages(session, actor, campaign, recipient_ids)
    return outreach.reject(session, actor, message_ids=ids, reason=_reason(reason), now=now)


def _messages(session: Session, actor: Actor, campaign: Campaign, recipient_ids: Collection[UUID]) -> list[UUID]:
    ids = queries.message_ids(session, actor, campaign=campaign, recipient_ids=list(recipient_ids))
    return [ids[recipient_id] for recipient_id in recipient_ids]


def _reason(words: str) -> str:
    return " ".join(words.split())[:200] or "by_hand"
