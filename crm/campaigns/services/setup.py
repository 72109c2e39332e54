"""Owns setting a campaign up: name, people, offer, words; all of it only before it is prepared."""

import secrets
from collections.abc import Collection
from datetime import datetime
from uuid import UUID

from sqlalchemy import delete
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from crm.accounts.kinds import Permission
from crm.accounts.rules import Actor
from crm.accounts.services import audit
from crm.campaigns import queries
from crm.campaigns.inputs import PeopleInput, WordsInput
from crm.campaigns.kinds import CampaignStage
from crm.campaigns.models import Campaign, CampaignPick, CampaignText
from crm.campaigns.variables import check_text
from crm.channels.sentences import N_
from crm.contacts import queries as contacts
from crm.db import new_id
from crm.errors import ConflictError, InvalidInputError, NotFoundError
from crm.loyalty import queries as loyalty
from crm.loyalty.rules.offers import Refusal
from crm.outreach import queries as outreach
from crm.segments import queries as segments


class WrongStageError(ConflictError):
    """The campaign is too far, or not far enough, for this."""

    code = "wrong_stage"


def load(session: Session, actor: Actor, campaign_id: UUID, *stages: CampaignStage) -> Campaign:
    """The campaign, locked, in one of these stages; raises `WrongStageError`, `CampaignNotFoundError`."""
    found = queries.campaign(session, actor, campaign_id=campaign_id, lock=True)
    if found.stage not in stages:
        if CampaignStage.DRAFT in stages:
            raise WrongStageError(N_("The drafts are written already. Discard them first to change this."))
        raise WrongStageError(N_("The campaign is not at this point."))
    return found


def create(
    session: Session,
    actor: Actor,
    *,
    name: str,
    segment_id: UUID | None = None,
    contact_ids: Collection[UUID] = (),
    offer_id: UUID | None = None,
    now: datetime,
) -> Campaign:
    """A new campaign, for a segment or hand-picked people or nobody yet; raises not-found errors, `ForbiddenError`."""
    actor.require(Permission.WRITE)
    campaign = Campaign(
        id=new_id(),
        name=_name(name),
        seed=secrets.randbelow(2**31),
        created_by_id=actor.user_id,
        created_at=now,
        updated_at=now,
    )
    session.add(campaign)
    session.flush()
    if segment_id is not None:
        segments.segment(session, actor, segment_id=segment_id)
        campaign.segment_id = segment_id
    if contact_ids:
        pick(session, actor, campaign_id=campaign.id, contact_ids=contact_ids, now=now)
    if offer_id is not None:
        choose_offer(session, actor, campaign_id=campaign.id, offer_id=offer_id, now=now)
    session.flush()
    return campaign


def _name(name: str) -> str:
    plain = " ".join(name.split())
    if not plain or len(plain) > 120:  # noqa: PLR2004 - said in the sentence.
        sentence = N_("Write a name of at most 120 characters.")
        raise InvalidInputError(sentence, fields={"name": sentence})
    return plain


def rename(session: Session, actor: Actor, *, campaign_id: UUID, name: str, now: datetime) -> Campaign:
    """Call it otherwise; possible at any time, because nobody outside sees the name."""
    actor.require(Permission.WRITE)
    campaign = queries.campaign(session, actor, campaign_id=campaign_id, lock=True)
    campaign.name, campaign.updated_at = _name(name), now
    session.flush()
    return campaign


def choose_people(session: Session, actor: Actor, *, campaign_id: UUID, data: PeopleInput, now: datetime) -> Campaign:
    """Take a segment (or none), what happens to those who leave it, and how many are held out to compare."""
    actor.require(Permission.WRITE)
    campaign = load(session, actor, campaign_id, CampaignStage.DRAFT)
    if data.segment_id is not None:
        segments.segment(session, actor, segment_id=data.segment_id)
    campaign.segment_id, campaign.leavers = data.segment_id, data.leavers.value
    campaign.holdout_percent, campaign.updated_at = data.holdout_percent, now
    session.flush()
    return campaign


def pick(session: Session, actor: Actor, *, campaign_id: UUID, contact_ids: Collection[UUID], now: datetime) -> int:
    """Add people by hand; returns how many exist for the actor. Raises `ContactNotFoundError` when none does."""
    return _pick(session, actor, campaign_id=campaign_id, contact_ids=contact_ids, is_added=True, now=now)


def take_out(session: Session, actor: Actor, *, campaign_id: UUID, contact_ids: Collection[UUID], now: datetime) -> int:
    """Leave people out by hand, wherever they come from."""
    return _pick(session, actor, campaign_id=campaign_id, contact_ids=contact_ids, is_added=False, now=now)


