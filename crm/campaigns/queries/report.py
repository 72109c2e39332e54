"""Owns the report of a campaign: every recipient in exactly one state, what they did afterwards, and the comparison."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from sqlalchemy import exists, func, select
from sqlalchemy.orm import Session

from crm.accounts.rules import Actor
from crm.campaigns.kinds import Outcome, Reaction
from crm.campaigns.models import Campaign, Recipient
from crm.campaigns.queries.recipients import reacted
from crm.campaigns.queries.saved import outcome_of
from crm.campaigns.rules import Lift, lift
from crm.contacts.models import Contact
from crm.contacts.queries import visible
from crm.interactions.kinds import InteractionKind
from crm.interactions.models import Interaction
from crm.loyalty.models import Redemption
from crm.outreach.models import Message

#: A purchase this soon after the campaign began counts for the comparison with those who were held out.
COUNTS_FOR: Final = timedelta(days=14)
_BOUGHT: Final = (InteractionKind.PURCHASE.value, InteractionKind.OFFER_REDEEMED.value)


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """The figures of a campaign over the people the actor may see; money in minor units.

    `planned` is the sum of `outcomes`, always. `purchases` are the redemptions that `revenue_minor` comes from.
    """

    outcomes: Mapping[Outcome, int]
    reactions: Mapping[Reaction, int]
    purchases: int
    revenue_minor: int
    first_sent_at: datetime | None
    last_sent_at: datetime | None
    next_at: datetime | None
    lift: Lift | None

    @property
    def planned(self) -> int:
        """How many people the campaign was prepared for."""
        return sum(self.outcomes.values())


def report(session: Session, actor: Actor, *, campaign: Campaign) -> Report:
    """The report of a campaign as it stands."""
    kind = outcome_of()
    seen = (
        select(func.count())
        .select_from(Recipient)
        .join(Contact, Contact.id == Recipient.contact_id)
        .outerjoin(Message, Message.id == Recipient.message_id)
        .where(Recipient.campaign_id == campaign.id, visible(actor))
    )
    counted = dict.fromkeys(Outcome, 0)
    for name, count in session.execute(seen.with_only_columns(kind, func.count()).group_by(kind)):
        counted[Outcome(name)] = count
    reactions = session.execute(
        seen.with_only_columns(*(func.count().filter(reacted(reaction)) for reaction in Reaction))
    ).one()
    first, last, upcoming = session.execute(
        seen.with_only_columns(
            func.min(Message.sent_at),
            func.max(Message.sent_at),
            func.min(Message.due_at).filter(Message.state == "scheduled"),
        )
    ).one()
    purchases, revenue = session.execute(
        select(func.count(), func.coalesce(func.sum(Redemption.purchase_minor - Redemption.discount_minor), 0))
        .select_from(Recipient)
        .join(Contact, Contact.id == Recipient.contact_id)
        .join(Message, Message.id == Recipient.message_id)
        .join(Redemption, Redemption.voucher_id == Message.voucher_id)
        .where(
            Recipient.campaign_id == campaign.id,
            Redemption.undone_at.is_(None),
            Redemption.purchase_minor.is_not(None),
            reacted(Reaction.REDEEMED),
            visible(actor),
        )
    ).one()
    return Report(
        outcomes=counted,
        reactions=dict(zip(Reaction, reactions, strict=True)),
        purchases=purchases,
        revenue_minor=int(revenue),
        first_sent_at=first,
        last_sent_at=last,
        next_at=upcoming,
        lift=_lift(session, actor, campaign_id=campaign.id, began=first) if counted[Outcome.HOLDOUT] else None,
    )


def _lift(session: Session, actor: Actor, *, campaign_id: UUID, began: datetime | None) -> Lift | None:
    if began is None:
        return None
    bought = exists().where(
        Interaction.contact_id == Recipient.contact_id,
        Interaction.kind.in_(_BOUGHT),
        Interaction.removed_at.is_(None),
        Interaction.happened_at >= began,
        Interaction.happened_at < began + COUNTS_FOR,
    )
    kind = outcome_of()
    rows = session.execute(
        select(kind, func.count(), func.count().filter(bought))
        .select_from(Recipient)
        .join(Contact, Contact.id == Recipient.contact_id)
        .outerjoin(Message, Message.id == Recipient.message_id)
        .where(
            Recipient.campaign_id == campaign_id,
            kind.in_([Outcome.SENT.value, Outcome.HOLDOUT.value]),
            visible(actor),
        )
        .group_by(kind)
    )
    found = {name: (people, buyers) for name, people, buyers in rows}
    written, written_bought = found.get(Outcome.SENT, (0, 0))
    kept, kept_bought = found.get(Outcome.HOLDOUT, (0, 0))
    return lift(written=written, written_bought=written_bought, kept=kept, kept_bought=kept_bought)
