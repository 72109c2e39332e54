"""Owns two scenes of the demo that wait for a decision: an angry comment, and a private promotion to review."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from crm.accounts.rules import Actor
from crm.campaigns import services as campaigns
from crm.campaigns.inputs import TextInput, WordsInput
from crm.channels.base import ChannelKind
from crm.contacts.models import Contact
from crm.interactions import services as interactions
from crm.interactions.kinds import Direction, InteractionKind, Sentiment, Visibility
from crm.loyalty.kinds import OfferKind
from crm.loyalty.models import Offer

SUBJECT = "{{ contact.first_name }}, una condizione riservata"
BODY = (
    "Buongiorno {{ contact.first_name }},\n\nper chi ci segue da tempo abbiamo riservato {{ offer.name }}."
    "\n\nIl Suo codice personale è {{ voucher.code }} e vale fino al {{ offer.until }}.\n\nA presto!"
)


def complaint(session: Session, actor: Actor, *, contact: Contact, now: datetime) -> None:
    """A negative comment of this morning that nobody answered."""
    interactions.log(
        session,
        actor,
        kind=InteractionKind.COMMENT,
        contact_id=contact.id,
        direction=Direction.INBOUND,
        channel=ChannelKind.INSTAGRAM,
        happened_at=now - timedelta(hours=2),
        body="Tre giorni per una visura urgente. Mai più.",
        sentiment=Sentiment.NEGATIVE,
        visibility=Visibility.PUBLIC,
        external_id=f"demo-complaint-{contact.id}",
        now=now,
    )


def promotion(session: Session, actor: Actor, *, people: Sequence[Contact], account_id: UUID, now: datetime) -> None:
    """A campaign for `people` with a code for each of them, from that account; its drafts wait for review."""
    offer_id = session.scalar(select(Offer.id).where(Offer.kind == OfferKind.PERCENT).limit(1))
    made = campaigns.create(
        session,
        actor,
        name="Report Germania, novembre",
        contact_ids=[person.id for person in people],
        offer_id=offer_id,
        now=now,
    )
    words = WordsInput(account_id=account_id, texts=[TextInput(subject=SUBJECT, body=BODY)])
    campaigns.write_words(session, actor, campaign_id=made.id, data=words, now=now)
    campaigns.prepare(session, actor, campaign_id=made.id, now=now)
