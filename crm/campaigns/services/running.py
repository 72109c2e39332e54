"""Owns the run: when the approved ones leave, pause, resume, cancel, and what the clock looks after meanwhile."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from crm.accounts.kinds import Permission
from crm.accounts.models import Workspace
from crm.accounts.rules import Actor
from crm.accounts.services import audit, notifications
from crm.campaigns import queries
from crm.campaigns.inputs import ScheduleInput
from crm.campaigns.kinds import CampaignStage, CampaignState, LeaverPolicy, Outcome, RecipientState, ScheduleKind
from crm.campaigns.models import Campaign, CampaignPick, Recipient
from crm.campaigns.rules import spread
from crm.campaigns.services.setup import WrongStageError, load
from crm.channels.sentences import N_
from crm.clock import local_instant, zone
from crm.contacts.models import Contact
from crm.errors import InvalidInputError, NotFoundError
from crm.outreach import services as outreach
from crm.outreach.kinds import MessageState
from crm.outreach.models import Message
from crm.outreach.moments import check_moment
from crm.outreach.services.transitions import PENDING
from crm.segments import queries as segments

#: They left the segment after the preparation, and the campaign asks for stopping then.
LEFT_SEGMENT: Final = "left_segment"


@dataclass(frozen=True, slots=True)
class Scheduled:
    """What scheduling did: how many leave, from when to when, how many still wait for review, how many had left."""

    scheduled: int
    first_at: datetime | None
    last_at: datetime | None
    waiting: int
    left: int


def schedule(session: Session, actor: Actor, *, campaign_id: UUID, data: ScheduleInput, now: datetime) -> Scheduled:
    """Agree on when the approved drafts leave; may be repeated for those approved later, and to move all of them.

    Raises `InvalidInputError` beside `at` or `until` for a time that has passed or is beyond a year, or a window that
    ends before it begins, `WrongStageError` when nothing is approved.
    """
    actor.require(Permission.WRITE)
    campaign = load(session, actor, campaign_id, CampaignStage.REVIEW, CampaignStage.SCHEDULED)
    left = stop_leavers(session, actor, campaign=campaign, now=now)
    people = _approved(session, campaign)
    if not people:
        raise WrongStageError(N_("Nothing is approved yet. Review the drafts first."), code="nothing_approved")
    times = _times(session, actor, data, people, now=now)
    changed = outreach.schedule(session, actor, message_ids=list(people), times=times, now=now)
    campaign.stage, campaign.schedule = CampaignStage.SCHEDULED.value, data.kind.value
    campaign.starts_at = min(times.values()) if times else now
    campaign.ends_at = max(times.values()) if times else None
    campaign.in_recipient_zone, campaign.finished_at, campaign.updated_at = data.in_recipient_zone, None, now
    audit.record(
        session,
        actor,
        action="campaign.scheduled",
        object_kind="campaign",
        object_id=campaign.id,
        after={"kind": data.kind.value, "messages": len(changed.done)},
    )
    session.flush()
    waiting = sum(person.waits_for_review for person in queries.queue(session, actor, campaign=campaign))
    return Scheduled(len(changed.done), campaign.starts_at, campaign.ends_at, waiting, left)


def _approved(session: Session, campaign: Campaign) -> dict[UUID, str]:
    """The messages that can be scheduled, in order, with the zone of each person ('' when unknown)."""
    rows = session.execute(
        select(Message.id, Contact.time_zone)
        .join(Recipient, Recipient.message_id == Message.id)
        .join(Contact, Contact.id == Recipient.contact_id)
        .where(
            Recipient.campaign_id == campaign.id,
            Message.state.in_([MessageState.APPROVED.value, MessageState.SCHEDULED.value]),
        )
        .order_by(Recipient.position, Recipient.id)
    )
    return {row.id: row.time_zone for row in rows}


def _times(
    session: Session, actor: Actor, data: ScheduleInput, people: Mapping[UUID, str], *, now: datetime
) -> dict[UUID, datetime] | None:
    """The moment of each message; None for now."""
    if data.kind is ScheduleKind.NOW:
        return None
    at = _future("at", data.at, now=now)
    if data.kind is ScheduleKind.SPREAD:
        until = _future("until", data.until, now=now)
        if until <= at:
            sentence = N_("The end must come after the beginning.")
            raise InvalidInputError(sentence, code="ends_first", fields={"until": sentence})
        return spread(list(people), start=at, end=until)
    if not data.in_recipient_zone:
        return dict.fromkeys(people, at)
    house = session.get_one(Workspace, actor.workspace_id)
    return _in_their_zones(people, at, house_zone=house.time_zone, now=now)


def _in_their_zones(
    people: Mapping[UUID, str], at: datetime, *, house_zone: str, now: datetime
) -> dict[UUID, datetime]:
    """The clock time that `at` shows in the workspace, where each person lives."""
    local = at.astimezone(zone(house_zone))
    times = {
        message_id: local_instant(local.date(), local.time(), tz=tz or house_zone) for message_id, tz in people.items()
    }
    if any(time < now for time in times.values()):
        sentence = N_("Where some of these people live, this time has passed already. Choose a later one.")
        raise InvalidInputError(sentence, code="past_there", fields={"at": sentence})
    return times


def _future(name: str, moment: datetime | None, *, now: datetime) -> datetime:
    if moment is None:
        sentence = N_("Choose a day and a time.")
        raise InvalidInputError(sentence, code="missing", fields={name: sentence})
    check_moment(moment, now=now, field=name)
    return moment


def pause(session: Session, actor: Actor, *, campaign_id: UUID, now: datetime) -> Campaign:
    """Nothing more of it leaves until it is resumed; the agreed times stay."""
    actor.require(Permission.WRITE)
    campaign = load(session, actor, campaign_id, CampaignStage.SCHEDULED)
    outreach.pause_batch(session, actor, batch_id=_batch(campaign))
    return _decided(session, actor, campaign, "campaign.paused", now=now)


def resume(session: Session, actor: Actor, *, campaign_id: UUID, now: datetime) -> int:
    """Go on; what fell due meanwhile keeps its distances, so there is no burst. Returns how many were moved."""
    actor.require(Permission.WRITE)
    campaign = load(session, actor, campaign_id, CampaignStage.SCHEDULED)
    stop_leavers(session, actor, campaign=campaign, now=now)
    moved = outreach.resume_batch(session, actor, batch_id=_batch(campaign), now=now)
    _decided(session, actor, campaign, "campaign.resumed", now=now)
    return moved


def cancel(session: Session, actor: Actor, *, campaign_id: UUID, now: datetime) -> int:
    """Nothing more of it will ever leave, and its unsent codes are taken back; returns how many were cancelled."""
    actor.require(Permission.WRITE)
    campaign = load(session, actor, campaign_id, CampaignStage.REVIEW, CampaignStage.SCHEDULED)
    cancelled = outreach.cancel_batch(session, actor, batch_id=_batch(campaign), now=now)
    campaign.stage, campaign.finished_at = CampaignStage.CANCELLED.value, now
    _decided(session, actor, campaign, "campaign.cancelled", now=now)
    return cancelled


def _decided(session: Session, actor: Actor, campaign: Campaign, action: str, *, now: datetime) -> Campaign:
    campaign.updated_at = now
    audit.record(session, actor, action=action, object_kind="campaign", object_id=campaign.id)
    session.flush()
    return campaign


def _batch(campaign: Campaign) -> UUID:
    if campaign.batch_id is None:
        raise WrongStageError(N_("The campaign is not at this point."))
    return campaign.batch_id


def stop_leavers(session: Session, actor: Actor, *, campaign: Campaign, now: datetime) -> int:
    """Skip those who are not in the segment any more, where the campaign asks for it; hand picks stay.

    Whoever became invisible to the actor has not left: only the rule decides. Returns how many were skipped.
    """
    if campaign.leavers != LeaverPolicy.STOP or campaign.segment_id is None:
        return 0
    try:
        segment = segments.segment(session, actor, segment_id=campaign.segment_id)
    except NotFoundError:
        # A deleted segment has no rule that anybody could have left.
        return 0
    inside = segments.condition_of(session, segments.context_of(session, actor, now=now), segment)
    picked = select(CampaignPick.contact_id).where(
        CampaignPick.campaign_id == campaign.id, CampaignPick.is_added.is_(True)
    )
    left = session.scalars(
        select(Recipient.message_id)
        .join(Contact, Contact.id == Recipient.contact_id)
        .join(Message, Message.id == Recipient.message_id)
        .where(
            Recipient.campaign_id == campaign.id,
            Recipient.state == RecipientState.DRAFTED,
            Message.state.in_([state.value for state in PENDING]),
            Recipient.contact_id.not_in(picked),
            inside.is_not(True),
        )
    ).all()
    ids: Sequence[UUID] = [message_id for message_id in left if message_id is not None]
    return len(outreach.skip(session, actor, message_ids=ids, reason=LEFT_SEGMENT, now=now).done)


def tend(session: Session, actor: Actor, *, now: datetime) -> int:
    """What the clock does for the workspace's running campaigns: stop leavers, and ring the bell for those that ended.

    Returns how many ended.
    """
    rows = session.scalars(
        select(Campaign)
        .where(
            Campaign.workspace_id == actor.workspace_id,
            Campaign.stage == CampaignStage.SCHEDULED,
            Campaign.finished_at.is_(None),
            Campaign.deleted_at.is_(None),
        )
        .order_by(Campaign.id)
        .with_for_update(skip_locked=True)
    ).all()
    for campaign in rows:
        stop_leavers(session, actor, campaign=campaign, now=now)
    ended = [line for line in queries.lines(session, rows, now=now) if line.state is CampaignState.FINISHED]
    for line in ended:
        line.campaign.finished_at = now
        if line.campaign.created_by_id is not None:
            notifications.notify(
                session,
                actor,
                user_ids=[line.campaign.created_by_id],
                kind="campaign.finished",
                params={"name": line.campaign.name, "sent": line.outcomes.get(Outcome.SENT, 0)},
                url=f"/campaigns/{line.campaign.id}/report",
                now=now,
            )
    session.flush()
    return len(ended)
