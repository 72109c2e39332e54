"""Owns who a campaign would write to, and the gate's answer about each of them."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import ColumnElement, Select, and_, false, not_, or_, select
from sqlalchemy.orm import Session, joinedload

from crm.accounts.rules import Actor
from crm.campaigns.models import Campaign, CampaignPick
from crm.campaigns.rules import MOST_PEOPLE
from crm.channels.base import ChannelKind
from crm.consent.kinds import Purpose
from crm.contacts.models import Contact
from crm.contacts.queries import alive
from crm.outreach import queries as outreach
from crm.outreach.rules import OUTLOOK, Disposition, Reason, Verdict, Way
from crm.segments import queries as segments


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """Somebody the campaign would write to, with the gate's answer for now."""

    contact: Contact
    verdict: Verdict
    picked: bool

    @property
    def writable(self) -> bool:
        """True when a message may be prepared: it can leave now or at a later time by itself."""
        return self.verdict.disposition not in {Disposition.SKIP, Disposition.CANCEL}


@dataclass(frozen=True, slots=True, kw_only=True)
class Obstacle:
    """Why some of them can't be written to, how many, and what can lawfully be done; `waits` when time helps."""

    reason: Reason
    way: Way
    count: int
    names: tuple[str, ...]
    waits: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class People:
    """Everybody a campaign would write to, by name; `too_many` when not all of them were read."""

    candidates: Sequence[Candidate]
    too_many: bool

    @property
    def writable(self) -> int:
        """How many may be written to."""
        return sum(person.writable for person in self.candidates)

    @property
    def obstacles(self) -> list[Obstacle]:
        """The reasons, the most frequent first; hours and paces, which pass by themselves, are none."""
        found = [
            (person.verdict.reason, person.contact.display_name)
            for person in self.candidates
            if person.verdict.reason is not None and person.verdict.disposition is not Disposition.DEFER
        ]
        return [
            Obstacle(
                reason=reason,
                way=OUTLOOK[reason][1],
                count=count,
                names=tuple(name for why, name in found if why is reason)[:3],
                waits=OUTLOOK[reason][0] is Disposition.HOLD,
            )
            for reason, count in Counter(reason for reason, _ in found).most_common()
        ]


def picks(session: Session, campaign: Campaign) -> dict[UUID, bool]:
    """Who was added (True) or taken out (False) by hand."""
    rows = session.execute(
        select(CampaignPick.contact_id, CampaignPick.is_added).where(CampaignPick.campaign_id == campaign.id)
    )
    return {row.contact_id: row.is_added for row in rows}


def audience(session: Session, actor: Actor, *, campaign: Campaign, now: datetime) -> Select[UUID]:
    """The ids of the segment's people and the hand picks whom the actor may see, without those taken out; no order."""
    chosen: list[ColumnElement[bool]] = [_picked(campaign, is_added=True)]
    if campaign.segment_id is not None:
        segment = segments.audience(session, actor, segment_id=campaign.segment_id, now=now)
        chosen.append(Contact.id.in_(segment))
    return select(Contact.id).where(
        Contact.workspace_id == actor.workspace_id,
        alive(actor),
        or_(false(), *chosen),
        not_(_picked(campaign, is_added=False)),
    )


def _picked(campaign: Campaign, *, is_added: bool) -> ColumnElement[bool]:
    return (
        select(CampaignPick.id)
        .where(
            and_(
                CampaignPick.workspace_id == campaign.workspace_id,
                CampaignPick.campaign_id == campaign.id,
                CampaignPick.contact_id == Contact.id,
                CampaignPick.is_added.is_(is_added),
            )
        )
        .correlate(Contact)
        .exists()
    )


def people(session: Session, actor: Actor, *, campaign: Campaign, now: datetime) -> People:
    """Everybody the campaign would write to now, by name, with the gate's answer; at most `MOST_PEOPLE` of them."""
    wanted = (
        select(Contact)
        .options(joinedload(Contact.company))
        .where(Contact.id.in_(audience(session, actor, campaign=campaign, now=now)))
        .order_by(Contact.sort_name, Contact.id)
        .limit(MOST_PEOPLE + 1)
    )
    found = session.scalars(wanted).all()
    by_hand = picks(session, campaign)
    verdicts = outreach.verdicts(
        session,
        actor,
        contact_ids=[contact.id for contact in found],
        purpose=Purpose(campaign.purpose),
        channel=ChannelKind(campaign.channel),
        now=now,
    )
    return People(
        candidates=[
            Candidate(contact=contact, verdict=verdicts[contact.id], picked=by_hand.get(contact.id, False))
            for contact in found[:MOST_PEOPLE]
        ],
        too_many=len(found) > MOST_PEOPLE,
    )


def taken_out(session: Session, actor: Actor, *, campaign: Campaign) -> list[Contact]:
    """Who was taken out by hand, of the people the actor may see, by name."""
    out = [contact_id for contact_id, is_added in picks(session, campaign).items() if not is_added]
    wanted = select(Contact).where(Contact.id.in_(out), alive(actor)).order_by(Contact.sort_name, Contact.id)
    return list(session.scalars(wanted))
