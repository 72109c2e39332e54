"""Owns a person's primary company and links between people."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from crm.accounts.kinds import Permission
from crm.accounts.rules import Actor
from crm.channels.sentences import N_
from crm.contacts import queries
from crm.contacts.kinds import LinkKind
from crm.contacts.models import Affiliation, Contact, ContactLink
from crm.errors import ConflictError, NotFoundError


def set_company(
    session: Session, *, contact: Contact, company_id: UUID | None, role: str = "", now: datetime
) -> Affiliation | None:
    """Make a company the contact's primary one; the former primary place ends today. None without a company."""
    wanted = select(Affiliation).where(Affiliation.contact_id == contact.id, Affiliation.ended_on.is_(None))
    places = session.scalars(wanted).all()
    for place in places:
        if place.is_primary and place.company_id != company_id:
            place.ended_on = now.date()
    session.flush()
    contact.company_id = company_id
    if company_id is None:
        return None
    here = next((place for place in places if place.company_id == company_id), None)
    if here is None:
        here = Affiliation(contact_id=contact.id, company_id=company_id)
        session.add(here)
    here.is_primary, here.role = True, role or here.role or ""
    session.flush()
    return here


def link(
    session: Session, actor: Actor, *, contact_id: UUID, other_id: UUID, kind: LinkKind, now: datetime
) -> ContactLink:
    """Note that `contact_id` knows, was introduced by, assists or reports to `other_id`; the same link twice is one."""
    actor.require(Permission.EDIT)
    if contact_id == other_id:
        raise ConflictError(N_("A person can't be linked with themselves."))
    for one in (contact_id, other_id):
        queries.contact(session, actor, contact_id=one)
    wanted = select(ContactLink).where(
        ContactLink.contact_id == contact_id, ContactLink.other_id == other_id, ContactLink.kind == kind
    )
    found = session.scalars(wanted).one_or_none()
    if found is None:
        found = ContactLink(contact_id=contact_id, other_id=other_id, kind=kind, created_at=now)
        session.add(found)
        session.flush()
    return found


def unlink(session: Session, actor: Actor, *, link_id: UUID) -> None:
    """Forget a link between two people."""
    actor.require(Permission.EDIT)
    found = session.get(ContactLink, link_id)
    if found is None:
        raise NotFoundError(N_("There is no such link."))
    queries.contact(session, actor, contact_id=found.contact_id)
    session.delete(found)
    session.flush()
