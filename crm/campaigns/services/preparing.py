"""Owns the preparation: the audience is frozen, codes are allocated, and everybody gets a draft with its why."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import delete, insert
from sqlalchemy.orm import Session

from crm.accounts.kinds import Permission
from crm.accounts.models import Workspace
from crm.accounts.rules import Actor
from crm.campaigns import queries
from crm.campaigns.kinds import CampaignStage, Outcome, RecipientState
from crm.campaigns.models import Campaign, CampaignText, Recipient
from crm.campaigns.queries import Candidate
from crm.campaigns.rules import MOST_PEOPLE, held_out
from crm.campaigns.services.setup import load, require_offer
from crm.campaigns.variables import check_text, offer_values
from crm.channels.base import ChannelKind
from crm.channels.sentences import N_
from crm.consent.kinds import Purpose
from crm.contacts import queries as contacts
from crm.db import new_id
from crm.errors import InvalidInputError
from crm.loyalty import services as loyalty
from crm.loyalty.models import Offer, Voucher
from crm.loyalty.queries import OfferView
from crm.outreach import services as outreach
from crm.outreach.content import Rendered
from crm.outreach.services import DraftInput
from crm.outreach.services.accounts import choose_account
from crm.outreach.services.compose import language_of

#: The person has had the offer as often as anybody may.
OFFER_LIMIT = "offer_limit"
#: Stands in the preview where everybody will read a code of their own; its check symbol is wrong on purpose.
SAMPLE_CODE = "XXXXXXXXXXXXXXXXX"


class AudienceTooLargeError(InvalidInputError):
    """More people than the actor may write to at once."""

    code = "audience_too_large"


@dataclass(frozen=True, slots=True)
class Prepared:
    """What a preparation made: how many recipients of each kind; `missing` of the drafts lack a value."""

    drafted: int
    missing: int
    skipped: int
    held_out: int


def prepare(session: Session, actor: Actor, *, campaign_id: UUID, now: datetime) -> Prepared:
    """Freeze the audience and write one draft a person, in review.

    The audience is the segment's people and the hand picks whom the actor may see. Those whom the gate will never let
    through are skipped with the reason; joiners are not added later. Raises `InvalidInputError` beside the field that
    keeps it from being prepared (`people`, `offer_id`, `account_id`, `subject`, `body`), `AudienceTooLargeError`,
    `WrongStageError`.
    """
    actor.require(Permission.WRITE)
    campaign = load(session, actor, campaign_id, CampaignStage.DRAFT)
    house = session.get_one(Workspace, actor.workspace_id)
    offer = require_offer(session, actor, campaign.offer_id, now=now) if campaign.offer_id else None
    texts = _texts(session, campaign)
    _require_account(session, actor, campaign)
    candidates = _candidates(session, actor, campaign, house, now=now)
    writable = [person for person in candidates if person.writable]
    kept = held_out([person.contact.id for person in writable], percent=campaign.holdout_percent, seed=campaign.seed)
    chosen = [person for person in writable if person.contact.id not in kept]
    vouchers = _vouchers(session, actor, campaign, chosen, now=now)
    if campaign.offer_id is not None:
        chosen = [person for person in chosen if person.contact.id in vouchers]
    batch = outreach.new_batch(session, actor, name=campaign.name, now=now)
    why = queries.reasons(session, actor, campaign=campaign, candidates=chosen, now=now)
    drafts = [
        _draft(
            person,
            texts=texts,
            house=house,
            offer=offer,
            voucher=vouchers.get(person.contact.id),
            why=why[person.contact.id],
        )
        for person in chosen
    ]
    made = outreach.draft_many(
        session,
        actor,
        batch_id=batch.id,
        drafts=drafts,
        purpose=Purpose(campaign.purpose),
        channel=ChannelKind(campaign.channel),
        account_id=campaign.account_id,
        from_owner=campaign.from_owner,
        stop_if_replied_since=now,
        not_after=_ends_at(session, campaign),
        now=now,
    )
    states = _enrol(session, actor, campaign, candidates, kept=kept, made=made)
    campaign.batch_id, campaign.stage = batch.id, CampaignStage.REVIEW.value
    campaign.prepared_at = campaign.updated_at = now
    session.flush()
    line = queries.lines(session, [campaign], now=now)[0]
    return Prepared(
        drafted=states[RecipientState.DRAFTED],
        missing=line.outcomes.get(Outcome.HELD, 0),
        skipped=states[RecipientState.SKIPPED],
        held_out=states[RecipientState.HOLDOUT],
    )


def _texts(session: Session, campaign: Campaign) -> Mapping[str, CampaignText]:
    texts = queries.texts(session, campaign)
    if "" not in texts:
        sentence = N_("Write a text.")
        raise InvalidInputError(sentence, fields={"body": sentence})
    for text in texts.values():
        # Checked again: the offer may have been taken away after the text was written.
        check_text(
            ChannelKind(campaign.channel),
            subject=text.subject,
            body=text.body,
            has_offer=campaign.offer_id is not None,
        )
    return texts


def _require_account(session: Session, actor: Actor, campaign: Campaign) -> None:
    channel = ChannelKind(campaign.channel)
    account = choose_account(session, channel=channel, account_id=campaign.account_id, owner_id=actor.user_id)
    if account is None and channel is ChannelKind.EMAIL:
        sentence = N_("There is no e-mail account to send from. Add one in the settings.")
        raise InvalidInputError(sentence, code="no_account", fields={"account_id": sentence})


def _candidates(
    session: Session, actor: Actor, campaign: Campaign, house: Workspace, *, now: datetime
) -> Sequence[Candidate]:
    people = queries.people(session, actor, campaign=campaign, now=now)
    if not people.candidates:
        sentence = N_("There is nobody to write to yet. Choose a segment or some people.")
        raise InvalidInputError(sentence, code="nobody", fields={"people": sentence})
    if people.too_many:
        sentence = N_("These are too many people for one campaign. Choose a smaller segment.")
        raise AudienceTooLargeError(sentence, fields={"people": sentence})
    if len(people.candidates) > min(house.audience_limit, MOST_PEOPLE) and not actor.may(Permission.SEND_BEYOND_LIMITS):
        sentence = N_("These are more people than the workspace allows at once. Take fewer, or ask a manager.")
        raise AudienceTooLargeError(sentence, fields={"people": sentence})
    if not people.writable:
        sentence = N_("None of these people can be written to. The reasons are listed under People.")
        raise InvalidInputError(sentence, code="nobody_writable", fields={"people": sentence})
    return people.candidates


def _vouchers(
    session: Session, actor: Actor, campaign: Campaign, chosen: Sequence[Candidate], *, now: datetime
) -> Mapping[UUID, Voucher]:
    if campaign.offer_id is None:
        return {}
    return loyalty.allocate_vouchers(
        session,
        actor,
        offer_id=campaign.offer_id,
        contact_ids=[person.contact.id for person in chosen],
        source_kind="campaign",
        source_id=campaign.id,
        now=now,
    )


def _draft(
    person: Candidate,
    *,
    texts: Mapping[str, CampaignText],
    house: Workspace,
    offer: OfferView | None,
    voucher: Voucher | None,
    why: Mapping[str, object],
) -> DraftInput:
    language = language_of(person.contact, house)
    text = texts.get(language, texts[""])
    company = person.contact.company
    return DraftInput(
        contact_id=person.contact.id,
        subject=text.subject,
        body=text.body,
        values=offer_values(
            offer,
            code=voucher.code if voucher else "",
            company=company.name if company else "",
            language=language,
        ),
        voucher_id=voucher.id if voucher else None,
        why=why,
    )


def _ends_at(session: Session, campaign: Campaign) -> datetime | None:
    return session.get_one(Offer, campaign.offer_id).valid_until if campaign.offer_id else None


def _enrol(
    session: Session,
    actor: Actor,
    campaign: Campaign,
    candidates: Sequence[Candidate],
    *,
    kept: set[UUID],
    made: Mapping[UUID, UUID],
) -> Counter[RecipientState]:
    """One recipient for every candidate: drafted, held out to compare, or skipped with the reason."""
    states: Counter[RecipientState] = Counter()
    rows = []
    for position, person in enumerate(candidates):
        contact_id = person.contact.id
        state, reason = RecipientState.DRAFTED, ""
        if contact_id in kept:
            state = RecipientState.HOLDOUT
        elif contact_id not in made:
            state = RecipientState.SKIPPED
            reason = person.verdict.reason.value if not person.writable and person.verdict.reason else OFFER_LIMIT
        states[state] += 1
        rows.append(
            {
                "id": new_id(),
                "workspace_id": actor.workspace_id,
                "campaign_id": campaign.id,
                "contact_id": contact_id,
                "message_id": made.get(contact_id),
                "state": state.value,
                "reason": reason,
                "position": position,
            }
        )
    session.execute(insert(Recipient), rows)
    return states


def discard(session: Session, actor: Actor, *, campaign_id: UUID, now: datetime) -> Campaign:
    """Throw the drafts away, codes included, so that people, offer and words can be changed again.

    Raises `WrongStageError` once it was scheduled.
    """
    actor.require(Permission.WRITE)
    campaign = load(session, actor, campaign_id, CampaignStage.REVIEW)
    if campaign.batch_id is not None:
        outreach.cancel_batch(session, actor, batch_id=campaign.batch_id, now=now)
    session.execute(
        delete(Recipient).where(Recipient.campaign_id == campaign.id).execution_options(synchronize_session=False)
    )
    campaign.stage, campaign.batch_id = CampaignStage.DRAFT.value, None
    campaign.prepared_at, campaign.updated_at = None, now
    session.flush()
    return campaign


def preview(
    session: Session,
    actor: Actor,
    *,
    campaign_id: UUID,
    contact_id: UUID,
    subject: str,
    body: str,
    now: datetime,
) -> Rendered:
    """What one person would read, with a sample in place of their code; raises `InvalidInputError` by field."""
    campaign = queries.campaign(session, actor, campaign_id=campaign_id)
    channel = ChannelKind(campaign.channel)
    check_text(channel, subject=subject or "–", body=body, has_offer=campaign.offer_id is not None)
    house = session.get_one(Workspace, actor.workspace_id)
    person = contacts.contact(session, actor, contact_id=contact_id)
    offer = require_offer(session, actor, campaign.offer_id, now=now) if campaign.offer_id else None
    return outreach.preview(
        session,
        actor,
        contact_id=contact_id,
        subject=subject,
        body=body,
        channel=channel,
        values=offer_values(
            offer,
            code=SAMPLE_CODE,
            company=person.company.name if person.company else "",
            language=language_of(person, house),
        ),
        account_id=campaign.account_id,
        from_owner=campaign.from_owner,
    )