def _pick(
    session: Session, actor: Actor, *, campaign_id: UUID, contact_ids: Collection[UUID], is_added: bool, now: datetime
) -> int:
    actor.require(Permission.WRITE)
    campaign = load(session, actor, campaign_id, CampaignStage.DRAFT)
    found = contacts.contacts(session, actor, contact_ids=contact_ids)
    if not found:
        raise contacts.ContactNotFoundError(N_("There is no such person, or you may not see them."))
    rows = [
        {
            "id": new_id(),
            "workspace_id": actor.workspace_id,
            "campaign_id": campaign.id,
            "contact_id": contact_id,
            "is_added": is_added,
        }
        for contact_id in found
    ]
    statement = insert(CampaignPick)
    session.execute(
        statement.on_conflict_do_update(
            index_elements=["workspace_id", "campaign_id", "contact_id"], set_={"is_added": is_added}
        ),
        rows,
    )
    campaign.updated_at = now
    session.flush()
    return len(found)


def forget_pick(session: Session, actor: Actor, *, campaign_id: UUID, contact_id: UUID, now: datetime) -> None:
    """Undo a hand pick or a taking out: the segment alone decides about this person again."""
    actor.require(Permission.WRITE)
    campaign = load(session, actor, campaign_id, CampaignStage.DRAFT)
    session.execute(
        delete(CampaignPick)
        .where(CampaignPick.campaign_id == campaign.id, CampaignPick.contact_id == contact_id)
        .execution_options(synchronize_session=False)
    )
    campaign.updated_at = now
    session.flush()


def choose_offer(
    session: Session, actor: Actor, *, campaign_id: UUID, offer_id: UUID | None, now: datetime
) -> Campaign:
    """Take an offer, or none; raises `InvalidInputError` beside `offer_id` when it gives nothing any more."""
    actor.require(Permission.WRITE)
    campaign = load(session, actor, campaign_id, CampaignStage.DRAFT)
    if offer_id is not None:
        require_offer(session, actor, offer_id, now=now)
    campaign.offer_id, campaign.updated_at = offer_id, now
    session.flush()
    return campaign


def require_offer(session: Session, actor: Actor, offer_id: UUID, *, now: datetime) -> loyalty.OfferView:
    """The offer, when it can still be given; raises `InvalidInputError` beside `offer_id`."""
    try:
        offer = loyalty.offer(session, actor, offer_id=offer_id, now=now)
    except NotFoundError as error:
        raise InvalidInputError(error.message, code=error.code, fields={"offer_id": error.message}) from error
    if offer.why_not not in {None, Refusal.NOT_STARTED}:
        sentence = N_("This offer is over or was withdrawn. Choose another one.")
        raise InvalidInputError(sentence, code="offer_over", fields={"offer_id": sentence})
    return offer


def write_words(session: Session, actor: Actor, *, campaign_id: UUID, data: WordsInput, now: datetime) -> Campaign:
    """Keep the texts, what they are (promotion or personal note), and the account they leave from.

    Raises `InvalidInputError` beside the field: `subject`, `body` (of another language: `subject_en`, `body_en`),
    `account_id`.
    """
    actor.require(Permission.WRITE)
    campaign = load(session, actor, campaign_id, CampaignStage.DRAFT)
    _require_account(session, actor, data)
    for text in data.texts:
        try:
            check_text(data.channel, subject=text.subject, body=text.body, has_offer=campaign.offer_id is not None)
        except InvalidInputError as error:
            ending = f"_{text.language}" if text.language else ""
            fields = {f"{name}{ending}": message for name, message in error.fields.items()}
            raise InvalidInputError(error.message, code=error.code, fields=fields) from error
    campaign.purpose, campaign.channel = data.purpose.value, data.channel.value
    campaign.account_id, campaign.from_owner, campaign.updated_at = data.account_id, data.from_owner, now
    known = queries.texts(session, campaign)
    for text in data.texts:
        row = known.pop(text.language, None)
        if row is None:
            row = CampaignText(campaign_id=campaign.id, channel=data.channel.value, language=text.language)
            session.add(row)
        row.subject, row.body = text.subject.strip(), text.body.strip()
    for row in known.values():
        session.delete(row)
    session.flush()
    return campaign


def _require_account(session: Session, actor: Actor, data: WordsInput) -> None:
    if data.account_id is None:
        return
    try:
        account = outreach.account(session, actor, account_id=data.account_id)
    except NotFoundError as error:
        raise InvalidInputError(error.message, code=error.code, fields={"account_id": error.message}) from error
    if account.channel != data.channel:
        sentence = N_("This account is of another channel.")
        raise InvalidInputError(sentence, code="other_channel", fields={"account_id": sentence})


def remove(session: Session, actor: Actor, *, campaign_id: UUID, now: datetime) -> Campaign:
    """Put a draft or an ended campaign away; raises `WrongStageError` while something of it may still leave."""
    actor.require(Permission.WRITE)
    campaign = load(session, actor, campaign_id, *CampaignStage)
    line = queries.lines(session, [campaign], now=now)[0]
    if campaign.stage != CampaignStage.DRAFT and line.settled < line.planned:
        raise WrongStageError(N_("Cancel the campaign first: some of it may still leave."))
    campaign.deleted_at = now
    audit.record(session, actor, action="campaign.removed", object_kind="campaign", object_id=campaign.id)
    session.flush()
    return campaign
