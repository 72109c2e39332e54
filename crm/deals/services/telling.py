"""Owns what deals write on the timeline of their main person."""

from datetime import datetime
from typing import Final

from sqlalchemy import select
from sqlalchemy.orm import Session

from crm.accounts.rules import Actor
from crm.contacts import queries as contacts
from crm.contacts.models import Contact
from crm.deals.kinds import DealEvent
from crm.deals.models import Deal, DealContact
from crm.interactions import services as interactions

#: The source of these entries; their `source_id` is the deal.
SOURCE_KIND: Final = "deal"


def tell(session: Session, actor: Actor, *, deal: Deal, kind: DealEvent, body: str, now: datetime) -> None:
    """Log what happened to a deal with its main person, whose page shows it; without one there is nobody to tell."""
    main = (
        select(Contact.id)
        .join(DealContact, DealContact.contact_id == Contact.id)
        .where(DealContact.deal_id == deal.id, DealContact.is_main, contacts.alive(actor))
    )
    contact_id = session.scalars(main).one_or_none()
    if contact_id is None:
        return
    interactions.log(
        session,
        actor,
        kind=kind,
        happened_at=now,
        contact_id=contact_id,
        subject=deal.title,
        body=body,
        source_kind=SOURCE_KIND,
        source_id=deal.id,
        now=now,
    )
